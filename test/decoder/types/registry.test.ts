import { describe, expect, test } from 'vitest'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

function read(registry: TypeRegistry, oid: number, text: string): unknown {
  const padded = bytesOf(`7${text}7`)
  return registry.get(oid)!.readText(padded, 1, padded.length - 1)
}

describe('built-in types', () => {
  const types = new TypeRegistry()

  test.each<[number, string, unknown]>([
    [16, 't', true],
    [16, 'f', false],
    [21, '-32768', -32768],
    [23, '2147483647', 2147483647],
    [26, '4294967295', 4294967295],
    [20, '-9223372036854775808', -9223372036854775808n],
    [20, '9223372036854775807', 9223372036854775807n],
    [701, '-0', -0],
    [701, '5e-324', 5e-324],
    [701, 'NaN', Number.NaN],
    [700, '0.1', 0.1],
    [1700, '0.00000', '0.00000'],
    [17, '\\x00ff', new Uint8Array([0, 255])],
    [17, 'a\\\\\\377', new Uint8Array([97, 92, 255])],
    [25, 'äöü€😀', 'äöü€😀'],
    [1007, '{1,NULL,-3}', [1, null, -3]],
    [1007, '{}', []],
    [
      1007,
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [1009, '{"a\\"b","",NULL,"NULL","c\\\\d",null}', ['a"b', '', null, 'NULL', 'c\\d', null]],
    [1020, '{(2,2),(1,1);NULL}', ['(2,2),(1,1)', null]],
    [1001, '{"\\\\x00ff"}', [new Uint8Array([0, 255])]],
    [22, '1 2', '1 2'],
  ])('%i %s', (oid, text, value) => {
    expect(read(types, oid, text)).toStrictEqual(value)
    const encoded = types.get(oid)!.encodeText(value)
    expect(read(types, oid, encoded)).toStrictEqual(value)
  })

  test('an array whose subscripts do not begin at 1 keeps where they begin', () => {
    const value = read(types, 1007, '[-2:-1][3:4]={{1,2},{3,4}}')
    expect(value).toBeInstanceOf(PgArray)
    expect(value).toMatchObject({ lowerBounds: [-2, 3] })
    expect([...(value as PgArray)]).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(`${value}`).toBe('[-2:-1][3:4]={{1,2},{3,4}}')
    expect(types.get(1007)!.encodeText(value)).toBe('[-2:-1][3:4]={{1,2},{3,4}}')
  })

  test('a type that is not built in is asked of the catalog', () => {
    expect(types.get(16385)).toBeUndefined()
  })
})

test('types that nothing is made of any more are forgotten, and can be added again as others', () => {
  const types = new TypeRegistry()
  const made = { schema: 'public', delimiter: ',', baseOid: 0, elementOid: 0 }
  const base = { ...made, oid: 20_001, name: 'age', typtype: 'd', baseOid: 23 }
  const pair = { ...made, oid: 20_002, name: 'pair', typtype: 'c', attributes: [{ name: 'a', typeOid: 20_001 }] }
  for (const type of [base, pair, { ...made, oid: 20_003, name: '_pair', typtype: 'b', elementOid: 20_002 }]) {
    types.add(type)
  }
  types.add({ ...made, oid: 20_004, name: 'other', typtype: 'c', attributes: [{ name: 'a', typeOid: 25 }] })
  types.addUnknown(20_005)
  const { size } = types
  expect([...types.retain([23, 20_003])]).toEqual([20_004, 20_005])
  expect(types.size).toBe(size - 2)
  expect([...types.composites.keys()]).toEqual([20_002])
  expect(read(types, 20_003, '{(7)}')).toEqual([{ a: 7 }])
  expect(types.get(20_004)).toBeUndefined()
  types.add({ ...made, oid: 20_004, name: 'count', typtype: 'd', baseOid: 23 })
  expect(read(types, 20_004, '8')).toBe(8)
  types.retain([])
  expect(types.get(20_001)).toBeUndefined()
  expect(read(types, 1007, '{1}')).toEqual([1])
})
