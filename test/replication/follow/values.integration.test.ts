import { beforeAll, describe, expect, test } from 'vitest'
import { PgRange } from '../../../src/decoder/types/pg-range.ts'
import type { Event, FollowOptions, Row } from '../../../src/index.ts'
import { PgArray } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { withOtherSettings } from './helpers/other-settings.ts'
import { Source } from './helpers/source.ts'

/** By type, texts that are easily spoilt: each is copied in a snapshot, streamed, updated and deleted. */
const texts: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: ['-32768', '32767'],
  int4: ['-2147483648', '2147483647', '0'],
  int8: ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
  oid: ['4294967295'],
  float4: ['0.1', '-0', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e+38'],
  float8: ['0.30000000000000004', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e+308', '1e+15'],
  numeric: [
    'NaN',
    'Infinity',
    '-Infinity',
    '0.00000',
    `1${'0'.repeat(100)}`,
    '-12345678901234567890.123456789012345678900',
  ],
  money: ['$1,234.50'],
  text: [
    '',
    'NULL',
    '\\N',
    '\\',
    'tab\tnewline\nreturn\rbell\x07back\bfeed\fvertical\v',
    'ünïcödé 日本 😀',
    "it's",
    '\\.',
  ],
  varchar: ['', ' '],
  'char(5)': ['ab   '],
  '"char"': ['a', ''],
  name: ['Some Name'],
  bytea: ['\\x', '\\x00ff5c090a0d'],
  date: ['infinity', '-infinity', '0044-03-15 BC', '5874897-12-31', '2024-02-29'],
  time: ['24:00:00', '00:00:00.000001'],
  timetz: ['24:00:00-15:59:59', '12:34:56.789+05:30:15'],
  timestamp: [
    'infinity',
    '-infinity',
    '294276-12-31 23:59:59.999999',
    '4713-01-01 00:00:00 BC',
    '2024-03-02 13:05:06.7',
  ],
  timestamptz: ['infinity', '2024-03-02 13:05:06.7+00', '0044-03-15 11:22:33+00 BC'],
  interval: ['-1 years -2 mons +3 days -04:05:06.789', '00:00:00', '178000000 years'],
  uuid: ['00000000-0000-0000-0000-00000000000a'],
  json: ['{"b": 1,  "a": [1e400, "\\u0000x"]}'],
  jsonb: ['{"a": 1, "b": 123456789012345678901234567890.10}'],
  xml: ['<a b="c">d</a>'],
  inet: ['10.0.0.1', '10.0.0.1/8', '::1'],
  cidr: ['10.0.0.0/8'],
  macaddr: ['08:00:2b:01:02:03'],
  'bit(3)': ['101'],
  varbit: ['', '0101'],
  point: ['(1.5,-0)'],
  box: ['(2,3),(0,1)'],
  int2vector: ['1 2 3'],
  tsvector: ["'a':1A 'b c':2"],
  int4range: ['empty', '[1,5)', '(,)', '[3,)'],
  numrange: ['[1.10,2.20]'],
  tstzrange: ['["2024-01-01 00:00:00+00",infinity]'],
  int4multirange: ['{}', '{[1,3),[5,7)}'],
  'int4[]': ['{}', '{1,NULL,3}', '[0:1]={1,2}', '{{1,2},{3,4}}', '[-2:-1][3:4]={{1,2},{3,4}}'],
  'text[]': ['{NULL,"NULL",""," ","a,b","c\\\\d","\\"q\\"","{}",plain}', '{"tab\tnewline\n"}'],
  'box[]': ['{(2,3),(0,1);(1,1),(0,0);NULL}'],
  'float8[]': ['{NaN,Infinity,-0}'],
  'bytea[]': ['{"\\\\x00ff",NULL}'],
  'jsonb[]': ['{"{\\"a\\": \\"x,y\\"}"}'],
  pg_lsn: ['16/B374D848'],
}

/** A table with one column for each type, and for each of its texts a row. NULL fills the rest. */
function tableOfTexts(): { setup: string; rows: readonly (readonly [type: string, text: string])[] } {
  const types = Object.keys(texts)
  const columns = types.map((type, index) => `c${index} ${type}`).join(', ')
  const rows = Object.entries(texts).flatMap(([type, list]) => list.map((text) => [type, text] as const))
  return { setup: `CREATE TABLE v (id int PRIMARY KEY, ${columns}); ALTER TABLE v REPLICA IDENTITY FULL;`, rows }
}

function insertAll(firstId: number, rows: readonly (readonly [string, string])[]): string {
  const types = Object.keys(texts)
  return rows
    .map(([type, text], index) => {
      const literal = `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
      return `INSERT INTO v (id, c${types.indexOf(type)}) VALUES (${firstId + index}, ${literal})`
    })
    .join(';\n')
}

/** A row without its ID, so that two rows of the same values are equal. */
function valuesOf(row: Row): Row {
  const { id: _, ...values } = row
  return values
}

function rowsNew(events: readonly Event[], kind: 'snapshot' | 'insert' | 'update'): Row[] {
  return events.flatMap((event) => (event.kind === kind ? [event.new] : []))
}

describe.each(testVersions())('values, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** Rows of all texts: copied, inserted, updated (old and new) and deleted. */
  async function followTexts(source: Source, options: Partial<FollowOptions> = {}) {
    const { rows } = tableOfTexts()
    const reader = source.follow(options)
    const copied = await reader.untilCopied()
    await source.write(
      insertAll(1001, rows),
      'UPDATE v SET id = id + 1000 WHERE id > 1000',
      'DELETE FROM v WHERE id > 2000',
    )
    const changes = await reader.untilMark(await source.mark())
    const old = (kind: 'update' | 'delete') =>
      changes.flatMap((event) => (event.kind === kind && event.old !== undefined ? [event.old] : []))
    return {
      snapshot: rowsNew(copied, 'snapshot').map(valuesOf),
      insert: rowsNew(changes, 'insert').map(valuesOf),
      update: rowsNew(changes, 'update').map(valuesOf),
      'old row of update': old('update').map(valuesOf),
      'old row of delete': old('delete').map(valuesOf),
    }
  }

  test('are equal in the snapshot and in the stream, in new rows and in old ones', async () => {
    const { setup, rows } = tableOfTexts()
    await using source = await Source.make(server, setup)
    await source.write(insertAll(1, rows))
    const { snapshot, ...others } = await followTexts(source)
    expect(snapshot).toHaveLength(rows.length)
    for (const [way, found] of Object.entries(others)) expect(found, way).toStrictEqual(snapshot)
  })

  test('as text, are exactly what the server prints, either way', async () => {
    const { setup, rows } = tableOfTexts()
    await using source = await Source.make(server, setup)
    await source.write(insertAll(1, rows))
    const printed = (await source.rows('SELECT * FROM v ORDER BY id')).map(valuesOf)
    for (const [way, found] of Object.entries(await followTexts(source, { values: 'text' }))) {
      expect(found, way).toStrictEqual(printed)
    }
    // the texts above are the server's own form already
    const types = Object.keys(texts)
    expect(printed.map((row, index) => row[`c${types.indexOf(rows[index]?.[0] ?? '')}`])).toEqual(
      rows.map(([, text]) => text),
    )
  })

  test('keep NaN, both infinities and the sign of zero end to end', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE v (id int PRIMARY KEY, f4 float4, f8 float8, n numeric, a float8[]);
      INSERT INTO v VALUES (1, 'NaN', 'NaN', 'NaN', '{NaN,-0}'), (2, 'Infinity', 'Infinity', 'Infinity', '{Infinity}'),
        (3, '-Infinity', '-Infinity', '-Infinity', '{-Infinity}'), (4, '-0', '-0', '0.00', '{0}');`,
    )
    const reader = source.follow()
    const copied = await reader.untilCopied()
    await source.write('UPDATE v SET id = id + 10')
    const changes = await reader.untilMark(await source.mark())
    const expected = [
      { f4: Number.NaN, f8: Number.NaN, n: 'NaN', a: [Number.NaN, -0] },
      { f4: Infinity, f8: Infinity, n: 'Infinity', a: [Infinity] },
      { f4: -Infinity, f8: -Infinity, n: '-Infinity', a: [-Infinity] },
      { f4: -0, f8: -0, n: '0.00', a: [0] },
    ]
    expect(rowsNew(copied, 'snapshot').map(valuesOf)).toStrictEqual(expected)
    expect(rowsNew(changes, 'update').map(valuesOf)).toStrictEqual(expected)
  })

  test('are of the promised JavaScript types', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE v (id int PRIMARY KEY, b bool, i int8, n numeric, y bytea, j jsonb, a int[], s timestamptz);
      INSERT INTO v VALUES (1, true, 42, 1.50, '\\x0aff', '{"x": 1}', '[0:1]={1,2}', '2024-01-01 00:00:00.123456Z');`,
    )
    const reader = source.follow()
    const [row] = rowsNew(await reader.untilCopied(), 'snapshot')
    expect(row).toStrictEqual({
      id: 1,
      b: true,
      i: 42n,
      n: '1.50',
      y: Uint8Array.of(10, 255),
      j: '{"x": 1}',
      a: new PgArray([1, 2], [0]),
      s: '2024-01-01 00:00:00.123456+00',
    })
  })

  test('do not depend on the settings of the database, of the role, or of both', async () => {
    const { setup, rows } = tableOfTexts()
    await using source = await Source.make(server, setup)
    await source.write(insertAll(1, rows))
    const printed = (await source.rows('SELECT * FROM v ORDER BY id')).map(valuesOf)
    await using other = await withOtherSettings(source, version)
    for (const [way, found] of Object.entries(await followTexts(source, { values: 'text', connection: other.url }))) {
      expect(found, way).toStrictEqual(printed)
    }
  })

  test('of a database in another encoding come as they are', async () => {
    await using source = await Source.make(server, 'CREATE TABLE v (id int PRIMARY KEY, "spälte" text)', {
      encoding: 'LATIN1',
    })
    await source.write("INSERT INTO v VALUES (1, 'Größe')")
    const reader = source.follow()
    const copied = await reader.untilCopied()
    await source.write("UPDATE v SET spälte = 'Maß'", "SELECT pg_logical_emit_message(true, 'präfix', 'Größe')")
    const changes = await reader.untilMark(await source.mark())
    expect(rowsNew(copied, 'snapshot')).toEqual([{ id: 1, spälte: 'Größe' }])
    expect(rowsNew(changes, 'update')).toEqual([{ id: 1, spälte: 'Maß' }])
    // the content of a message is bytes, which nobody converts; its prefix is text
    expect(changes.find((event) => event.kind === 'message')).toMatchObject({
      prefix: 'präfix',
      content: Uint8Array.from([...'Größe'].map((letter) => letter.charCodeAt(0))),
    })
  })

  describe('that the server did not look at, or cannot convert', () => {
    const role = `walwire_${process.pid}_r`

    test('a name out of a database of another encoding ends the feed with its column, or comes as bytes (trap 78)', async () => {
      await using elsewhere = await Source.make(server, 'CREATE TABLE t (id int)', { encoding: 'LATIN1' })
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, role name, roles name[])')
      await elsewhere.write(`DROP ROLE IF EXISTS "${role}é"; CREATE ROLE "${role}é"`)
      try {
        const oid = await elsewhere.value(`SELECT oid FROM pg_roles WHERE rolname = '${role}é'`)
        await source.write(`INSERT INTO t SELECT 1, rolname, ARRAY[rolname] FROM pg_roles WHERE oid = ${oid}`)
        expect(await source.follow().failure()).toMatchObject({
          code: 'invalid_text',
          table: 'public.t',
          column: 'role',
        })
        const bytes = Uint8Array.from([...Buffer.from(role), 0xe9])
        const reader = source.follow({ invalidText: 'bytes' })
        expect(rowsNew(await reader.untilCopied(), 'snapshot')).toStrictEqual([{ id: 1, role: bytes, roles: [bytes] }])
        await source.write('UPDATE t SET role = role')
        expect(rowsNew(await reader.untilMark(await source.mark()), 'update')).toMatchObject([{ role: bytes }])
      } finally {
        await elsewhere.write(`DROP ROLE "${role}é"`)
      }
    })

    test('a character that Unicode has not ends the feed with table, LSN and the way out, copied and streamed', async () => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, v text)', {
        encoding: 'WIN1252',
      })
      const reader = source.follow()
      await reader.untilCopied()
      await source.write("INSERT INTO t VALUES (1, E'\\201')")
      const streamed = await reader.failure()
      expect(streamed).toMatchObject({ code: 'invalid_text', table: 'public.t', sqlstate: '22P05', slot: source.slot })
      expect(streamed.lsn).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
      expect(streamed.hint).toContain('leave its column out')
      const copied = await source.follow({ slot: `${source.slot}_2` }).failure()
      expect(copied).toMatchObject({ code: 'invalid_text', table: 'public.t', sqlstate: '22P05' })
    })

    test('a table whose name is not UTF-8 is shown, byte by byte, and the others can be followed without it', async () => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int)', { encoding: 'SQL_ASCII' })
      await source.write("DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id int)', E'caf\\351'); END $$")
      const error = await source.follow().failure()
      expect(error).toMatchObject({ code: 'invalid_text' })
      expect(error.message).toContain('caf\\xe9')
      expect(error.hint).toContain('a publication that does not have that table can be followed')
      await source.write('CREATE PUBLICATION others FOR TABLE t', 'INSERT INTO t VALUES (1)')
      const reader = source.follow({ publication: 'others' })
      await reader.untilCopied()
      await source.write(
        'INSERT INTO t VALUES (2)',
        "DO $$ BEGIN EXECUTE format('INSERT INTO %I VALUES (3)', E'caf\\351'); END $$",
        'INSERT INTO t VALUES (4)',
      )
      expect(rowsNew(await reader.untilMark(await source.mark()), 'insert')).toEqual([{ id: 2 }, { id: 4 }])
    })
  })

  describe('that are not UTF-8, in a database that lets them be so', () => {
    const setup = 'CREATE TABLE t (id int PRIMARY KEY, good text, bad text)'
    const options = { encoding: 'SQL_ASCII' }
    const spoil = "INSERT INTO t VALUES (1, 'ok', E'caf\\351')"

    test('end the snapshot with an error that names table and column', async () => {
      await using source = await Source.make(server, setup, options)
      await source.write(spoil)
      const error = await source.follow().failure()
      expect(error).toMatchObject({ code: 'invalid_text', table: 'public.t', column: 'bad' })
      expect(await source.slotRow()).toBeUndefined()
    })

    test('end the stream with an error that names table and column, after everything before them', async () => {
      await using source = await Source.make(server, setup, options)
      const reader = await source.followChanges()
      await source.write("INSERT INTO t VALUES (0, 'grün', 'ü')", spoil)
      const error = await reader.failure()
      expect(error).toMatchObject({ code: 'invalid_text', table: 'public.t', column: 'bad', retryable: false })
      expect(rowsNew(reader.events, 'insert')).toEqual([{ id: 0, good: 'grün', bad: 'ü' }])
    })

    test.each([false, true])(
      'come as bytes where that is asked for, copied and streamed; binary: %s',
      async (binary) => {
        await using source = await Source.make(server, `${setup}; ALTER TABLE t ADD many text[]`, options)
        const caf = Uint8Array.of(0x63, 0x61, 0x66, 0xe9)
        const row = { id: 1, good: 'ok', bad: caf, many: ['ü', caf] }
        await source.write("INSERT INTO t VALUES (1, 'ok', E'caf\\351', ARRAY['ü', E'caf\\351'])")
        const reader = source.follow({ invalidText: 'bytes', binary })
        expect(rowsNew(await reader.untilCopied(), 'snapshot')).toStrictEqual([row])
        await source.write('UPDATE t SET id = 2')
        expect(rowsNew(await reader.untilMark(await source.mark()), 'update')).toStrictEqual([{ ...row, id: 2 }])
      },
    )
  })

  test('of types of the database’s own come as what they are made of: enums, composites, ranges, domains, and arrays of each', async () => {
    await using source = await Source.make(
      server,
      `CREATE SCHEMA s;
      CREATE TYPE s.mood AS ENUM ('sad', 'ok, really');
      CREATE TYPE pair AS (a int, b text);
      CREATE TYPE floats AS RANGE (subtype = float8);
      CREATE DOMAIN amount AS int8 CHECK (VALUE > 0);
      CREATE DOMAIN amounts AS amount[];
      CREATE DOMAIN more AS amounts;
      CREATE DOMAIN moods AS s.mood[];
      CREATE TABLE v (id int PRIMARY KEY, m s.mood, ms s.mood[], p pair, ps pair[], f floats, a amount, aa amount[], am amounts, mo more, mm moods);
      INSERT INTO v VALUES (1, 'sad', '{"ok, really",sad,NULL}', '(1,"x y")', '{"(1,\\"x y\\")",NULL}', '[1.5,2)', 5, '{6,NULL}', '{7}', '{8,9}', '{sad}');`,
    )
    const reader = source.follow()
    const copied = await reader.untilCopied()
    await source.write(
      'UPDATE v SET id = 2',
      'CREATE TYPE late AS ENUM ($$x$$)',
      'ALTER TABLE v ADD l late',
      "UPDATE v SET l = 'x'",
    )
    const changes = await reader.untilMark(await source.mark())
    const values = {
      m: 'sad',
      ms: ['ok, really', 'sad', null],
      p: { a: 1, b: 'x y' },
      ps: [{ a: 1, b: 'x y' }, null],
      f: new PgRange(1.5, 2, '[)'),
      a: 5n,
      aa: [6n, null],
      am: [7n],
      mo: [8n, 9n],
      mm: ['sad'],
    }
    expect(rowsNew(copied, 'snapshot')).toStrictEqual([{ id: 1, ...values }])
    expect(rowsNew(changes, 'update')).toStrictEqual([
      { id: 2, ...values },
      { id: 2, ...values, l: 'x' },
    ])
    const types = changes
      .flatMap((event) => (event.kind === 'relation' ? event.relation.columns : []))
      .map(({ type }) => type)
    expect(types).toEqual([
      'int4',
      's.mood',
      's._mood',
      'public.pair',
      'public._pair',
      'public.floats',
      'public.amount',
      'public._amount',
      'public.amounts',
      'public.more',
      'public.moods',
      'public.late',
    ])
  })

  test('of a type that was dropped before its rows are read come as text', async () => {
    await using source = await Source.make(
      server,
      "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE v (id int PRIMARY KEY, m mood, ms mood[]);",
    )
    const first = await source.followChanges()
    await first.close()
    await source.write("INSERT INTO v VALUES (1, 'sad', '{sad}')", 'DROP TABLE v', 'DROP TYPE mood')
    const reader = source.follow({ start: first.stored })
    const changes = await reader.untilMark(await source.mark())
    expect(rowsNew(changes, 'insert')).toEqual([{ id: 1, m: 'sad', ms: '{sad}' }])
  })

  test('become what the caller makes of them, by type, in snapshot and stream alike', async () => {
    await using source = await Source.make(
      server,
      `CREATE TYPE mood AS ENUM ('sad');
      CREATE TABLE v (id int PRIMARY KEY, j jsonb, js jsonb[], t timestamptz, m mood, i int8);
      INSERT INTO v VALUES (1, '{"a": [1]}', '{"{\\"b\\": 2}",NULL}', '2024-01-01Z', 'sad', 5);
      INSERT INTO v VALUES (2, NULL, NULL, NULL, NULL, NULL);`,
    )
    const reader = source.follow({
      types: {
        jsonb: (text: string): unknown => JSON.parse(text),
        timestamptz: (text: string) => new Date(text),
        'public.mood': (text: string) => text.toUpperCase(),
        int8: Number,
      },
    })
    const copied = await reader.untilCopied()
    await source.write('UPDATE v SET id = id + 10')
    const changes = await reader.untilMark(await source.mark())
    const expected = [
      { j: { a: [1] }, js: [{ b: 2 }, null], t: new Date('2024-01-01T00:00:00Z'), m: 'SAD', i: 5 },
      { j: null, js: null, t: null, m: null, i: null },
    ]
    expect(rowsNew(copied, 'snapshot').map(valuesOf)).toStrictEqual(expected)
    expect(rowsNew(changes, 'update').map(valuesOf)).toStrictEqual(expected)
  })

  test('that the caller cannot read end the feed, with table, column and what was thrown', async () => {
    await using source = await Source.make(server, 'CREATE TABLE v (id int PRIMARY KEY, j json)')
    const thrown = new Error('not today')
    const reader = await source.followChanges({
      types: {
        json: () => {
          throw thrown
        },
      },
    })
    await source.write("INSERT INTO v VALUES (1, NULL), (2, '{}')")
    const error = await reader.failure()
    expect(error).toMatchObject({ code: 'types_failed', table: 'public.v', column: 'j', cause: thrown })
  })
})
