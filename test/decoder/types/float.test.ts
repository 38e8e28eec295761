import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readFloat, writeFloat } from '../../../src/decoder/types/float.ts'
import { ProtocolError } from '../../../src/protocol/messages/errors.ts'
import { failureOf, readInPlace } from './in-place.ts'

const view = new DataView(new ArrayBuffer(8))
const bitsOf = (value: number) => {
  view.setFloat64(0, value)
  return view.getBigUint64(0).toString(16)
}
const expectSameBits = (text: string) => expect(bitsOf(readInPlace(readFloat, text)), text).toBe(bitsOf(Number(text)))

/** A float8 of random bits, so that every exponent is as likely as any other. */
const anyFloat8 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((bits) => {
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
})

/** The text that float8out would choose: exponent form below 1e-4 and from 1e15 on, at least two exponent digits. */
function serverText(value: number): string {
  const [digits, exponent] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 15) return value.toFixed(Math.max(0, digits!.replace(/\D/g, '').length - 1 - power))
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

test('any float8, in its own shortest text, bit for bit (trap 44)', () => {
  fc.assert(
    fc.property(fc.oneof(anyFloat8, fc.double()), (value) => {
      const text = writeFloat(value)
      const expected = Number.isNaN(value) ? Number.NaN : value
      expect(bitsOf(readInPlace(readFloat, text))).toBe(bitsOf(expected))
      if (Number.isFinite(value)) expectSameBits(serverText(value))
    }),
    { numRuns: 5000 },
  )
})

test('any decimal of up to 20 digits and any scale, bit for bit as Number reads it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }).chain((length) => fc.bigInt({ min: 0n, max: 10n ** BigInt(length) })),
      fc.integer({ min: 0, max: 30 }),
      fc.boolean(),
      fc.option(fc.integer({ min: -330, max: 330 })),
      (digits, scale, negative, exponent) => {
        const padded = `${digits}`.padStart(scale + 1, '0')
        const fraction = scale === 0 ? '' : `.${padded.slice(padded.length - scale)}`
        const mantissa = `${negative ? '-' : ''}${padded.slice(0, padded.length - scale)}${fraction}`
        expectSameBits(exponent === null ? mantissa : `${mantissa}e${exponent}`)
      },
    ),
    { numRuns: 5000 },
  )
})

test('decimals right beside the middle between two float8s round as Number does', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 22 }),
      fc.bigInt({ min: 2n ** 52n, max: 2n ** 53n - 1n }),
      fc.integer({ min: -2, max: 2 }),
      (scale, mantissa, offset) => {
        // m + 1/2 for a float8 m of 53 bits lies in the middle; 17 digits of it lie beside
        const digits = `${(mantissa * 2n + 1n) * 5n + BigInt(offset)}`.slice(0, 17)
        const point = digits.length - scale
        expectSameBits(
          point > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : `0.${'0'.repeat(-point)}${digits}`,
        )
      },
    ),
    { numRuns: 5000 },
  )
})

test.each([
  '0',
  '-0',
  '5e-324',
  '-5e-324',
  '2.2250738585072014e-308',
  '2.225073858507201e-308',
  '1.7976931348623157e+308',
  '1e+15',
  '1e+22',
  '1e+23',
  '0.1',
  '0.30000000000000004',
  '9007199254740993',
  '9007199254740992.5',
  '99999999999999999',
  '1e-22',
  '123456789.12345679',
  '00000000000000000000000000001.5',
])('%s', expectSameBits)

test('NaN and the infinities', () => {
  expect(readInPlace(readFloat, 'NaN')).toBeNaN()
  expect(readInPlace(readFloat, 'Infinity')).toBe(Infinity)
  expect(readInPlace(readFloat, '-Infinity')).toBe(-Infinity)
  expect([Number.NaN, Infinity, -Infinity, -0].map(writeFloat)).toEqual(['NaN', 'Infinity', '-Infinity', '-0'])
})

test('a float4 is the number that its shortest text names', () => {
  expect(readInPlace(readFloat, '0.1')).toBe(0.1)
  expect(readInPlace(readFloat, '1e-45')).toBe(1e-45)
  expect(readInPlace(readFloat, '3.4028235e+38')).toBe(3.4028235e38)
})

test('what is not a number is refused', () => {
  for (const text of ['', '-', '.', '-.', '1e', '1e+', 'e5', '1.2.3', '0x10', ' 1', '1 ', 'nan', 'inf', '1_0', '--1']) {
    expect(failureOf(readFloat, text), text).toBeInstanceOf(ProtocolError)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      const failure = failureOf(readFloat, bytes)
      expect(failure === undefined || failure instanceof ProtocolError).toBe(true)
    }),
  )
})
