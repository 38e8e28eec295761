import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PgoutputDecoder } from '../../src/decoder/pgoutput.ts'
import type { Column, Relation, Row } from '../../src/decoder/relation.ts'
import { PgArray } from '../../src/decoder/types/pg-array.ts'
import { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { formatLsn } from '../../src/protocol/messages/lsn.ts'
import type { Event, InsertEvent, Transaction } from '../../src/replication/events.ts'
import { toJsonLine } from '../../src/replication/json-line.ts'

const column = (name: string, typeOid = 25, type = 'text', key = false): Column => ({
  name,
  type,
  typeOid,
  typmod: -1,
  key,
})

const relationOf = (...columns: Column[]): Relation => ({
  oid: 16385,
  schema: 'public',
  name: 'orders',
  table: 'public.orders',
  replicaIdentity: 'default',
  columns,
})

const orders = relationOf(column('id', 20, 'int8', true), column('note'))

const tx: Transaction = {
  xid: 751,
  commitLsn: 0x16_b374d848n,
  endLsn: 0x16_b374d878n,
  commitTime: 1_767_323_045_678_901n,
  origin: undefined,
}

const inTx = `"xid":751,"commitLsn":"16/B374D848","commitTime":"2026-01-02T03:04:05.678901Z"`
const inChange = `"xid":751,"seq":7,"commitLsn":"16/B374D848","commitTime":"2026-01-02T03:04:05.678901Z"`
const named = `"schema":"public","table":"orders"`
const row = { id: 5n, note: 'a' }
const change = { table: 'public.orders', relation: orders, lsn: 0x16_b374d810n, seq: 7, tx } as const

function insertOf(relation: Relation, values: Row): InsertEvent {
  return { kind: 'insert', ...change, relation, new: values, unchanged: undefined }
}

/** The part of an insert's line that is the new row. */
function newRow(relation: Relation, values: Row): string {
  const line = toJsonLine(insertOf(relation, values))
  expect(() => JSON.parse(line), line).not.toThrow()
  // the line breaks of any reader: the readline of Node 24 ends a line at U+2028 too
  expect(line).not.toMatch(/[\r\n\u2028\u2029]/)
  return line.slice(line.indexOf('"new":') + 6, -1)
}

/** The JSON of a single value of a column of some type, as the registry of its feed reads it. */
function jsonOf(value: unknown, typeOid = 25, types?: TypeRegistry): string {
  const relation = relationOf(column('v', typeOid))
  if (types !== undefined) new PgoutputDecoder({ protoVersion: 1, types }).remember(relation)
  return newRow(relation, { v: value }).slice(5, -1)
}

describe('each kind of event', () => {
  const kinds: Record<Event['kind'], [Event, string][]> = {
    'snapshot-begin': [
      [
        {
          kind: 'snapshot-begin',
          table: 'public.orders',
          relation: orders,
          lsn: 0x10n,
          estimatedRows: -1,
          estimatedBytes: 8192,
          mode: 'initial',
        },
        `{"kind":"snapshot-begin","lsn":"0/10",${named},"estimatedRows":-1,"estimatedBytes":8192,"mode":"initial"}`,
      ],
    ],
    snapshot: [
      [
        { kind: 'snapshot', table: 'public.orders', relation: orders, lsn: 0x10n, new: row },
        `{"kind":"snapshot","lsn":"0/10",${named},"new":{"id":"5","note":"a"}}`,
      ],
    ],
    'table-left': [
      [
        { kind: 'table-left', table: 'public.orders', relation: orders, lsn: 0x10n, reason: 'dropped' },
        `{"kind":"table-left","lsn":"0/10",${named},"reason":"dropped"}`,
      ],
    ],
    'snapshot-end': [
      [
        { kind: 'snapshot-end', table: 'public.orders', relation: orders, lsn: 0x10n, rows: 12 },
        `{"kind":"snapshot-end","lsn":"0/10",${named},"rows":12}`,
      ],
    ],
    begin: [
      [{ kind: 'begin', lsn: 1n, tx }, `{"kind":"begin","lsn":"0/1",${inTx}}`],
      [
        { kind: 'begin', lsn: 1n, tx: { ...tx, origin: 'a "b"' } },
        `{"kind":"begin","lsn":"0/1",${inTx},"origin":"a \\"b\\""}`,
      ],
    ],
    commit: [
      [
        { kind: 'commit', lsn: tx.commitLsn, tx },
        `{"kind":"commit","lsn":"16/B374D848","xid":751,"commitLsn":"16/B374D848","endLsn":"16/B374D878","commitTime":"2026-01-02T03:04:05.678901Z"}`,
      ],
    ],
    relation: [
      [
        { kind: 'relation', table: 'public.orders', relation: orders, lsn: 2n, tx, change: null },
        `{"kind":"relation","lsn":"0/2",${inTx},${named},"oid":16385,"columns":[{"name":"id","type":"int8","typmod":-1,"key":true},{"name":"note","type":"text","typmod":-1,"key":false}],"replicaIdentity":"default","change":null}`,
      ],
      [
        {
          kind: 'relation',
          table: 'public.orders',
          relation: relationOf(),
          lsn: 2n,
          tx: undefined,
          change: {
            added: [column('a')],
            dropped: [column('d')],
            renamed: [{ from: 'x', to: 'y' }],
            retyped: [{ column: 'r', from: column('r', 23, 'int4'), to: column('r', 20, 'int8') }],
            identity: {
              from: { replicaIdentity: 'default', key: ['id'] },
              to: { replicaIdentity: 'full', key: ['id', 'note'] },
            },
            table: { from: 'public.order', to: 'public.orders' },
          },
        },
        `{"kind":"relation","lsn":"0/2",${named},"oid":16385,"columns":[],"replicaIdentity":"default","change":{"added":[{"name":"a","type":"text","typmod":-1,"key":false}],"dropped":[{"name":"d","type":"text","typmod":-1,"key":false}],"renamed":[{"from":"x","to":"y"}],"retyped":[{"column":"r","from":{"name":"r","type":"int4","typmod":-1,"key":false},"to":{"name":"r","type":"int8","typmod":-1,"key":false}}],"identity":{"from":{"replicaIdentity":"default","key":["id"]},"to":{"replicaIdentity":"full","key":["id","note"]}},"table":{"from":"public.order","to":"public.orders"}}}`,
      ],
    ],
    insert: [
      [insertOf(orders, row), `{"kind":"insert","lsn":"16/B374D810",${inChange},${named},"new":{"id":"5","note":"a"}}`],
    ],
    update: [
      [
        { kind: 'update', ...change, new: row, key: undefined, old: undefined, unchanged: undefined },
        `{"kind":"update","lsn":"16/B374D810",${inChange},${named},"new":{"id":"5","note":"a"}}`,
      ],
      [
        { kind: 'update', ...change, new: { id: 6n }, key: { id: 5n }, old: undefined, unchanged: ['note'] },
        `{"kind":"update","lsn":"16/B374D810",${inChange},${named},"new":{"id":"6"},"key":{"id":"5"},"unchanged":["note"]}`,
      ],
      [
        { kind: 'update', ...change, new: row, key: undefined, old: { id: 5n, note: null }, unchanged: undefined },
        `{"kind":"update","lsn":"16/B374D810",${inChange},${named},"new":{"id":"5","note":"a"},"old":{"id":"5","note":null}}`,
      ],
    ],
    delete: [
      [
        { kind: 'delete', ...change, key: { id: 5n }, old: undefined },
        `{"kind":"delete","lsn":"16/B374D810",${inChange},${named},"key":{"id":"5"}}`,
      ],
      [
        { kind: 'delete', ...change, key: undefined, old: row },
        `{"kind":"delete","lsn":"16/B374D810",${inChange},${named},"old":{"id":"5","note":"a"}}`,
      ],
    ],
    truncate: [
      [
        {
          kind: 'truncate',
          relations: [orders, { ...orders, schema: 's', name: 't' }],
          cascade: true,
          restartIdentity: false,
          lsn: 1n,
          seq: 7,
          tx,
        },
        `{"kind":"truncate","lsn":"0/1",${inChange},"tables":[{"schema":"public","table":"orders"},{"schema":"s","table":"t"}],"cascade":true,"restartIdentity":false}`,
      ],
    ],
    message: [
      [
        {
          kind: 'message',
          prefix: 'p',
          content: new TextEncoder().encode('é\n'),
          lsn: 1n,
          transactional: true,
          seq: 7,
          tx,
        },
        `{"kind":"message","lsn":"0/1",${inChange},"prefix":"p","transactional":true,"content":"é\\n"}`,
      ],
      [
        {
          kind: 'message',
          prefix: '',
          content: new Uint8Array([0, 255, 254]),
          lsn: 1n,
          transactional: false,
          seq: undefined,
          tx: undefined,
        },
        `{"kind":"message","lsn":"0/1","prefix":"","transactional":false,"contentBase64":"AP/+"}`,
      ],
    ],
  }
  for (const [kind, lines] of Object.entries(kinds)) {
    test(kind, () => {
      for (const [event, line] of lines) expect(toJsonLine(event)).toBe(line)
    })
  }

  test('a change gives the same line before and after the end of its transaction was received', () => {
    const open = { ...tx, endLsn: undefined }
    const before = toJsonLine({ kind: 'insert', ...change, tx: open, new: row, unchanged: undefined })
    expect(toJsonLine({ kind: 'insert', ...change, new: row, unchanged: undefined })).toBe(before)
  })
})

describe('rows', () => {
  test('keys stand in the order of the table’s columns, names like numbers too', () => {
    const relation = relationOf(column('b'), column('10'), column('2'), column('a'))
    expect(newRow(relation, { a: 'x', 2: 'y', 10: 'z', b: 'w' })).toBe('{"b":"w","10":"z","2":"y","a":"x"}')
  })

  test('columns that the row lacks are left out; an undefined that an override gave is null', () => {
    const relation = relationOf(column('a'), column('b'), column('c'))
    expect(newRow(relation, { b: undefined, c: null })).toBe('{"b":null,"c":null}')
    expect(newRow(relation, {})).toBe('{}')
  })

  test('names that every object inherits are columns like any other', () => {
    const relation = relationOf(
      column('__proto__'),
      column('toString'),
      column('constructor'),
      column('hasOwnProperty'),
    )
    expect(newRow(relation, {})).toBe('{}')
    const values: Row = { toString: 's', constructor: null, hasOwnProperty: 'h' }
    Object.defineProperty(values, '__proto__', { value: 'p', enumerable: true })
    expect(newRow(relation, values)).toBe('{"__proto__":"p","toString":"s","constructor":null,"hasOwnProperty":"h"}')
  })

  test('two relations of one table, each with its own columns', () => {
    const before = relationOf(column('a'), column('b'))
    const after = relationOf(column('b'), column('c'))
    const values = { a: '1', b: '2', c: '3' }
    expect(newRow(before, values)).toBe('{"a":"1","b":"2"}')
    expect(newRow(after, values)).toBe('{"b":"2","c":"3"}')
    expect(newRow(before, values)).toBe('{"a":"1","b":"2"}')
  })

  test('any names and texts give one line of JSON that says just that', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('"', '\\', '\n', '\r', '\u2028', '\u2029', '\0', '\x7f', 'é', '😀', '}', 'a'),
    })
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (schema, table, name, value) => {
        const relation = { ...relationOf(column(name)), schema, name: table }
        const values: Row = {}
        Object.defineProperty(values, name, { value, enumerable: true })
        const line = toJsonLine({ kind: 'insert', ...change, relation, unchanged: undefined, new: values })
        // the line breaks of any reader: the readline of Node 24 ends a line at U+2028 too
        expect(line).not.toMatch(/[\r\n\u2028\u2029]/)
        expect(JSON.parse(line)).toMatchObject({ schema, table, new: values })
      }),
    )
  })
})

describe('values, by what they are', () => {
  test.each<[string, unknown, string]>([
    ['a bigint is a string', -9223372036854775808n, '"-9223372036854775808"'],
    ['a number', 1.5, '1.5'],
    ['a large number', 1e21, '1e+21'],
    ['a subnormal number', 5e-324, '5e-324'],
    ['negative zero', -0, '-0'],
    ['zero', 0, '0'],
    ['NaN', Number.NaN, '"NaN"'],
    ['infinity', Infinity, '"Infinity"'],
    ['negative infinity', -Infinity, '"-Infinity"'],
    ['true', true, 'true'],
    ['false', false, 'false'],
    ['NULL', null, 'null'],
    ['a string', 'a"\\\n\u2028😀', '"a\\"\\\\\\n\\u2028😀"'],
    ['bytes', new Uint8Array([0x0a, 0xff]), '"\\\\x0aff"'],
    ['no bytes', new Uint8Array(), '"\\\\x"'],
    ['a Buffer, as bytes', Buffer.from([1]), '"\\\\x01"'],
    [
      'an array',
      [
        [1n, null],
        [-0, Number.NaN],
      ],
      '[["1",null],[-0,"NaN"]]',
    ],
    ['an empty array', [], '[]'],
    ['an array with bounds', new PgArray([1n, null], [0]), '{"lowerBounds":[0],"values":["1",null]}'],
    ['an array of arrays with bounds', new PgArray([[1], [2]], [-2, 3]), '{"lowerBounds":[-2,3],"values":[[1],[2]]}'],
    ['an object', { b: 1n, 'a"': [undefined], c: { d: Number.NaN } }, '{"b":"1","a\\"":[null],"c":{"d":"NaN"}}'],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['a Date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
    ['a Date that is none', new Date(Number.NaN), 'null'],
    ['undefined', undefined, 'null'],
    ['what JSON cannot say', Symbol('x'), 'null'],
  ])('%s', (_, value, json) => {
    expect(jsonOf(value)).toBe(json)
  })
})

describe('json and jsonb', () => {
  const json = 114
  const jsonArray = 199
  const jsonb = 3802
  const pretty = '{\r\n  "a": [1.00000000000000000000001,\n 1e400] }'

  test('are the JSON itself, on one line, not a digit changed', () => {
    const types = new TypeRegistry()
    expect(jsonOf(pretty, json, types)).toBe('{    "a": [1.00000000000000000000001,  1e400] }')
    expect(jsonOf('"\\n"', jsonb, types)).toBe('"\\n"')
    expect(jsonOf('{"\u2028": "a\u2029"}', jsonb, types)).toBe('{"\\u2028": "a\\u2029"}')
    expect(jsonOf('null', jsonb, types)).toBe('null')
    expect(jsonOf(null, jsonb, types)).toBe('null')
    expect(jsonOf(['{"a":\n1}', null, '"x"'], jsonArray, types)).toBe('[{"a": 1},null,"x"]')
    expect(jsonOf(new PgArray(['[1]'], [0]), jsonArray, types)).toBe('{"lowerBounds":[0],"values":[[1]]}')
    expect(jsonOf('{"a": 1}', 25, types)).toBe('"{\\"a\\": 1}"')
  })

  test('overridden: what the override returned, by what it is', () => {
    const types = new TypeRegistry({ overrides: { jsonb: JSON.parse, json: String } })
    expect(jsonOf({ a: [1] }, jsonb, types)).toBe('{"a":[1]}')
    expect(jsonOf('123', jsonb, types)).toBe('"123"')
    expect(jsonOf('{', json, types)).toBe('"{"')
    expect(jsonOf(['1'], jsonArray, types)).toBe('["1"]')
  })

  test('of a relation that no decoder made are strings, which are JSON whatever they hold', () => {
    expect(jsonOf('{"a": 1}', jsonb)).toBe('"{\\"a\\": 1}"')
    expect(jsonOf({ a: [1] }, jsonb)).toBe('{"a":[1]}')
  })

  test('a domain over jsonb is jsonb', () => {
    const types = new TypeRegistry()
    types.add({ oid: 20000, schema: 'app', name: 'doc', typtype: 'd', delimiter: ',', elementOid: 0, baseOid: jsonb })
    expect(jsonOf('{"a": 1}', 20000, types)).toBe('{"a": 1}')
  })

  test('inside a composite too, beside strings', () => {
    const types = new TypeRegistry()
    const attributes = [
      { name: 'doc', typeOid: jsonb },
      { name: '__proto__', typeOid: 25 },
    ]
    const type = { schema: 'app', name: 'pair', delimiter: ',', elementOid: 0, baseOid: 0, attributes }
    types.add({ ...type, oid: 20000, typtype: 'c' })
    const value: Row = { doc: '[1]' }
    Object.defineProperty(value, '__proto__', { value: '[1]', enumerable: true })
    expect(jsonOf(value, 20000, types)).toBe('{"doc":[1],"__proto__":"[1]"}')
    expect(jsonOf('(1)', 20000, types)).toBe('"(1)"')
  })
})

describe('ranges', () => {
  test('are the server’s text, whatever an override made of their bounds', () => {
    const types = new TypeRegistry({ overrides: { timestamptz: (text) => new Date(text) } })
    const text = '["2026-01-01 00:00:00+00",)'
    const bytes = new TextEncoder().encode(text)
    const multirange = new TextEncoder().encode(`{${text}}`)
    const range = types.get(3910)?.readText(bytes, 0, bytes.length)
    expect(range).toMatchObject({ lower: new Date('2026-01-01T00:00:00Z'), upper: null })
    expect(jsonOf(range, 3910, types)).toBe(JSON.stringify(text))
    expect(jsonOf([range, null], 3911, types)).toBe(`[${JSON.stringify(text)},null]`)
    const ranges = types.get(4534)?.readText(multirange, 0, multirange.length)
    expect(jsonOf(ranges, 4534, types)).toBe(JSON.stringify(`{${text}}`))
    expect(jsonOf([ranges], 6153, types)).toBe(`[${JSON.stringify(`{${text}}`)}]`)
  })
})

test('values: text: every value is the server’s text as a string, or null', () => {
  const types = new TypeRegistry({ values: 'text' })
  expect(jsonOf('1', 23, types)).toBe('"1"')
  expect(jsonOf('{"a": 1}', 3802, types)).toBe('"{\\"a\\": 1}"')
  expect(jsonOf('{1,NULL}', 1007, types)).toBe('"{1,NULL}"')
  expect(jsonOf('[1,2)', 3904, types)).toBe('"[1,2)"')
  expect(jsonOf(null, 23, types)).toBe('null')
})

test('a row that is longer as a line than a string can be is an error that names its table', () => {
  const half = 'x'.repeat(0x1000_0000)
  const values = { id: 5n, note: half }
  const event = { kind: 'update', ...change, new: values, old: values, key: undefined, unchanged: undefined } as const
  expect(() => toJsonLine(event)).toThrow(
    expect.objectContaining({ code: 'value_too_long', table: 'public.orders', lsn: '16/B374D810' }),
  )
})

describe('LSNs and times', () => {
  test('LSNs as formatLsn prints them, near and far from the one before', () => {
    const lsn = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 0x30000n }))
    fc.assert(
      fc.property(lsn, fc.bigInt({ min: 0n, max: 0x20000n }), (first, step) => {
        for (const lsn of [first, (first + step) & 0xffff_ffff_ffff_ffffn]) {
          expect(JSON.parse(toJsonLine({ kind: 'begin', lsn, tx }))).toMatchObject({ lsn: formatLsn(lsn) })
        }
      }),
    )
  })

  test.each([
    [0n, '1970-01-01T00:00:00.000000Z'],
    [-1n, '1969-12-31T23:59:59.999999Z'],
    [1n, '1970-01-01T00:00:00.000001Z'],
    [951_782_400_000_000n, '2000-02-29T00:00:00.000000Z'],
    [253_402_300_799_999_999n, '9999-12-31T23:59:59.999999Z'],
    [253_402_300_800_000_000n, '+010000-01-01T00:00:00.000000Z'],
    [-62_167_219_200_000_000n, '0000-01-01T00:00:00.000000Z'],
    [-62_167_219_200_000_001n, '-000001-12-31T23:59:59.999999Z'],
    [8_640_000_000_000_000_000n, '+275760-09-13T00:00:00.000000Z'],
    [9_223_372_036_854_775_807n, '+294247-01-10T04:00:54.775807Z'],
    [-9_223_372_036_854_775_808n, '-290308-12-21T19:59:05.224192Z'],
  ])('the commit time %s is %s', (commitTime, text) => {
    const line = toJsonLine({ kind: 'begin', lsn: 1n, tx: { ...tx, commitTime } })
    expect(JSON.parse(line)).toMatchObject({ commitTime: text })
  })

  test('the commit time of any moment that Date knows', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 999 }), (date, microseconds) => {
        const commitTime = BigInt(date.getTime()) * 1000n + BigInt(microseconds)
        const line = toJsonLine({ kind: 'begin', lsn: 1n, tx: { ...tx, commitTime } })
        const expected = date.toISOString().replace('Z', `${String(microseconds).padStart(3, '0')}Z`)
        expect(JSON.parse(line)).toMatchObject({ commitTime: expected })
      }),
    )
  })
})
