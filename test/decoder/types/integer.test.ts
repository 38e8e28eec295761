import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readInt8, readInteger, writeInteger } from '../../../src/decoder/types/integer.ts'
import { ProtocolError } from '../../../src/protocol/messages/errors.ts'
import { failureOf, readInPlace } from './in-place.ts'

const least = -(2n ** 63n)
const most = 2n ** 63n - 1n

test('int2, int4 and oid: every number of their ranges', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), (value) => {
      expect(readInPlace(readInteger, writeInteger(value))).toBe(value)
    }),
  )
})

test('int8: every number of its range, as a bigint', () => {
  const anyDigits = fc
    .integer({ min: 1, max: 19 })
    .chain((digits) => fc.bigInt({ min: 0n, max: 10n ** BigInt(digits) }))
  const value = fc.oneof(
    fc.bigInt({ min: least, max: most }),
    anyDigits,
    anyDigits.map((digits) => -digits),
  )
  fc.assert(
    fc.property(value, (value) => {
      fc.pre(value >= least && value <= most)
      expect(readInPlace(readInt8, writeInteger(value))).toBe(value)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  least,
  least + 1n,
  most,
  most - 1n,
  0n,
  -1n,
  2n ** 32n,
  -(2n ** 32n),
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  999_999_999_999_999n,
  1_000_000_000_000_000n,
  -999_999_999_999_999n,
  -1_000_000_000_000_000n,
])('int8 %s', (value) => {
  expect(readInPlace(readInt8, `${value}`)).toBe(value)
})

test('what is not an integer is refused, not guessed', () => {
  for (const text of ['', '-', '--1', '1-', '+1', ' 1', '1 ', '1.0', '1e3', '0x1', 'a', '٣', '12345678901']) {
    expect(failureOf(readInteger, text), text).toBeInstanceOf(ProtocolError)
  }
  for (const text of ['', '-', '1a', '123456789012345a', '1234567890123456a', 'a234567890123456', '1'.repeat(20)]) {
    expect(failureOf(readInt8, text), text).toBeInstanceOf(ProtocolError)
  }
})

test('an int8 beyond its range does not wrap around', () => {
  for (const value of [most + 1n, least - 1n, 9_999_999_999_999_999_999n, -9_223_372_037_000_000_000n]) {
    expect(failureOf(readInt8, `${value}`), `${value}`).toBeInstanceOf(ProtocolError)
  }
})

test('no bytes make an integer reader do anything but return or refuse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      for (const read of [readInteger, readInt8]) {
        const failure = failureOf(read, bytes)
        expect(failure === undefined || failure instanceof ProtocolError).toBe(true)
      }
    }),
  )
})

test('what is no whole number is not written', () => {
  for (const value of [0.5, Number.NaN, Infinity, '1', null, true, 2 ** 60]) {
    expect(() => writeInteger(value), String(value)).toThrow(TypeError)
  }
})
