import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtinTypes } from '../../../src/decoder/types/builtin.ts'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { binaryForms } from '../../../src/fuzz/forms/binary-forms.ts'
import { extensionForms } from '../../../src/fuzz/forms/extension-forms.ts'
import { madeForms } from '../../../src/fuzz/forms/made-forms.ts'
import { binaryArrayOf, textArrayOf } from '../../../src/fuzz/forms/nested-forms.ts'
import { rangeForms } from '../../../src/fuzz/forms/range-forms.ts'
import { textForms } from '../../../src/fuzz/forms/text-forms.ts'
import { law } from '../../property.ts'
import { testVersions } from '../../server/index.ts'
import { definitions } from './golden/cases.ts'
import { readInPlace } from './in-place.ts'
import { askServer, type Oracle, type ServerForm } from './server-oracle.ts'

/** Values in one question to the server, and questions for each type. */
const batch = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: 1, maxLength: 100, size: 'max' })
const questions = 3

const texts: Readonly<Record<string, fc.Arbitrary<string>>> = Object.assign(
  { ...textForms, ...rangeForms, ...madeForms },
  ...Object.values(extensionForms),
)

/** Arrays of one to six dimensions, with NULLs and lower bounds (traps 50 to 52). */
const binaryArrays = Object.fromEntries(
  ['int4', 'int8', 'float4', 'float8', 'bool', 'bytea', 'numeric', 'timestamptz', 'point', 'inet', 'box'].map(
    (name) => [
      `${name}[]`,
      binaryArrayOf(
        binaryForms[name] ?? fc.constant(new Uint8Array()),
        builtinTypes.find((type) => type.name === name)?.oid ?? 0,
      ),
    ],
  ),
)
const textArrays = Object.fromEntries(
  ['text', 'mood', 'hostile', 'address', 'hstore', 'int4multirange', 'tstzrange', 'pair'].map((name) => [
    `${name}[]`,
    textArrayOf(texts[name] ?? fc.constant('')),
  ]),
)

const readBinary = (type: PgType, bytes: Uint8Array) => {
  if (type.readBinary === undefined) throw new Error(`${type.label} has no binary form`)
  return readInPlace(type.readBinary, bytes)
}

describe.each(testVersions())('PostgreSQL %i', (version) => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await askServer(version)
    await oracle.run(definitions)
  })
  afterAll(() => oracle?.[Symbol.asyncDispose]())

  /** The laws of every type: text and binary are one value, and that value is written as both. */
  function expectOneValue(type: PgType, { text, binary }: ServerForm): void {
    const value = readInPlace(type.readText, text)
    expect(type.encodeText(value), text).toBe(text)
    if (!type.binaryExact) return
    expect(binary, text).not.toBeNull()
    if (binary === null) return
    expect(readBinary(type, binary), text).toStrictEqual(value)
    const written = type.encodeBinary?.(value) ?? new Uint8Array()
    // 'a' & ( 'b' & 'c' ) is another tree than 'a' & 'b' & 'c', with the same text
    if (type.name === 'tsquery') expect(readBinary(type, written)).toBe(text)
    else expect(written, text).toEqual(binary)
  }

  describe('random bytes are what the server sends for their text', () => {
    for (const [name, form] of Object.entries({ ...binaryForms, ...binaryArrays })) {
      law(
        name,
        fc.asyncProperty(batch(form), async (given) => {
          const type = await oracle.type(name)
          const values = given.map((bytes) => readBinary(type, bytes))
          const written = values.map((value) => type.encodeText(value))
          const forms = await oracle.forms(name, written)
          for (const [index, form] of forms.entries()) {
            expect(form.text).toBe(written[index])
            expect(form.binary, form.text).toEqual(given[index])
            expectOneValue(type, form)
          }
        }),
        questions,
      )
    }
  })

  describe('whatever the server makes of random texts, text and binary are one value', () => {
    for (const [name, text] of Object.entries({ ...texts, ...textArrays })) {
      law(
        name,
        fc.asyncProperty(batch(text), async (given) => {
          const type = await oracle.type(name)
          for (const form of await oracle.forms(name, given)) expectOneValue(type, form)
        }),
        questions,
      )
    }
  })

  test.each(['hex', 'escape'])('bytea as %s', async (form) => {
    await oracle.run(`SET bytea_output = '${form}'`)
    const type = await oracle.type('bytea[]')
    const arrays = fc.sample(fc.array(fc.option(fc.uint8Array({ maxLength: 20 }))), 300)
    const texts = await oracle.output('bytea[]', arrays.map(type.encodeText))
    expect(texts.map((text) => readInPlace(type.readText, text))).toStrictEqual(arrays)
    await oracle.run('RESET bytea_output')
  })

  test('numeric of 131,072 digits before and 16,383 behind the point, and the least there is (trap 45)', async () => {
    const type = await oracle.type('numeric')
    const digits = '1234567890'.repeat(14_746)
    const given = [
      `${digits.slice(0, 131_072)}.${digits.slice(0, 16_383)}`,
      `-${'9'.repeat(131_072)}.${'9'.repeat(16_383)}`,
      `1${'0'.repeat(131_071)}`,
      `0.${'0'.repeat(16_382)}1`,
      `0.${'0'.repeat(16_383)}`,
    ]
    const forms = await oracle.forms('numeric', given)
    expect(forms.map(({ text }) => text)).toEqual(given)
    for (const form of forms) expectOneValue(type, form)
  })

  test('the greatest interval is infinite from PostgreSQL 17 on, and an interval like any other before', async () => {
    const type = await oracle.type('interval')
    const greatest = '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807'
    const [form] = version === 14 ? [] : await oracle.forms('interval', [greatest])
    if (form === undefined) return
    expect(form.text).toBe(version >= 17 ? 'infinity' : greatest)
    expectOneValue(type, form)
  })
})
