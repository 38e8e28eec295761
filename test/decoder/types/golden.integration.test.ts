import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtinTypes } from '../../../src/decoder/types/builtin.ts'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { PgRange } from '../../../src/decoder/types/pg-range.ts'
import { testVersions } from '../../server/index.ts'
import { readInPlace } from './in-place.ts'
import { askServer, type Oracle } from './server-oracle.ts'

/** A type in SQL, what is put in, and the value that must come out. Where none is given it is what was put in. */
type Golden = readonly [type: string, literal: string, value?: unknown]

/** Values that clients have got wrong (traps 44 to 55), at least one for every type. */
const goldens: readonly Golden[] = [
  ['bool', 'yes', true],
  ['bool', 'no', false],
  ['bytea', '\\x00ff5c', new Uint8Array([0, 255, 92])],
  ['bytea', '', new Uint8Array()],
  ['"char"', ''],
  ['"char"', 'a'],
  ['"char"', '\\'],
  ['name', 'a"b'],
  ['int8', '-9223372036854775808', -9223372036854775808n],
  ['int8', '9223372036854775807', 9223372036854775807n],
  ['int8', '0', 0n],
  ['int2', '-32768', -32768],
  ['int2vector', '1 2'],
  ['int2vector', ''],
  ['int4', '-2147483648', -2147483648],
  ['regproc', 'now'],
  ['text', 'a\tb\\\n"é😀'],
  ['text', ''],
  ['oid', '4294967295', 4294967295],
  ['tid', '(4294967295,65535)'],
  ['xid', '4294967295'],
  ['cid', '4294967295'],
  ['oidvector', '4294967295 1'],
  ['json', '{ "a" : 1.00,\n "a": 1e400 }'],
  ['xml', '<a>é</a>'],
  ['point', '(1e+300,-0)'],
  ['lseg', '[(1,2),(3,4)]'],
  ['path', '((1,2),(3,4))'],
  ['path', '[(1,2)]'],
  ['box', '(3,4),(1,2)'],
  ['polygon', '((1,2),(3,4))'],
  ['line', '{1,-1,0}'],
  ['circle', '<(1,2),3>'],
  ['cidr', '10.0.0.0/8'],
  ['cidr', '::/0'],
  ['float4', '0.1', 0.1],
  ['float4', '3.4028235e+38', 3.4028235e38],
  ['float4', '1e-45', 1e-45],
  ['float4', 'NaN', Number.NaN],
  ['float4', '-Infinity', -Infinity],
  ['float8', '-0', -0],
  ['float8', '5e-324', 5e-324],
  ['float8', '0.30000000000000004', 0.30000000000000004],
  ['float8', '1e15', 1e15],
  ['float8', '1.7976931348623157e308', 1.7976931348623157e308],
  ['float8', 'nan', Number.NaN],
  ['float8', 'inf', Infinity],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['money', '-1234567.89', '-$1,234,567.89'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['inet', '192.168.0.1/32', '192.168.0.1'],
  ['inet', '::ffff:1.2.3.4/100'],
  ['aclitem', 'postgres=r*w/postgres'],
  ['char(5)', 'ab', 'ab   '],
  ['bpchar', 'ab  '],
  ['varchar', ' ab '],
  ['date', 'infinity'],
  ['date', '5874897-12-31'],
  ['date', '4713-01-01 BC'],
  ['time', '24:00:00'],
  ['time', '13:05:06.789012'],
  ['timestamp', '294276-12-31 23:59:59.999999'],
  ['timestamp', '-infinity'],
  ['timestamp', '0044-03-15 12:00:00 BC'],
  ['timestamptz', '2026-01-02 03:04:05.678901+05:30', '2026-01-01 21:34:05.678901+00'],
  ['timestamptz', '0044-03-15 12:00:00+00 BC'],
  ['timestamptz', 'infinity'],
  ['interval', '-1 years -2 mons +3 days -04:05:06.789', '-1 years -2 mons +3 days -04:05:06.789'],
  ['interval', '178000000 years', '178000000 years'],
  ['timetz', '24:00:00-15:59:59'],
  ['timetz', '13:05:06.7+05:30:15'],
  ['bit(4)', '0101'],
  ['varbit', ''],
  ['numeric', 'NaN'],
  ['numeric', 'Infinity'],
  ['numeric', '-Infinity'],
  ['numeric', '0.00000'],
  ['numeric', `${'9'.repeat(131_072)}.${'9'.repeat(16_383)}`],
  ['refcursor', 'a cursor'],
  ['regprocedure', 'now()'],
  ['regoper', 'pg_catalog.||/', '||/'],
  ['regoperator', '+(integer,integer)'],
  ['regclass', 'pg_class'],
  ['regtype', 'timestamp with time zone'],
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['txid_snapshot', '10:20:10,14,15'],
  ['pg_lsn', '16/B374D848'],
  ['tsvector', "'a':1A,2 'b c' 'd''e'"],
  ['tsquery', "'a':*A & !'b'"],
  ['regconfig', 'english'],
  ['regdictionary', 'simple'],
  [
    'jsonb',
    '{"b": 123456789012345678901234567890.10, "a": "\\u00e9\\n"}',
    '{"a": "é\\n", "b": 123456789012345678901234567890.10}',
  ],
  ['jsonb', 'null'],
  ['jsonb', '1e300', `1${'0'.repeat(300)}`],
  ['int4range', '[1,5]', new PgRange(1, 6)],
  ['int4range', 'empty', PgRange.empty()],
  ['int4range', '(,5]', new PgRange(null, 6, '()')],
  ['numrange', '(1.10,2.20]', new PgRange('1.10', '2.20', '(]')],
  ['tsrange', '["2026-01-01 00:00:00",infinity)', new PgRange('2026-01-01 00:00:00', 'infinity')],
  ['tstzrange', '("2026-01-01 00:00:00+00",)', new PgRange('2026-01-01 00:00:00+00', null, '()')],
  ['daterange', '[2026-01-01,2026-01-03)', new PgRange('2026-01-01', '2026-01-03')],
  ['int8range', '[-9223372036854775808,9223372036854775807)', new PgRange(-(2n ** 63n), 2n ** 63n - 1n)],
  ['jsonpath', '$."a"[*]?(@ > 1)', '$."a"[*]?(@ > 1)'],
  ['regnamespace', 'pg_catalog'],
  ['regrole', 'postgres'],
  ['regcollation', '"C"'],
  ['int4multirange', '{[1,2],[4,5)}', [new PgRange(1, 3), new PgRange(4, 5)]],
  ['nummultirange', '{}', []],
  ['tsmultirange', '{["2026-01-01 00:00:00",infinity)}', [new PgRange('2026-01-01 00:00:00', 'infinity')]],
  ['tstzmultirange', '{(,"2026-01-01 00:00:00+00")}', [new PgRange(null, '2026-01-01 00:00:00+00', '()')]],
  ['datemultirange', '{[2026-01-01,2026-01-03)}', [new PgRange('2026-01-01', '2026-01-03')]],
  ['int8multirange', '{[1,2)}', [new PgRange(1n, 2n)]],
  ['pg_snapshot', '10:20:10,14,15'],
  ['xid8', '18446744073709551615'],
  // arrays
  ['bool[]', '{t,f,NULL}', [true, false, null]],
  ['bytea[]', '{"\\\\x00ff",NULL,""}', [new Uint8Array([0, 255]), null, new Uint8Array()]],
  ['"char"[]', '{a,""}', ['a', '']],
  ['text[]', '{}', []],
  [
    'text[]',
    '{NULL,"NULL","","a\\"b","c\\\\d"," e ","{f}","g,h"}',
    [null, 'NULL', '', 'a"b', 'c\\d', ' e ', '{f}', 'g,h'],
  ],
  [
    'text[]',
    '[-2:-1][3:4]={{a,b},{c,NULL}}',
    new PgArray(
      [
        ['a', 'b'],
        ['c', null],
      ],
      [-2, 3],
    ),
  ],
  ['int2vector[]', '{"1 2",3}', ['1 2', '3']],
  ['int4[]', '[0:1]={1,2}', new PgArray([1, 2], [0])],
  ['int4[]', '[1:2]={1,2}', [1, 2]],
  ['int4[]', '{{{{{{1}}}}}}', [[[[[[1]]]]]]],
  ['int8[]', '{9223372036854775807}', [9223372036854775807n]],
  ['float8[]', '{-0,NaN,Infinity,5e-324}', [-0, Number.NaN, Infinity, 5e-324]],
  ['numeric[]', '{NaN,1.00}', ['NaN', '1.00']],
  ['box[]', '{(3,4),(1,2);NULL}', ['(3,4),(1,2)', null]],
  ['box[]', '[0:0]={(3,4),(1,2)}', new PgArray(['(3,4),(1,2)'], [0], ';')],
  ['point[]', '{"(1,2)"}', ['(1,2)']],
  ['jsonb[]', '{"{\\"a\\": [1, \\"x\\"]}",NULL,null,"null"}', ['{"a": [1, "x"]}', null, null, 'null']],
  ['timestamptz[]', '{infinity,"2026-01-02 03:04:05+00"}', ['infinity', '2026-01-02 03:04:05+00']],
  ['tstzrange[]', '{"[\\"2026-01-01 00:00:00+00\\",)"}', [new PgRange('2026-01-01 00:00:00+00', null)]],
  // not built in
  ['mood', 'so-so'],
  ['mood[]', '{"so-so",NULL}', ['so-so', null]],
  ['share', '5', 5],
  ['share[]', '{5,NULL}', [5, null]],
  ['pair', '[0:1]={1,2}', new PgArray([1, 2], [0])],
  ['pair[]', '{"[0:1]={1,2}",NULL,"{3}"}', [new PgArray([1, 2], [0]), null, [3]]],
  ['address', '(1,,"","a""b","c\\\\d","x,y"," ")', { a: 1, b: null, c: '', d: 'a"b', e: 'c\\d', f: 'x,y', g: ' ' }],
  ['address[]', '{"(1,,\\"\\",a,b,c,d)"}', [{ a: 1, b: null, c: '', d: 'a', e: 'b', f: 'c', g: 'd' }]],
  ['floats', '[1.5,2.5)', new PgRange(1.5, 2.5)],
]

const definitions = `
  CREATE TYPE mood AS ENUM ('so-so', 'good');
  CREATE DOMAIN share AS int4;
  CREATE DOMAIN pair AS int4[];
  CREATE TYPE address AS (a int, b text, c text, d text, e text, f text, g text);
  CREATE TYPE floats AS RANGE (subtype = float8);`

describe.each(testVersions())('PostgreSQL %i', (version) => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await askServer(version)
    await oracle.run(definitions)
    for (const name of ['mood', 'share', 'pair', 'address', 'floats']) {
      await oracle.type(name)
      await oracle.type(`${name}[]`)
    }
  })
  afterAll(() => oracle?.[Symbol.asyncDispose]())

  for (const [name, literal, value = literal] of goldens) {
    test(`${name} ${JSON.stringify(literal).slice(0, 80)}`, async () => {
      const type = await oracle.type(name)
      const [text = new Uint8Array()] = await oracle.output(name, [literal])
      const read = readInPlace(type.readText, text)
      expect(read).toStrictEqual(value)
      // and the server reads what is written as the same value
      expect(await oracle.output(name, [type.encodeText(read)])).toEqual([text])
    })
  }

  test('a "char" above 127, which PostgreSQL 14 sends as a byte that is no UTF-8', async () => {
    const [text = new Uint8Array()] = await oracle.output('int4', ['-1'], 'value::"char"')
    expect(text).toEqual(version < 15 ? Uint8Array.of(0xff) : new TextEncoder().encode('\\377'))
    const type = await oracle.type('"char"')
    expect(readInPlace(type.readText, text)).toBe('\\377')
  })

  test.runIf(version >= 17)('an infinite interval', async () => {
    const [text = new Uint8Array()] = await oracle.output('interval', ['-infinity'])
    expect(readInPlace((await oracle.type('interval')).readText, text)).toBe('-infinity')
  })

  test('bytea in the escape form', async () => {
    await oracle.run(`SET bytea_output = 'escape'`)
    const [text = new Uint8Array()] = await oracle.output('bytea', ['\\x005c7866ff61'])
    expect(new TextDecoder().decode(text)).toBe('\\000\\\\xf\\377a')
    expect(readInPlace((await oracle.type('bytea')).readText, text)).toEqual(new Uint8Array([0, 92, 120, 102, 255, 97]))
    await oracle.run('RESET bytea_output')
  })
})

test('every built-in type that has an input function is in the list', () => {
  const internal = /^(pg_node_tree|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_.*|gtsvector)$/
  const given = new Set(goldens.map(([type]) => type.replace(/["[\]]|\(.*/g, '')))
  expect(builtinTypes.map(({ name }) => name).filter((name) => !internal.test(name) && !given.has(name))).toEqual([])
})
