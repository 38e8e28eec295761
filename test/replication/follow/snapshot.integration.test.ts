import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { formatLsn } from '../../../src/index.ts'
import { readCopiedTables } from '../../../src/replication/copied-tables.ts'
import { type SharedServer, sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/** The copied rows of a table. */
function rowsOf(events: readonly Event[], table: string): unknown[] {
  return events.flatMap((event) => (event.kind === 'snapshot' && event.table === table ? [event.new] : []))
}

function eventsOf(events: readonly Event[], table: string): Event[] {
  return events.filter((event) => 'table' in event && event.table === table)
}

describe.each(testVersions())('a snapshot, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('begins with a position and no events, then makes the slot and copies every row of every table', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE items (id int PRIMARY KEY, name text);
      CREATE TABLE orders (id int PRIMARY KEY, item int);
      INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 1000) i;
      INSERT INTO orders SELECT i, i % 1000 FROM generate_series(1, 2500) i;`,
    )
    const reader = source.follow({ maxBatchRows: 300 })

    const first = await reader.next()
    expect(first).toMatchObject({ events: [], atCommit: true, position: { phase: 'new', slot: source.slot } })
    expect(await source.slotRow()).toBeUndefined()

    const second = await reader.next()
    expect(second).toMatchObject({ atCommit: false, position: { phase: 'snapshot' } })
    expect(await source.slotRow()).toMatchObject({ plugin: 'pgoutput', active: 'f', temporary: 'f' })

    await reader.untilCopied()
    const { consistentPoint, lsn, tables } = reader.stored
    expect(lsn).toBe(consistentPoint)
    expect(tables).toBeUndefined()
    expect(rowsOf(reader.events, 'public.items')).toEqual(
      Array.from({ length: 1000 }, (_, index) => ({ id: index + 1, name: `item ${index + 1}` })),
    )
    expect(rowsOf(reader.events, 'public.orders')).toHaveLength(2500)
    // none above the limit, and all but the last of them full
    const sizes = reader.batches.slice(1).map((batch) => batch.events.length)
    expect(Math.max(...sizes)).toBe(300)
    expect(sizes.slice(0, -1).every((size) => size === 300)).toBe(true)
  })

  test('reads all tables at one LSN, which is where the stream begins', async () => {
    await using source = await Source.make(
      server,
      Array.from(
        { length: 5 },
        (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY); INSERT INTO t${i} VALUES (1);`,
      ).join('\n'),
    )
    const reader = source.follow({ maxBatchRows: 2 })
    await reader.untilCopied()

    const lsns = new Set(reader.events.map(({ lsn }) => formatLsn(lsn)))
    expect([...lsns]).toEqual([reader.stored.consistentPoint])
    const listed = reader.batches.flatMap(({ position }) => position.tables?.copying ?? [])
    expect(new Set(listed.map(({ at }) => at))).toEqual(lsns)
  })

  test('says of each table what comes, and at its end how many rows came', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE measured (id int PRIMARY KEY, pad text);
      CREATE TABLE unmeasured (id int PRIMARY KEY);
      INSERT INTO measured SELECT i, repeat('x', 100) FROM generate_series(1, 500) i;
      INSERT INTO unmeasured VALUES (1);`,
    )
    await source.write('ANALYZE measured')
    const reader = source.follow()
    await reader.untilCopied()

    const size = Number(await source.value("SELECT pg_table_size('measured')"))
    const oid = Number(await source.value("SELECT 'measured'::regclass::oid"))
    const measured = eventsOf(reader.events, 'public.measured').filter((event) => event.kind !== 'snapshot')
    expect(measured).toMatchObject([
      {
        kind: 'relation',
        change: null,
        tx: undefined,
        relation: {
          oid,
          schema: 'public',
          name: 'measured',
          replicaIdentity: 'default',
          columns: [
            { name: 'id', type: 'int4', typeOid: 23, typmod: -1, key: true },
            { name: 'pad', type: 'text', typeOid: 25, typmod: -1, key: false },
          ],
        },
      },
      { kind: 'snapshot-begin', mode: 'initial', estimatedRows: 500, estimatedBytes: size },
      { kind: 'snapshot-end', rows: 500 },
    ])
    const unmeasured = eventsOf(reader.events, 'public.unmeasured')
    expect(unmeasured[1]).toMatchObject({ kind: 'snapshot-begin', estimatedRows: -1 })
    expect(unmeasured.at(-1)).toMatchObject({ kind: 'snapshot-end', rows: 1 })
  })

  test('tells in its positions and its status how far it has come', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY);
      CREATE TABLE b (id int PRIMARY KEY);
      INSERT INTO a SELECT generate_series(1, 30);
      INSERT INTO b SELECT generate_series(1, 30);`,
    )
    const reader = source.follow({ maxBatchRows: 10 })
    expect(reader.feed.status().state).toBe('waiting')
    await reader.until('some rows of b', ({ events }) => rowsOf(events, 'public.b').length > 0)

    const rowsOfB = rowsOf(reader.events, 'public.b').length
    const { tables, copied, consistentPoint: at } = reader.stored
    expect(tables?.copying).toMatchObject([{ schema: 'public', name: 'b', at, rows: rowsOfB }])
    expect(readCopiedTables(tables?.done ?? '')).toMatchObject([{ schema: 'public', name: 'a' }])
    expect(copied).toBe(1 + 30 + 1 + 1 + rowsOfB)
    expect(reader.feed.status()).toMatchObject({
      state: 'snapshot',
      snapshot: { tables: 2, tablesDone: 1, rows: 30 + rowsOfB, copying: [{ table: 'public.b', rows: rowsOfB }] },
    })
    await reader.untilCopied()
  })

  test('of empty tables, tables without a key, and tables without columns has exactly what is there', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE empty (id int PRIMARY KEY);
      CREATE TABLE keyless (a int, b text);
      CREATE TABLE columnless ();
      INSERT INTO keyless VALUES (1, 'same'), (1, 'same'), (NULL, NULL);
      INSERT INTO columnless DEFAULT VALUES;
      INSERT INTO columnless DEFAULT VALUES;`,
    )
    const reader = source.follow()
    await reader.untilCopied()

    const kinds = (table: string) => eventsOf(reader.events, table).map(({ kind }) => kind)
    expect(kinds('public.empty')).toEqual(['relation', 'snapshot-begin', 'snapshot-end'])
    expect(rowsOf(reader.events, 'public.keyless')).toEqual([
      { a: 1, b: 'same' },
      { a: 1, b: 'same' },
      { a: null, b: null },
    ])
    expect(rowsOf(reader.events, 'public.columnless')).toEqual([{}, {}])

    await source.write('INSERT INTO keyless VALUES (2, NULL)', 'INSERT INTO columnless DEFAULT VALUES')
    const changes = await reader.untilMark(await source.mark())
    const inserts = changes.filter((event) => event.kind === 'insert')
    expect(inserts.map((event) => event.new)).toEqual([{ a: 2, b: null }, {}])
  })

  test('of names that need quotes or are not ASCII loses no letter', async () => {
    await using source = await Source.make(
      server,
      `CREATE SCHEMA "Größe""s";
      CREATE TABLE "Größe""s"."tab.le, with 'all'" ("Id" int PRIMARY KEY, "spalte ü" text, "__proto__" int, "a\\b" int, "日本" int);
      INSERT INTO "Größe""s"."tab.le, with 'all'" VALUES (1, 'x', 2, 3, 4);`,
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write(`UPDATE "Größe""s"."tab.le, with 'all'" SET "日本" = 5`)
    const changes = await reader.untilMark(await source.mark())

    const table = `Größe"s.tab.le, with 'all'`
    const row = JSON.parse('{"Id": 1, "spalte ü": "x", "__proto__": 2, "a\\\\b": 3, "日本": 4}')
    expect(rowsOf(reader.events, table)).toEqual([row])
    expect(changes).toMatchObject([{ kind: 'begin' }, { kind: 'update', table }, { kind: 'commit' }])
    const update = changes.find((event) => event.kind === 'update')
    expect(Object.entries(update?.new ?? {})).toEqual([
      ['Id', 1],
      ['spalte ü', 'x'],
      ['__proto__', 2],
      ['a\\b', 3],
      ['日本', 5],
    ])
  })

  test('of a database whose name is anything', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)', {
      name: `Größe "of" it's \\ ${Math.random().toString(36).slice(2)} %2F`,
    })
    const reader = source.follow()
    expect(rowsOf(await reader.untilCopied(), 'public.t')).toEqual([{ id: 1 }])
    expect(reader.stored.database).toBe(await source.value('SELECT current_database()'))
  })

  test('has all of as many columns as a table can have, and so has the stream', async () => {
    const columns = Array.from({ length: 1600 }, (_, i) => `c${i}`)
    await using source = await Source.make(
      server,
      `CREATE TABLE wide (${columns.map((name) => `${name} int2`).join(', ')}, PRIMARY KEY (c0));
      INSERT INTO wide VALUES (${columns.map((_, i) => i).join(', ')});`,
    )
    const reader = source.follow()
    const copied = rowsOf(await reader.untilCopied(), 'public.wide')
    await source.write('ALTER TABLE wide DROP COLUMN c7', 'UPDATE wide SET c1 = 0')
    const changes = await reader.untilMark(await source.mark())
    const all = Object.fromEntries(columns.map((name, i) => [name, i]))
    expect(copied).toEqual([all])
    const { c7: _, ...rest } = all
    expect(changes).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation', change: { dropped: [{ name: 'c7' }], added: [], renamed: [], retyped: [] } },
      { kind: 'update', new: { ...rest, c1: 0 } },
      { kind: 'commit' },
    ])
  })

  test('leaves dropped columns out and keeps the order of the rest', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (gone1 int, id int PRIMARY KEY, gone2 text, name text);
      INSERT INTO t VALUES (1, 2, 'three', 'four');
      ALTER TABLE t DROP COLUMN gone1, DROP COLUMN gone2, ADD COLUMN added int DEFAULT 7;`,
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write('UPDATE t SET added = 8')
    const changes = await reader.untilMark(await source.mark())

    expect(rowsOf(reader.events, 'public.t')).toEqual([{ id: 2, name: 'four', added: 7 }])
    expect(changes[1]).toMatchObject({ kind: 'update', new: { id: 2, name: 'four', added: 8 } })
  })

  test('of a publication without tables is over at once, and the stream goes on', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)', { publication: '' })
    const reader = source.follow()
    await reader.untilCopied()
    expect(reader.events).toEqual([])
    expect(reader.batches).toHaveLength(2)

    await source.write('INSERT INTO t VALUES (1)')
    expect(await reader.untilMark(await source.mark())).toEqual([])
  })

  test('takes only ordinary tables: no views, no foreign, unlogged or temporary ones, and no sequence', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id serial PRIMARY KEY);
      CREATE VIEW v AS SELECT * FROM t;
      CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
      CREATE UNLOGGED TABLE u (id int);
      CREATE TEMPORARY TABLE tt (id int);`,
    )
    const reader = source.follow()
    await reader.untilCopied()
    const begun = reader.events.flatMap((event) => (event.kind === 'snapshot-begin' ? [event.table] : []))
    expect(begun).toEqual(['public.t'])
  })

  test('of a table that others inherit from has its own rows only, as the stream has', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
      INSERT INTO parent VALUES (1);
      INSERT INTO child VALUES (2);`,
      { publication: 'FOR TABLE ONLY parent' },
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write('INSERT INTO child VALUES (3)', 'INSERT INTO parent VALUES (4)')
    const changes = await reader.untilMark(await source.mark())

    expect(rowsOf(reader.events, 'public.parent')).toEqual([{ id: 1 }])
    expect(rowsOf(reader.events, 'public.child')).toEqual([])
    expect(changes.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))).toEqual([{ id: 4 }])
  })

  test('is left out where it is not wanted: a feed can begin with the changes', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);')
    const reader = await source.followChanges()
    await source.write('INSERT INTO t VALUES (2)')
    const changes = await reader.untilMark(await source.mark())

    expect(reader.batches.slice(0, 2)).toMatchObject([
      { events: [], position: { phase: 'new' } },
      { events: [], position: { phase: 'stream' } },
    ])
    expect(changes).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation', change: null },
      { kind: 'insert', new: { id: 2 } },
      { kind: 'commit' },
    ])
  })

  test('can be all that is wanted: it ends by itself and leaves no slot behind', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100);',
    )
    const slots = () => source.value('SELECT count(*) FROM pg_replication_slots WHERE database = current_database()')
    const reader = source.follow({ snapshot: 'only', slot: undefined, maxBatchRows: 30 })
    await reader.until('the copy to have begun', ({ position }) => position?.phase === 'snapshot')
    expect(await source.rows('SELECT * FROM pg_replication_slots WHERE database = current_database()')).toMatchObject([
      { temporary: 't', slot_name: reader.stored.slot },
    ])
    await reader.untilEnd()

    expect(rowsOf(reader.events, 'public.t')).toHaveLength(100)
    expect(reader.position?.phase).toBe('stream')
    // it goes with the server's process, which ends when it notices that the connection did
    await waitUntil('the slot to be gone', async () => (await slots()) === '0')
  })

  test('alone, with a slot that has a name, leaves the slot to be followed from the snapshot on', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3);',
    )
    const copy = await source.follow({ snapshot: 'only' }).untilEnd()
    await source.write('INSERT INTO t VALUES (4)')

    const changes = source.follow({ start: copy.stored })
    expect(await changes.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation' },
      { kind: 'insert', new: { id: 4 } },
      { kind: 'commit' },
    ])
  })
})
