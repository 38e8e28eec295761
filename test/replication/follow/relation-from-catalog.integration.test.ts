import { beforeAll, describe, expect, test } from 'vitest'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/**
 * The snapshot announces a table by what the catalog says of it, the stream by its Relation message. Where nothing
 * differs the table must be announced once: each row here is a table that could be described in two ways.
 */
const tables: Readonly<Record<string, readonly string[]>> = {
  'a primary key': ['CREATE TABLE t (id int PRIMARY KEY, v text)'],
  'no key at all': ['CREATE TABLE t (id int, v text)'],
  'a primary key of two columns, in another order than the table': [
    'CREATE TABLE t (a int, b int, id int, v text, PRIMARY KEY (id, a))',
  ],
  'a primary key that includes another column': ['CREATE TABLE t (id int, v text, PRIMARY KEY (id) INCLUDE (v))'],
  'a primary key that is deferrable, and so identifies nothing': [
    'CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text)',
  ],
  'a unique index as identity': [
    'CREATE TABLE t (id int PRIMARY KEY, other int NOT NULL, v text)',
    'CREATE UNIQUE INDEX t_other ON t (other) INCLUDE (v)',
    'ALTER TABLE t REPLICA IDENTITY USING INDEX t_other',
  ],
  'an index as identity that was dropped since': [
    'CREATE TABLE t (id int PRIMARY KEY, other int NOT NULL, v text)',
    'CREATE UNIQUE INDEX t_other ON t (other)',
    'ALTER TABLE t REPLICA IDENTITY USING INDEX t_other',
    'DROP INDEX t_other',
  ],
  'identity full': ['CREATE TABLE t (id int PRIMARY KEY, v text)', 'ALTER TABLE t REPLICA IDENTITY FULL'],
  'identity full and no key': ['CREATE TABLE t (id int, v text)', 'ALTER TABLE t REPLICA IDENTITY FULL'],
  'identity nothing': ['CREATE TABLE t (id int PRIMARY KEY, v text)', 'ALTER TABLE t REPLICA IDENTITY NOTHING'],
  'types with modifiers': [
    'CREATE TABLE t (id varchar(10) PRIMARY KEY, a numeric(10, 2), b char(3), c bit(4), d time(3), e interval day to second(2))',
  ],
  'types of its own': [
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    'CREATE TYPE pair AS (a int, b text)',
    'CREATE DOMAIN positive AS int CHECK (VALUE > 0)',
    'CREATE DOMAIN moods AS mood[]',
    'CREATE TABLE t (id int PRIMARY KEY, a mood, b pair, c positive, d moods, e pair[], f int4range, g positive[])',
  ],
  'columns that were dropped before and behind the key': [
    'CREATE TABLE t (x int, id int PRIMARY KEY, y int, v text)',
    'ALTER TABLE t DROP COLUMN x, DROP COLUMN y',
  ],
  'a generated column': ['CREATE TABLE t (id int PRIMARY KEY, v text, g int GENERATED ALWAYS AS (1) STORED)'],
  'no columns': ['CREATE TABLE t ()'],
  'partitions, each under its own name': [
    'CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)',
    'CREATE TABLE t PARTITION OF root DEFAULT',
  ],
}

describe.each(outerVersions())('a table is announced once, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test.each(Object.entries(tables))('with %s', async (_name, statements) => {
    await using source = await Source.make(server, statements.join(';'))
    const reader = source.follow()
    await reader.untilCopied()
    await source.write(await anyInsert(source, 't'))
    const changes = await reader.untilMark(await source.mark())

    expect(changes.map(({ kind }) => kind)).toEqual(['begin', 'insert', 'commit'])
    const announced = reader.events.filter(({ kind }) => kind === 'relation')
    expect(announced).toMatchObject([{ table: 'public.t', change: null }])
  })

  test('with partitions under the name of their root, whose own order of columns holds', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id int, gone int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
      ALTER TABLE t DROP COLUMN gone;
      CREATE TABLE leaf (dropped int, v text, id int NOT NULL);
      ALTER TABLE leaf DROP COLUMN dropped;
      ALTER TABLE t ATTACH PARTITION leaf DEFAULT;
      INSERT INTO t VALUES (1, 'copied');`,
      { publication: 'FOR TABLE t WITH (publish_via_partition_root)' },
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("INSERT INTO t VALUES (2, 'streamed')", "UPDATE leaf SET v = 'changed', id = 3 WHERE id = 1")
    const changes = await reader.untilMark(await source.mark())

    expect(changes).toMatchObject([
      { kind: 'begin' },
      { kind: 'insert', table: 'public.t', new: { id: 2, v: 'streamed' } },
      { kind: 'commit' },
      { kind: 'begin' },
      { kind: 'update', table: 'public.t', key: { id: 1 }, new: { id: 3, v: 'changed' } },
      { kind: 'commit' },
    ])
    expect(reader.events.filter(({ kind }) => kind === 'snapshot')).toMatchObject([{ new: { id: 1, v: 'copied' } }])
    expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
  })

  test('with partitions of partitions, through the topmost table that is published in their place', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE top (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE middle (v text, id int NOT NULL) PARTITION BY RANGE (id);
      CREATE TABLE low (id int NOT NULL, v text);
      ALTER TABLE middle ATTACH PARTITION low DEFAULT;
      ALTER TABLE top ATTACH PARTITION middle FOR VALUES FROM (0) TO (100);
      CREATE TABLE other PARTITION OF top DEFAULT;
      INSERT INTO top VALUES (1, 'low'), (200, 'other');`,
      { publication: 'FOR TABLE top, middle WITH (publish_via_partition_root)' },
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("UPDATE top SET v = v || '!'", 'TRUNCATE top')
    const changes = await reader.untilMark(await source.mark())

    expect(reader.events.filter(({ kind }) => kind === 'snapshot')).toMatchObject([
      { table: 'public.top', new: { id: 1, v: 'low' } },
      { table: 'public.top', new: { id: 200, v: 'other' } },
    ])
    expect(changes).toMatchObject([
      { kind: 'begin' },
      { kind: 'update', table: 'public.top', new: { id: 1, v: 'low!' } },
      { kind: 'update', table: 'public.top', new: { id: 200, v: 'other!' } },
      { kind: 'commit' },
      { kind: 'begin' },
      { kind: 'truncate', relations: [{ table: 'public.top' }] },
      { kind: 'commit' },
    ])
    expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
  })

  test('without the root, partitions come under their own names and in their own order', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE leaf (dropped int, v text, id int NOT NULL);
      ALTER TABLE leaf DROP COLUMN dropped;
      ALTER TABLE t ATTACH PARTITION leaf DEFAULT;
      INSERT INTO t VALUES (1, 'copied');`,
      { publication: 'FOR TABLE t' },
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("INSERT INTO t VALUES (2, 'streamed')")
    const changes = await reader.untilMark(await source.mark())

    const rows = reader.events.flatMap((event) =>
      event.kind === 'snapshot' || event.kind === 'insert' ? [[event.table, Object.entries(event.new)]] : [],
    )
    expect(rows).toEqual([
      [
        'public.leaf',
        [
          ['v', 'copied'],
          ['id', 1],
        ],
      ],
      [
        'public.leaf',
        [
          ['v', 'streamed'],
          ['id', 2],
        ],
      ],
    ])
    expect(changes).toHaveLength(3)
  })
})

/** An INSERT that any table takes: of its key a value, of everything else nothing. */
async function anyInsert(source: Source, table: string): Promise<string> {
  const required = await source.rows(
    `SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull ORDER BY attnum`,
  )
  if (required.length === 0) return `INSERT INTO ${table} DEFAULT VALUES`
  return `INSERT INTO ${table} (${required.map(({ attname }) => attname)}) VALUES (${required.map(() => "'1'")})`
}
