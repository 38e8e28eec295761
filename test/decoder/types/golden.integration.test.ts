import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CatalogType } from '../../../src/decoder/types/catalog-type.ts'
import { builtinOids } from '../../../src/decoder/types/names.ts'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { PgRange } from '../../../src/decoder/types/pg-range.ts'
import { bootServer, testVersions } from '../../server/index.ts'
import { definitions, goldens } from './golden/cases.ts'
import { type Form, readRecorded, writeRecorded } from './golden/recorded.ts'
import { readInPlace } from './in-place.ts'
import { askServer, type Oracle, oracleOf } from './server-oracle.ts'

/**
 * The golden table (golden/cases.ts, golden/recorded.jsonl) against real servers. To record it again, which needs all
 * versions: `WALWIRE_RECORD_GOLDEN=1 WALWIRE_TEST_VERSIONS=14,15,16,17,18 npm test -- golden.integration`
 */
const records = process.env.WALWIRE_RECORD_GOLDEN === '1'

/** What the server says of each value; undefined for what it does not know yet. */
async function observe(oracle: Oracle): Promise<(Omit<Form, 'versions'> | undefined)[]> {
  const forms: (Omit<Form, 'versions'> | undefined)[] = []
  for (const [name, literal] of goldens) {
    const type = await oracle.type(name)
    try {
      const [form] = await oracle.forms(name, [literal])
      forms.push(
        form && { oid: type.oid, text: form.text, binary: form.binary && Buffer.from(form.binary).toString('hex') },
      )
    } catch (error) {
      expect(error, `${name} ${literal}`).toMatchObject({ sqlstate: expect.stringMatching(/^22/) })
      forms.push(undefined)
    }
  }
  return forms
}

test.runIf(records)('is recorded', { timeout: 600_000 }, async () => {
  const types: { versions: number[]; type: CatalogType }[] = []
  const values: { type: string; literal: string; forms: (Form & { versions: number[] })[] }[] = goldens.map(
    ([type, literal]) => ({ type, literal, forms: [] }),
  )
  for (const version of testVersions()) {
    // a server of its own, on which OIDs begin where they begin on others
    await using server = await bootServer({ version })
    await using oracle = await oracleOf(server.uri('postgres'), version)
    await oracle.run(definitions)
    const forms = await observe(oracle)
    for (const type of oracle.learned) note(types, version, { type })
    for (const [index, form] of forms.entries()) if (form !== undefined) note(values[index]!.forms, version, form)
  }
  writeRecorded({ types, values })
})

/** Adds a version to what is noted already, or notes what is new with it. */
function note<T extends object>(list: (T & { versions: number[] })[], version: number, what: T): void {
  const known = list.find(({ versions, ...noted }) => JSON.stringify(noted) === JSON.stringify(what))
  if (known === undefined) list.push({ versions: [version], ...what })
  else known.versions.push(version)
}

describe.skipIf(records).each(testVersions())('PostgreSQL %i', (version) => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await askServer(version)
    await oracle.run(definitions)
  })
  afterAll(() => oracle?.[Symbol.asyncDispose]())

  test('says what was recorded of it', { timeout: 120_000 }, async () => {
    const { values } = readRecorded()
    const forms = await observe(oracle)
    expect(values.map(({ type, literal }) => [type, literal])).toEqual(
      goldens.map(([type, literal]) => [type, literal]),
    )
    for (const [index, { type, literal, forms: known }] of values.entries()) {
      const recorded = known.find(({ versions }) => versions.includes(version))
      const form = forms[index]
      expect(form?.text, `${type} ${literal}`).toBe(recorded?.text)
      // other OIDs may stand in arrays and composites of types that are not built in
      if (form !== undefined && builtinOids.has(form.oid))
        expect(form.binary, `${type} ${literal}`).toBe(recorded?.binary)
    }
  })

  test('reads what is written as the same value, as text and in binary', { timeout: 120_000 }, async () => {
    for (const [name, literal] of goldens) {
      const type = await oracle.type(name)
      const [form] = await oracle.forms(name, [literal]).catch(() => [])
      if (form === undefined) continue
      const value = readInPlace(type.readText, form.text)
      expect((await oracle.forms(name, [type.encodeText(value)]))[0], `${name} ${literal}`).toEqual(form)
      if (type.binaryExact && form.binary !== null) {
        expect(readInPlace(type.readBinary ?? (() => undefined), form.binary), `${name} ${literal}`).toStrictEqual(
          value,
        )
        expect(type.encodeBinary?.(value), `${name} ${literal}`).toEqual(form.binary)
      }
    }
  })

  test('reads arrays of every type, with NULLs and from another lower bound', { timeout: 120_000 }, async () => {
    const decoder = new TextDecoder()
    const known = readRecorded().values.map(({ forms }) => forms.some(({ versions }) => versions.includes(version)))
    const names = new Set(goldens.map(([name]) => name).filter((name) => !name.endsWith('[]')))
    for (const name of names) {
      const values = goldens.flatMap(([type, literal, value = literal], index) =>
        type === name && known[index] === true ? [value] : [],
      )
      const type = await oracle.type(`${name}[]`)
      const given = values.map((value) => new PgArray([value, null, value], [0]))
      const written = given.map((array) => type.encodeText(array))
      if (!type.binaryExact) {
        const texts = (await oracle.output(`${name}[]`, written)).map((text) => decoder.decode(text))
        expect(texts, name).toEqual(written)
        expect(texts.map((text) => readInPlace(type.readText, text))).toStrictEqual(given)
        continue
      }
      for (const [index, { text, binary }] of (await oracle.forms(`${name}[]`, written)).entries()) {
        expect(text, name).toBe(written[index])
        expect(readInPlace(type.readText, text), text).toStrictEqual(given[index])
        expect(readInPlace(type.readBinary ?? String, binary ?? ''), text).toStrictEqual(given[index])
        expect(type.encodeBinary?.(given[index]), text).toEqual(binary)
      }
    }
  })

  test('reads what PgArray and PgRange print as the same value, be they read or made by hand', async () => {
    const printed = goldens.filter(([, , value]) => value instanceof PgArray || value instanceof PgRange)
    expect(printed.length).toBeGreaterThanOrEqual(20)
    for (const [name, literal, made] of printed) {
      const type = await oracle.type(name)
      const [form] = await oracle.forms(name, [literal])
      const read = readInPlace(type.readText, form?.text ?? '')
      for (const text of [`${read}`, `${made}`]) {
        expect((await oracle.forms(name, [text]))[0], `${name} ${text}`).toEqual(form)
      }
    }
  })

  test.each<[string, unknown, string?]>([
    ['text[]', new PgArray(['a "b"\\', null, 'NULL', '', '{}', ' c,d'], [-1])],
    ['bool[]', new PgArray([true, false, null], [2]), '[2:4]={t,f,NULL}'],
    ['float8[]', new PgArray([-0, Number.NaN, 1e300, -Infinity], [0]), '[0:3]={-0,NaN,1e+300,-Infinity}'],
    ['int8[]', new PgArray([[2n ** 63n - 1n], [0n]], [0, 0]), '[0:1][0:0]={{9223372036854775807},{0}}'],
    ['bytea[]', new PgArray([Uint8Array.of(0, 255)], [3]), '[3:3]={"\\\\x00ff"}'],
    ['box[]', new PgArray(['(2,2),(1,1)', '(1,1),(0,0)'], [0], ';'), '[0:1]={(2,2),(1,1);(1,1),(0,0)}'],
    ['int4range[]', new PgArray([new PgRange(1, 5), PgRange.empty()], [0]), '[0:1]={"[1,5)",empty}'],
    ['tstzrange', new PgRange('2026-01-01 00:00:00+00', null), '["2026-01-01 00:00:00+00",)'],
    ['words', new PgRange('a,b', 'c"d\\ ', '[]')],
    ['alone[]', new PgArray([{ a: 'x "y"' }, { a: null }], [5])],
  ])('reads a %s that a program made, %o', async (name, value, expected) => {
    const type = await oracle.type(name)
    const [form] = await oracle.forms(name, [`${value}`])
    expect(form?.text).toBe(expected ?? type.encodeText(value))
    expect(readInPlace(type.readText, form?.text ?? '')).toStrictEqual(value)
  })

  test('a "char" above 127, which PostgreSQL 14 sends as a byte that is no UTF-8', async () => {
    const [text = new Uint8Array()] = await oracle.output('int4', ['-1'], 'value::"char"')
    expect(text).toEqual(version < 15 ? Uint8Array.of(0xff) : new TextEncoder().encode('\\377'))
    const type = await oracle.type('"char"')
    expect(readInPlace(type.readText, text)).toBe('\\377')
    expect(type.readBinary?.(Uint8Array.of(255), 0, 1)).toBe('\\377')
    expect(type.encodeBinary?.('\\377')).toEqual(Uint8Array.of(255))
  })

  test('bytea in the escape form', async () => {
    await oracle.run(`SET bytea_output = 'escape'`)
    const [text = new Uint8Array()] = await oracle.output('bytea', ['\\x005c7866ff61'])
    expect(new TextDecoder().decode(text)).toBe('\\000\\\\xf\\377a')
    expect(readInPlace((await oracle.type('bytea')).readText, text)).toEqual(new Uint8Array([0, 92, 120, 102, 255, 97]))
    await oracle.run('RESET bytea_output')
  })
})
