import { beforeAll, describe, expect, test } from 'vitest'
import type { Event, RelationChange } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const noChange: RelationChange = {
  added: [],
  dropped: [],
  renamed: [],
  retyped: [],
  identity: undefined,
  table: undefined,
}

function schemaChanges(events: readonly Event[]): (RelationChange | null)[] {
  return events.flatMap((event) => (event.kind === 'relation' ? [event.change] : []))
}

function newRows(events: readonly Event[]): unknown[] {
  return events.flatMap((event) => (event.kind === 'insert' || event.kind === 'update' ? [event.new] : []))
}

const column = (name: string, type: string) => expect.objectContaining({ name, type })

describe.each(testVersions())('a table that changes while it is followed, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** A table with one row, copied; and the feed that goes on from there. */
  async function copied(source: Source): Promise<FeedReader> {
    const reader = source.follow()
    await reader.untilCopied()
    return reader
  }
  const table = "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 10, 'x');"

  test('gets a column: it is announced before the next row, which has it', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('ALTER TABLE t ADD COLUMN c bool', "INSERT INTO t VALUES (2, 20, 'y', true)")
    const changes = await reader.untilMark(await source.mark())
    expect(changes.map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert', 'commit'])
    expect(schemaChanges(changes)).toEqual([{ ...noChange, added: [column('c', 'bool')] }])
    expect(newRows(changes)).toEqual([{ id: 2, a: 20, b: 'y', c: true }])
  })

  test('loses a column', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('ALTER TABLE t DROP COLUMN a', "INSERT INTO t VALUES (2, 'y')")
    const changes = await reader.untilMark(await source.mark())
    expect(schemaChanges(changes)).toEqual([{ ...noChange, dropped: [column('a', 'int4')] }])
    expect(newRows(changes)).toEqual([{ id: 2, b: 'y' }])
  })

  test('has a column renamed', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('ALTER TABLE t RENAME COLUMN a TO "A new"', "INSERT INTO t VALUES (2, 20, 'y')")
    const changes = await reader.untilMark(await source.mark())
    expect(schemaChanges(changes)).toEqual([{ ...noChange, renamed: [{ from: 'a', to: 'A new' }] }])
    expect(newRows(changes)).toEqual([{ id: 2, 'A new': 20, b: 'y' }])
  })

  test('has its column replaced by another that takes its name, as to widen a key', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY, v text, id_new bigint NOT NULL, w text, UNIQUE (id_new))',
    )
    const reader = await copied(source)
    await source.writeTogether(
      'ALTER TABLE t DROP CONSTRAINT t_pkey',
      'ALTER TABLE t RENAME COLUMN id TO id_old',
      'ALTER TABLE t RENAME COLUMN id_new TO id',
      'ALTER TABLE t ADD PRIMARY KEY (id)',
    )
    await source.write("INSERT INTO t VALUES (1, 'x', 5000000000, 'y')")
    const changes = await reader.untilMark(await source.mark())
    const renamed = [
      { from: 'id', to: 'id_old' },
      { from: 'id_new', to: 'id' },
    ]
    const [change] = schemaChanges(changes)
    expect(change).toMatchObject({ added: [], dropped: [], renamed, retyped: [] })
    expect(newRows(changes)).toEqual([{ id_old: 1, v: 'x', id: 5_000_000_000n, w: 'y' }])
  })

  test('has two columns swap their names', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, a int, b text)')
    const reader = await copied(source)
    await source.writeTogether(
      'ALTER TABLE t RENAME COLUMN a TO c',
      'ALTER TABLE t RENAME COLUMN b TO a',
      'ALTER TABLE t RENAME COLUMN c TO b',
    )
    await source.write("INSERT INTO t VALUES (2, 20, 'y')")
    const changes = await reader.untilMark(await source.mark())
    const renamed = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'a' },
    ]
    expect(schemaChanges(changes)).toEqual([{ ...noChange, renamed }])
    expect(newRows(changes)).toEqual([{ id: 2, b: 20, a: 'y' }])
  })

  test('loses a column and gets one of that name at its end', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('ALTER TABLE t DROP COLUMN a, ADD COLUMN a int', "INSERT INTO t VALUES (2, 'y', 20)")
    const changes = await reader.untilMark(await source.mark())
    const a = column('a', 'int4')
    expect(schemaChanges(changes)).toEqual([{ ...noChange, dropped: [a], added: [a] }])
    expect(newRows(changes)).toEqual([{ id: 2, b: 'y', a: 20 }])
  })

  test('has a column retyped: rows before and after are read by what they were then', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write(
      'UPDATE t SET a = 11',
      'ALTER TABLE t ALTER COLUMN a TYPE bigint',
      'UPDATE t SET a = 12',
      'ALTER TABLE t ALTER COLUMN a TYPE varchar(5)',
      'UPDATE t SET a = 13',
      'ALTER TABLE t ALTER COLUMN a TYPE varchar(9)',
      'UPDATE t SET a = 14',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(schemaChanges(changes)).toMatchObject([
      { ...noChange, retyped: [{ column: 'a', from: { type: 'int4' }, to: { type: 'int8' } }] },
      { ...noChange, retyped: [{ column: 'a', from: { type: 'int8' }, to: { type: 'varchar', typmod: 9 } }] },
      { ...noChange, retyped: [{ column: 'a', from: { typmod: 9 }, to: { type: 'varchar', typmod: 13 } }] },
    ])
    expect(newRows(changes)).toEqual([
      { id: 1, a: 11, b: 'x' },
      { id: 1, a: 12n, b: 'x' },
      { id: 1, a: '13', b: 'x' },
      { id: 1, a: '14', b: 'x' },
    ])
  })

  test('gets another identity, by ALTER TABLE or by losing its key', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write(
      'ALTER TABLE t REPLICA IDENTITY FULL',
      'UPDATE t SET a = 11',
      'ALTER TABLE t REPLICA IDENTITY DEFAULT',
      'UPDATE t SET a = 12',
      'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, a)',
      'UPDATE t SET a = 13',
      'ALTER TABLE t DROP CONSTRAINT t_pkey',
      "INSERT INTO t VALUES (2, 20, 'y')",
    )
    const changes = await reader.untilMark(await source.mark())
    const keyed = (...key: string[]) => ({ replicaIdentity: 'default', key })
    const full = { replicaIdentity: 'full', key: ['id', 'a', 'b'] }
    expect(schemaChanges(changes)).toEqual([
      { ...noChange, identity: { from: keyed('id'), to: full } },
      { ...noChange, identity: { from: full, to: keyed('id') } },
      { ...noChange, identity: { from: keyed('id'), to: keyed('id', 'a') } },
      { ...noChange, identity: { from: keyed('id', 'a'), to: keyed() } },
    ])
    const updates = changes.flatMap((event) => (event.kind === 'update' ? [[event.key, event.old]] : []))
    expect(updates).toEqual([
      [undefined, { id: 1, a: 10, b: 'x' }],
      [undefined, undefined],
      [{ id: 1, a: 12 }, undefined],
    ])
  })

  test('gets another name, and another schema', async () => {
    await using source = await Source.make(server, `${table} CREATE SCHEMA s;`)
    const reader = await copied(source)
    await source.write(
      'ALTER TABLE t RENAME TO u',
      'UPDATE u SET a = 11',
      'ALTER TABLE u SET SCHEMA s',
      'UPDATE s.u SET a = 12',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(schemaChanges(changes)).toEqual([
      { ...noChange, table: { from: 'public.t', to: 'public.u' } },
      { ...noChange, table: { from: 'public.u', to: 's.u' } },
    ])
    const tables = changes.flatMap((event) => (event.kind === 'update' ? [event.table] : []))
    expect(tables).toEqual(['public.u', 's.u'])
  })

  test('changes in the middle of a transaction, so that one table has two schemas in it', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.writeTogether(
      'UPDATE t SET a = 11',
      'ALTER TABLE t RENAME COLUMN a TO n',
      'UPDATE t SET n = 12',
      'ALTER TABLE t ADD COLUMN c int DEFAULT 5',
      'UPDATE t SET n = 13',
      'ALTER TABLE t DROP COLUMN b',
      'INSERT INTO t VALUES (2, 20, 6)',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(changes.map(({ kind }) => kind)).toEqual([
      'begin',
      'update',
      'relation',
      'update',
      'relation',
      'update',
      'relation',
      'insert',
      'commit',
    ])
    expect(newRows(changes)).toEqual([
      { id: 1, a: 11, b: 'x' },
      { id: 1, n: 12, b: 'x' },
      { id: 1, n: 13, b: 'x', c: 5 },
      { id: 2, n: 20, c: 6 },
    ])
    expect(schemaChanges(changes)).toEqual([
      { ...noChange, renamed: [{ from: 'a', to: 'n' }] },
      { ...noChange, added: [column('c', 'int4')] },
      { ...noChange, dropped: [column('b', 'text')] },
    ])
  })

  test('changes in a transaction that is rolled back, and so does not change', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('BEGIN; ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 1; ROLLBACK', 'UPDATE t SET a = 11')
    await source.writeTogether(
      'SAVEPOINT s',
      'ALTER TABLE t ADD COLUMN c int',
      'UPDATE t SET c = 1',
      'ROLLBACK TO s',
      'UPDATE t SET a = 12',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(schemaChanges(changes)).toEqual([])
    expect(newRows(changes)).toEqual([
      { id: 1, a: 11, b: 'x' },
      { id: 1, a: 12, b: 'x' },
    ])
  })

  test('is left as it is by whatever only makes the server describe it again', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write(
      'UPDATE t SET a = 11',
      'ANALYZE t',
      'CREATE INDEX ON t (a)',
      'UPDATE t SET a = 12',
      'COMMENT ON TABLE t IS $$about$$',
      'ALTER TABLE t ALTER COLUMN a SET DEFAULT 7, ALTER COLUMN b SET NOT NULL, ALTER COLUMN b SET STORAGE EXTERNAL',
      'UPDATE t SET a = 13',
      'VACUUM FULL t',
      'UPDATE t SET a = 14',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(newRows(changes)).toHaveLength(4)
    expect(schemaChanges(changes)).toEqual([])
    // still the very object that the copy was announced with
    const relations = new Set(reader.events.flatMap((event) => ('relation' in event ? [event.relation] : [])))
    expect(relations.size).toBe(1)
  })

  test('leaves the events that came before as they were', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write('UPDATE t SET a = 11')
    const before = await reader.untilMark(await source.mark())
    const snapshotOfEvents = structuredClone(before)
    await source.write(
      'ALTER TABLE t DROP COLUMN b',
      'ALTER TABLE t ADD COLUMN b int',
      'CREATE TABLE other (x int PRIMARY KEY)',
      'INSERT INTO other VALUES (1)',
      'UPDATE t SET b = 5',
    )
    await reader.untilMark(await source.mark())
    expect(before).toEqual(snapshotOfEvents)
  })

  test('gets a column whose default is not written into its rows, and later changes of these have it', async () => {
    await using source = await Source.make(
      server,
      `${table} CREATE TABLE f (id int, a int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 10);`,
    )
    const reader = await copied(source)
    await source.write(
      "ALTER TABLE t ADD COLUMN c text DEFAULT 'standard'",
      'UPDATE t SET a = 11',
      "ALTER TABLE f ADD COLUMN c text DEFAULT 'standard'",
      'UPDATE f SET a = 11',
      'DELETE FROM f',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(newRows(changes)).toEqual([
      { id: 1, a: 11, b: 'x', c: 'standard' },
      { id: 1, a: 11, c: 'standard' },
    ])
    const old = changes.flatMap((event) => (event.kind === 'update' || event.kind === 'delete' ? [event.old] : []))
    expect(old.slice(1)).toEqual([
      { id: 1, a: 10, c: 'standard' },
      { id: 1, a: 11, c: 'standard' },
    ])
  })

  test('is dropped and made anew: another table of the same name', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.write(
      'UPDATE t SET a = 11',
      'DROP TABLE t',
      'CREATE TABLE t (id int PRIMARY KEY, other bool)',
      'INSERT INTO t VALUES (1, true)',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(newRows(changes)).toEqual([
      { id: 1, a: 11, b: 'x' },
      { id: 1, other: true },
    ])
    expect(schemaChanges(changes)).toEqual([null])
    const oids = changes.flatMap((event) => ('relation' in event ? [event.relation.oid] : []))
    expect(new Set(oids).size).toBe(2)
  })

  test('is dropped before its last changes are read, which still come', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await reader.close()
    await source.write(
      "CREATE TYPE mood AS ENUM ('sad', 'ok')",
      'ALTER TABLE t ADD COLUMN m mood',
      "UPDATE t SET a = 11, m = 'ok'",
      'DROP TABLE t',
      'DROP TYPE mood',
    )
    const late = source.follow({ start: reader.stored })
    expect(newRows(await late.untilMark(await source.mark()))).toEqual([{ id: 1, a: 11, b: 'x', m: 'ok' }])
  })

  test('is new: it is announced with its first row', async () => {
    await using source = await Source.make(server, table)
    const reader = await copied(source)
    await source.writeTogether('CREATE TABLE made (id int PRIMARY KEY)', 'INSERT INTO made VALUES (1)')
    expect(await reader.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation', table: 'public.made', change: null },
      { kind: 'insert', table: 'public.made', new: { id: 1 } },
      { kind: 'commit' },
    ])
  })

  test('is announced again in each run, once', async () => {
    await using source = await Source.make(server, table)
    const first = await copied(source)
    await first.close()
    await source.write('UPDATE t SET a = 11', 'UPDATE t SET a = 12')
    const second = source.follow({ start: first.stored })
    const changes = await second.untilMark(await source.mark())
    expect(changes.map(({ kind }) => kind)).toEqual([
      'begin',
      'relation',
      'update',
      'commit',
      'begin',
      'update',
      'commit',
    ])
    expect(schemaChanges(changes)).toEqual([null])
  })
})
