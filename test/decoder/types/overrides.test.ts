import { describe, expect, test } from 'vitest'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { PgRange } from '../../../src/decoder/types/pg-range.ts'
import { type CatalogType, TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { readInPlace } from './in-place.ts'

const domain = (oid: number, name: string, baseOid: number): CatalogType => ({
  oid,
  schema: 'app',
  name,
  typtype: 'd',
  delimiter: ',',
  elementOid: 0,
  baseOid,
})

const arrayOf = (oid: number, name: string, elementOid: number): CatalogType => ({
  oid,
  schema: 'app',
  name,
  typtype: 'b',
  delimiter: ',',
  elementOid,
  baseOid: 0,
})

function read(types: TypeRegistry, oid: number, text: string): unknown {
  const type = types.get(oid)
  if (type === undefined) throw new Error(`type ${oid} is not known`)
  return readInPlace(type.readText, text)
}

describe('overrides', () => {
  test('get the default value, of the type that belongs to the name', () => {
    const types = new TypeRegistry({
      overrides: {
        int8: (value) => Number(value),
        jsonb: JSON.parse,
        timestamptz: (value) => new Date(`${value.replace(' ', 'T')}:00`),
        bytea: (value) => value.length,
        bool: (value) => (value ? 1 : 0),
      },
    })
    expect(read(types, 20, '5')).toBe(5)
    expect(read(types, 3802, '{"a": 1}')).toEqual({ a: 1 })
    expect(read(types, 1184, '2026-01-02 03:04:05+00')).toEqual(new Date('2026-01-02T03:04:05Z'))
    expect(read(types, 17, '\\x010203')).toBe(3)
    expect(read(types, 16, 't')).toBe(1)
    expect(read(types, 114, '{"a": 1}')).toBe('{"a": 1}')
  })

  test('hold inside arrays, and are not called for NULL', () => {
    const seen: unknown[] = []
    const types = new TypeRegistry({ overrides: { int4: (value) => seen.push(value) && value * 10 } })
    expect(read(types, 1007, '{{1,NULL},{3,4}}')).toEqual([
      [10, null],
      [30, 40],
    ])
    expect(seen).toEqual([1, 3, 4])
    expect(read(types, 1007, '[0:0]={1}')).toEqual(new PgArray([10], [0]))
  })

  test('of an array by its own name come after those of its elements', () => {
    const types = new TypeRegistry({
      overrides: { int4: (value) => value * 10, _int4: (value) => new Set(value) },
    })
    expect(read(types, 1007, '{1,2,2}')).toEqual(new Set([10, 20]))
  })

  test('hold for domains over the type, and for a domain by its own name', () => {
    const types = new TypeRegistry({
      overrides: { int4: (value) => value * 10, 'app.percent': (value: number) => `${value} %` },
    })
    types.add(domain(20000, 'percent', 23))
    types.add(domain(20001, 'share', 20000))
    types.add(arrayOf(20002, '_percent', 20000))
    expect(read(types, 20000, '5')).toBe('50 %')
    expect(read(types, 20001, '5')).toBe('50 %')
    expect(read(types, 20002, '{5,NULL}')).toEqual(['50 %', null])
  })

  test('of a type outside pg_catalog by schema and name', () => {
    const types = new TypeRegistry({ overrides: { 'app.mood': (value: string) => value.toUpperCase() } })
    expect(types.add({ ...domain(20000, 'mood', 0), typtype: 'e' }).label).toBe('app.mood')
    expect(read(types, 20000, 'sad')).toBe('SAD')
  })

  test('what they return is not taken for JSON', () => {
    const types = new TypeRegistry({ overrides: { jsonb: JSON.parse, _json: (value) => value } })
    const [json, jsonArray, jsonb, jsonbArray] = [114, 199, 3802, 3807].map((oid) => types.get(oid))
    expect(json?.writeJson('[1]')).toBe('[1]')
    expect(jsonArray?.writeJson(['[1]'])).toBe('["[1]"]')
    expect(jsonb?.writeJson('[1]')).toBe('"[1]"')
    expect(jsonbArray?.writeJson(['[1]'])).toBe('["[1]"]')
  })

  test('leave writing as it is', () => {
    const types = new TypeRegistry({ overrides: { int8: Number } })
    expect(types.get(20)?.encodeText(5n)).toBe('5')
    expect(types.get(1016)?.encodeText([5n, null])).toBe('{5,NULL}')
  })

  test.each([
    ['integer', 'int4'],
    ['BIGINT', 'int8'],
    ['int4[]', '_int4'],
    ['text[][]', '_text'],
    ['timestamp with time zone', 'timestamptz'],
    ['pg_catalog.jsonb', 'jsonb'],
    ['citext', 'public.citext'],
    ['', 'int4'],
  ])('the name %s, which no type has, is refused with the way to put it', (name, hint) => {
    expect(() => new TypeRegistry({ overrides: { [name]: String } })).toThrow(
      expect.objectContaining({ code: 'bad_option', hint: expect.stringContaining(hint) }),
    )
  })
})

describe('types from the catalog', () => {
  test('a domain over an array, and an array of that domain', () => {
    const types = new TypeRegistry()
    types.add(domain(20000, 'pair', 1007))
    types.add(arrayOf(20001, '_pair', 20000))
    expect(read(types, 20000, '{1,2}')).toEqual([1, 2])
    expect(read(types, 20001, '{"{1,2}",NULL,"{}"}')).toEqual([[1, 2], null, []])
    const twoLevels = read(types, 20001, '{{"{1,2}",NULL},{"{3,4}","[0:0]={5}"}}')
    expect(twoLevels).toBeInstanceOf(PgArray)
    expect(twoLevels).toMatchObject({ lowerBounds: [1, 1] })
    for (const text of ['{"{1,2}",NULL,"{}"}', '{{"{1,2}",NULL},{"{3,4}","[0:0]={5}"}}', '{"[0:0]={5}"}']) {
      const type = types.get(20001)
      expect(type?.encodeText(read(types, 20001, text))).toBe(
        text.replace('"[0:0]={5}"', '[0:0]={5}'.replace(/.*/, '"$&"')),
      )
    }
  })

  test('an array whose element is not known, a composite, an enum: text', () => {
    const types = new TypeRegistry()
    expect(types.add(arrayOf(20001, '_x', 30000)).readText).toBeTypeOf('function')
    expect(read(types, 20001, '{a}')).toBe('{a}')
    types.add({ ...domain(20002, 'address', 0), typtype: 'c' })
    expect(read(types, 20002, '(a,,"")')).toBe('(a,,"")')
  })

  test('a type that is gone is text', () => {
    const types = new TypeRegistry()
    expect(types.addUnknown(20000)).toMatchObject({ oid: 20000, label: '20000', kind: 'unknown' })
    expect(read(types, 20000, 'é')).toBe('é')
  })

  test('a built-in type stays what it is when the catalog names it as the base of another', () => {
    const types = new TypeRegistry()
    const int4 = types.get(23)
    expect(types.add({ ...domain(23, 'int4', 0), schema: 'pg_catalog', typtype: 'b' })).toBe(int4)
    types.add(domain(20000, 'share', 23))
    expect(read(types, 20000, '5')).toBe(5)
    expect(types.add({ ...arrayOf(22, 'int2vector', 21), schema: 'pg_catalog' })).toBe(types.get(22))
    expect(read(types, 22, '1 2')).toBe('1 2')
  })

  test('a domain over json is JSON too', () => {
    const types = new TypeRegistry()
    expect(types.add(domain(20000, 'doc', 3802)).writeJson('[1]')).toBe('[1]')
    expect(types.add(arrayOf(20001, '_doc', 20000)).writeJson(['[1]', null])).toBe('[[1],null]')
    expect(types.get(25)?.writeJson('[1]')).toBe('"[1]"')
  })
})

describe('values: text', () => {
  const types = new TypeRegistry({ values: 'text' })
  types.add(domain(20000, 'share', 23))
  types.add(arrayOf(20001, '_share', 20000))

  test.each([
    [16, 't'],
    [20, '9223372036854775807'],
    [701, '1e+15'],
    [17, '\\x00ff'],
    [3802, '{"a": "é"}'],
    [1007, '[0:1]={1,NULL}'],
    [1009, '{"é"}'],
    [1021, '{NaN}'],
    [3807, '{"{\\"a\\": 1}"}'],
    [20000, '5'],
    [20001, '{5,NULL}'],
  ])('%i %s', (oid, text) => {
    expect(read(types, oid, text)).toBe(text)
    expect(types.get(oid)?.encodeText(text)).toBe(text)
    expect(types.get(oid)?.writeJson(text)).toBe(JSON.stringify(text))
  })

  test('with overrides is refused', () => {
    expect(() => new TypeRegistry({ values: 'text', overrides: { int8: Number } })).toThrow(
      expect.objectContaining({ code: 'bad_option' }),
    )
  })
})

describe('strict text, for databases with encoding SQL_ASCII (trap 56)', () => {
  const types = new TypeRegistry({ uncheckedText: 'error' })
  const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

  test('valid UTF-8 reads as ever, its byte order mark included', () => {
    expect(read(types, 25, '\ufeffä€😀')).toBe('\ufeffä€😀')
    expect(read(types, 1009, '{"ä€😀"}')).toEqual(['ä€😀'])
  })

  test('anything else is refused, not replaced', () => {
    for (const oid of [25, 1043, 114, 1009]) {
      const text = oid === 1009 ? '{\xe4}' : '\xe4'
      expect(() => readInPlace(types.get(oid)?.readText ?? String, latin1(text))).toThrow(
        expect.objectContaining({ code: 'invalid_text' }),
      )
    }
  })

  describe('asked for as bytes', () => {
    const types = new TypeRegistry({ uncheckedText: 'bytes' })
    const words = { typtype: 'r', delimiter: ',', elementOid: 0, baseOid: 0, subtypeOid: 25 }
    types.add({ oid: 90_001, schema: 'public', name: 'words', ...words })
    const fields = { typtype: 'c', delimiter: ',', elementOid: 0, baseOid: 0 }
    const attributes = [
      { name: 'n', typeOid: 23 },
      { name: 't', typeOid: 1009 },
    ]
    types.add({ oid: 90_002, schema: 'public', name: 'pair', ...fields, attributes })
    const bytes = latin1('\xe4')

    test.each<[string, number, string, unknown]>([
      ['text', 25, '\xe4', bytes],
      ['json', 114, '"\xe4"', latin1('"\xe4"')],
      ['tsvector', 3614, "'\xe4'", latin1("'\xe4'")],
      ['an element of an array, and not the others', 1009, '{a,"\xe4",NULL}', ['a', bytes, null]],
      ['a range', 90_001, '[a,\xe4)', latin1('[a,\xe4)')],
      ['what stands in an attribute of a composite', 90_002, '(1,"{a,\xe4}")', { n: 1, t: ['a', bytes] }],
      ['a composite that is read as text, since it was altered', 90_002, '(\xe4)', latin1('(\xe4)')],
      ['an attribute that its type cannot read', 90_002, '(\xe4,)', latin1('(\xe4,)')],
    ])('%s', (_, oid, text, value) => {
      expect(readInPlace(types.get(oid)?.readText ?? String, latin1(text))).toStrictEqual(value)
    })

    test('what is UTF-8 stays text', () => {
      expect(read(types, 25, 'ä€😀')).toBe('ä€😀')
      expect(read(types, 90_001, '[a,ä)')).toStrictEqual(new PgRange('a', 'ä'))
      expect(read(types, 90_002, '(1,{ä})')).toStrictEqual({ n: 1, t: ['ä'] })
    })

    test('binary is exact only where it is the text itself', () => {
      expect(readInPlace(types.get(25)?.readBinary ?? String, bytes)).toStrictEqual(bytes)
      const exact = [23, 25, 114, 1009, 3904].map((oid) => types.get(oid)?.binaryExact)
      expect(exact).toEqual([true, true, true, true, true])
      const inexact = [3802, 3614, 3643, 90_001, 90_002].map((oid) => types.get(oid)?.binaryExact)
      expect(inexact).toEqual([false, false, false, false, false])
    })

    test('in JSON lines they stand as a bytea does', () => {
      expect(types.get(1009)?.writeJson(['a', bytes])).toBe(String.raw`["a","\\xe4"]`)
      expect(types.get(3802)?.writeJson(bytes)).toBe(String.raw`"\\xe4"`)
    })

    test('with every value as text', () => {
      const asText = new TypeRegistry({ uncheckedText: 'bytes', values: 'text' })
      expect(readInPlace(asText.get(25)?.readText ?? String, bytes)).toStrictEqual(bytes)
      expect(readInPlace(asText.get(1009)?.readText ?? String, latin1('{\xe4}'))).toStrictEqual(latin1('{\xe4}'))
      expect(read(asText, 1009, '{ä}')).toBe('{ä}')
    })
  })
})
