import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { testVersions } from '../../server/index.ts'
import { readInPlace } from './in-place.ts'
import { askServer, type Oracle } from './server-oracle.ts'

/** One question to the server for each property, with this many values in it. */
const count = 500

const samples = <T>(arbitrary: fc.Arbitrary<T>): T[] => fc.sample(arbitrary, count)

const float64 = new DataView(new ArrayBuffer(8))
const hexOf = (value: number, bytes: 4 | 8) => {
  if (bytes === 4) float64.setFloat32(0, value)
  else float64.setFloat64(0, value)
  return `\\x${Buffer.from(float64.buffer, 0, bytes).toString('hex')}`
}

const anyFloat8 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((bits) => {
  float64.setBigUint64(0, bits)
  const value = float64.getFloat64(0)
  return Number.isNaN(value) ? Number.NaN : value
})

/** No U+0000, which Postgres has no place for. */
const nastyText = fc.string({
  unit: fc.constantFrom(
    '{',
    '}',
    '"',
    '\\',
    ',',
    ';',
    ' ',
    '\t',
    '\n',
    '\v',
    'N',
    'U',
    'L',
    'n',
    'u',
    'l',
    'é',
    '[',
    '=',
    '😀',
  ),
  maxLength: 8,
})

function nested(element: fc.Arbitrary<unknown>): fc.Arbitrary<{ values: unknown[]; dimensions: number }> {
  const level = (lengths: readonly number[]): fc.Arbitrary<unknown[]> => {
    const [length = 1, ...inner] = lengths
    const item: fc.Arbitrary<unknown> = inner.length === 0 ? fc.option(element) : level(inner)
    return fc.array(item, { minLength: length, maxLength: length })
  }
  return fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 6 })
    .chain((lengths) => level(lengths).map((values) => ({ values, dimensions: lengths.length })))
}

describe.each(testVersions())('PostgreSQL %i', (version) => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await askServer(version)
  })
  afterAll(() => oracle?.[Symbol.asyncDispose]())

  /** Writes the values, lets the server read and print them, and reads them again. */
  async function roundTrip(name: string, values: readonly unknown[]): Promise<unknown[]> {
    const type = await oracle.type(name)
    const texts = await oracle.output(name, values.map(type.encodeText))
    return texts.map((text) => readInPlace(type.readText, text))
  }

  test('int8', async () => {
    const values = samples(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
    expect(await roundTrip('int8', values)).toEqual(values)
  })

  test('float8: the server holds the very bits that were written, and what it prints is those bits (trap 44)', async () => {
    const values = [...samples(anyFloat8), ...samples(fc.double()), -0, 5e-324, Number.MAX_VALUE, Number.MIN_VALUE]
    const written = values.map((value) => (Object.is(value, -0) ? '-0' : `${value}`))
    const bits = await oracle.output('float8', written, 'float8send(value)')
    expect(bits.map((text) => new TextDecoder().decode(text))).toEqual(values.map((value) => hexOf(value, 8)))
    expect(await roundTrip('float8', values)).toStrictEqual(values)
  })

  test('float4: the number that the shortest text names is the float4 itself once rounded', async () => {
    const values = samples(fc.float())
    const { readText, encodeText } = await oracle.type('float4')
    const texts = await oracle.output(
      'float4',
      values.map((value) => encodeText(value)),
    )
    const read = texts.map((text) => readInPlace(readText, text))
    expect(read.map((value) => Math.fround(Number(value)))).toStrictEqual(values)
    const bits = await oracle.output('float4', read.map(encodeText), 'float4send(value)')
    expect(bits.map((text) => new TextDecoder().decode(text))).toEqual(values.map((value) => hexOf(value, 4)))
  })

  test.each(['hex', 'escape'])('bytea as %s', async (form) => {
    await oracle.run(`SET bytea_output = '${form}'`)
    const values = samples(fc.uint8Array({ maxLength: 100 }))
    expect(await roundTrip('bytea', values)).toStrictEqual(values)
    const arrays = samples(fc.array(fc.option(fc.uint8Array({ maxLength: 20 }))))
    expect(await roundTrip('bytea[]', arrays)).toStrictEqual(arrays)
    await oracle.run('RESET bytea_output')
  })

  test('numeric: not a digit more or less (trap 45)', async () => {
    const digits = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: length })
    const numeric = fc
      .tuple(fc.constantFrom('', '-'), digits(60), fc.option(digits(40)))
      .map(([sign, whole, fraction]) => {
        const text = whole.replace(/^0+(?=\d)/, '') + (fraction === null ? '' : `.${fraction}`)
        return /[1-9]/.test(text) ? sign + text : text
      })
    const values = samples(numeric)
    expect(await roundTrip('numeric', values)).toEqual(values)
  })

  test('texts of any characters', async () => {
    const values = samples(fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')))
    expect(await roundTrip('text', values)).toEqual(values)
  })

  test.each<[string, fc.Arbitrary<unknown>]>([
    ['text[]', nastyText],
    ['int8[]', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    ['float8[]', anyFloat8],
    ['bool[]', fc.boolean()],
    ['box[]', fc.tuple(fc.nat(99), fc.nat(99)).map(([x, y]) => `(${x + 1},${y + 1}),(${x},${y})`)],
    [
      'jsonb[]',
      nastyText.map((text) =>
        JSON.stringify({ [text]: [text] })
          .replace(/([,:])/g, '$1')
          .replace(':[', ': ['),
      ),
    ],
  ])('%s of one to six dimensions, with NULLs, from 1 (traps 50 to 52)', async (name, element) => {
    const values = samples(nested(element)).map(({ values }) => values)
    expect(await roundTrip(name, values)).toStrictEqual(values)
  })

  test.each<[string, fc.Arbitrary<unknown>]>([
    ['text[]', nastyText],
    ['int4[]', fc.integer()],
    ['box[]', fc.tuple(fc.nat(99), fc.nat(99)).map(([x, y]) => `(${x + 1},${y + 1}),(${x},${y})`)],
  ])('%s with lower bounds: the server’s text is what PgArray prints (trap 50)', async (name, element) => {
    const type = await oracle.type(name)
    const bounded = nested(element).chain(({ values, dimensions }) =>
      fc
        .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 5 }), { minLength: dimensions, maxLength: dimensions })
        .filter((lowerBounds) => lowerBounds.some((lower) => lower !== 1))
        .map((lowerBounds) => new PgArray(values, lowerBounds, name === 'box[]' ? ';' : ',')),
    )
    const values = samples(bounded)
    const texts = await oracle.output(name, values.map(type.encodeText))
    for (const [index, text] of texts.entries()) {
      const value = readInPlace(type.readText, text)
      expect(value).toStrictEqual(values[index])
      expect(`${value}`).toBe(new TextDecoder().decode(text))
      expect(type.encodeText(value)).toBe(new TextDecoder().decode(text))
    }
  })
})
