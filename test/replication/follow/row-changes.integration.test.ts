import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

/** What row events say of their rows, without where and when. */
function rowChanges(events: readonly Event[]): unknown[] {
  return events.flatMap((event): unknown[] => {
    switch (event.kind) {
      case 'insert':
        return [{ kind: event.kind, new: event.new }]
      case 'update':
        return [{ kind: event.kind, key: event.key, old: event.old, new: event.new, unchanged: event.unchanged }]
      case 'delete':
        return [{ kind: event.kind, key: event.key, old: event.old }]
      default:
        return []
    }
  })
}

const statements = [
  "INSERT INTO t VALUES (1, 'a', 'one')",
  "UPDATE t SET v = 'two' WHERE id = 1",
  "UPDATE t SET id = 2, v = 'three' WHERE id = 1",
  "UPDATE t SET other = 'b' WHERE id = 2",
  'UPDATE t SET v = v WHERE id = 2',
  'DELETE FROM t WHERE id = 2',
]
const nothing = undefined

describe.each(testVersions())('changes of rows, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  async function changesUnder(identity: string): Promise<unknown[]> {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id int PRIMARY KEY, other text NOT NULL, v text); CREATE UNIQUE INDEX t_other ON t (other);
      ALTER TABLE t REPLICA IDENTITY ${identity};`,
    )
    const reader = await source.followChanges()
    await source.write(...statements)
    return rowChanges(await reader.untilMark(await source.mark()))
  }

  test('under identity default have the old key where it changed, and of a deleted row the key alone', async () => {
    expect(await changesUnder('DEFAULT')).toStrictEqual([
      { kind: 'insert', new: { id: 1, other: 'a', v: 'one' } },
      { kind: 'update', key: nothing, old: nothing, new: { id: 1, other: 'a', v: 'two' }, unchanged: nothing },
      { kind: 'update', key: { id: 1 }, old: nothing, new: { id: 2, other: 'a', v: 'three' }, unchanged: nothing },
      { kind: 'update', key: nothing, old: nothing, new: { id: 2, other: 'b', v: 'three' }, unchanged: nothing },
      { kind: 'update', key: nothing, old: nothing, new: { id: 2, other: 'b', v: 'three' }, unchanged: nothing },
      { kind: 'delete', key: { id: 2 }, old: nothing },
    ])
  })

  test('under the identity of an index have the old values of its columns', async () => {
    expect(await changesUnder('USING INDEX t_other')).toStrictEqual([
      { kind: 'insert', new: { id: 1, other: 'a', v: 'one' } },
      { kind: 'update', key: nothing, old: nothing, new: { id: 1, other: 'a', v: 'two' }, unchanged: nothing },
      { kind: 'update', key: nothing, old: nothing, new: { id: 2, other: 'a', v: 'three' }, unchanged: nothing },
      { kind: 'update', key: { other: 'a' }, old: nothing, new: { id: 2, other: 'b', v: 'three' }, unchanged: nothing },
      { kind: 'update', key: nothing, old: nothing, new: { id: 2, other: 'b', v: 'three' }, unchanged: nothing },
      { kind: 'delete', key: { other: 'b' }, old: nothing },
    ])
  })

  test('under identity full have the whole old row', async () => {
    const row = (id: number, other: string, v: string) => ({ id, other, v })
    expect(await changesUnder('FULL')).toStrictEqual([
      { kind: 'insert', new: row(1, 'a', 'one') },
      { kind: 'update', key: nothing, old: row(1, 'a', 'one'), new: row(1, 'a', 'two'), unchanged: nothing },
      { kind: 'update', key: nothing, old: row(1, 'a', 'two'), new: row(2, 'a', 'three'), unchanged: nothing },
      { kind: 'update', key: nothing, old: row(2, 'a', 'three'), new: row(2, 'b', 'three'), unchanged: nothing },
      { kind: 'update', key: nothing, old: row(2, 'b', 'three'), new: row(2, 'b', 'three'), unchanged: nothing },
      { kind: 'delete', key: nothing, old: row(2, 'b', 'three') },
    ])
  })

  test('under identity nothing are inserts: the server refuses the rest where they are published', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY NOTHING; INSERT INTO t VALUES (0);',
    )
    const reader = source.follow()
    await reader.untilCopied()
    await source.write('INSERT INTO t VALUES (1)')
    await expect(source.write('DELETE FROM t')).rejects.toThrow('does not have a replica identity')
    const changes = await reader.untilMark(await source.mark())
    expect(rowChanges(changes)).toEqual([{ kind: 'insert', new: { id: 1 } }])
  })

  test('of a row with NULLs tell a NULL from a column beside the key, which is not there at all', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE keyed (id int PRIMARY KEY, v text);
      CREATE TABLE whole (id int, v text);
      ALTER TABLE whole REPLICA IDENTITY FULL;`,
    )
    const reader = await source.followChanges()
    await source.write(
      "INSERT INTO keyed VALUES (1, 'x')",
      'UPDATE keyed SET id = 2',
      'DELETE FROM keyed',
      'INSERT INTO whole VALUES (NULL, NULL)',
      "UPDATE whole SET v = 'x'",
      'DELETE FROM whole',
    )
    expect(rowChanges(await reader.untilMark(await source.mark()))).toStrictEqual([
      { kind: 'insert', new: { id: 1, v: 'x' } },
      { kind: 'update', key: { id: 1 }, old: nothing, new: { id: 2, v: 'x' }, unchanged: nothing },
      { kind: 'delete', key: { id: 2 }, old: nothing },
      { kind: 'insert', new: { id: null, v: null } },
      { kind: 'update', key: nothing, old: { id: null, v: null }, new: { id: null, v: 'x' }, unchanged: nothing },
      { kind: 'delete', key: nothing, old: { id: null, v: 'x' } },
    ])
  })

  test('of one row in rapid succession come one by one, in order', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, n int)')
    const reader = await source.followChanges()
    const rounds = 50
    for (let round = 0; round < rounds; round++) {
      await source.write('INSERT INTO t VALUES (1, 0)', 'UPDATE t SET n = n + 1', 'DELETE FROM t')
      await source.writeTogether('INSERT INTO t VALUES (1, 0)', 'UPDATE t SET n = n + 1', 'DELETE FROM t')
    }
    const changes = await reader.untilMark(await source.mark())
    const kinds = changes.flatMap((event) => ('seq' in event ? [`${event.kind} ${event.seq}`] : []))
    const once = ['insert 0', 'update 0', 'delete 0', 'insert 0', 'update 1', 'delete 2']
    expect(kinds).toEqual(Array.from({ length: rounds }, () => once).flat())
    expect(new Replica().apply(changes).rows('public.t')).toEqual([])
  })

  describe('with values that are stored out of line', () => {
    const body = 'x'.repeat(9_000)
    const setup = `CREATE TABLE t (id int PRIMARY KEY, v text, body text);
      ALTER TABLE t ALTER COLUMN body SET STORAGE EXTERNAL;
      INSERT INTO t VALUES (1, 'one', repeat('x', 9000));`

    test('that did not change, name their columns and say nothing else of them', async () => {
      await using source = await Source.make(server, setup)
      const reader = await source.followChanges()
      await source.write("UPDATE t SET v = 'two'", 'UPDATE t SET body = NULL', "UPDATE t SET body = repeat('y', 9000)")
      expect(rowChanges(await reader.untilMark(await source.mark()))).toStrictEqual([
        { kind: 'update', key: nothing, old: nothing, new: { id: 1, v: 'two' }, unchanged: ['body'] },
        { kind: 'update', key: nothing, old: nothing, new: { id: 1, v: 'two', body: null }, unchanged: nothing },
        {
          kind: 'update',
          key: nothing,
          old: nothing,
          new: { id: 1, v: 'two', body: 'y'.repeat(9_000) },
          unchanged: nothing,
        },
      ])
    })

    test('that did not change, have no value anywhere where the key changed', async () => {
      await using source = await Source.make(server, setup)
      const reader = await source.followChanges()
      await source.write("UPDATE t SET id = 2, v = 'two'")
      expect(rowChanges(await reader.untilMark(await source.mark()))).toStrictEqual([
        { kind: 'update', key: { id: 1 }, old: nothing, new: { id: 2, v: 'two' }, unchanged: ['body'] },
      ])
    })

    test('that did not change, are taken from the old row under identity full, in the place of their column', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (body text, id int, v text);
        ALTER TABLE t ALTER COLUMN body SET STORAGE EXTERNAL;
        ALTER TABLE t REPLICA IDENTITY FULL;
        INSERT INTO t VALUES (repeat('x', 9000), 1, 'one');`,
      )
      const reader = await source.followChanges()
      await source.write("UPDATE t SET v = 'two'")
      const changes = await reader.untilMark(await source.mark())
      expect(rowChanges(changes)).toStrictEqual([
        {
          kind: 'update',
          key: nothing,
          old: { body, id: 1, v: 'one' },
          new: { body, id: 1, v: 'two' },
          unchanged: nothing,
        },
      ])
      const update = changes.find((event) => event.kind === 'update')
      expect(Object.keys(update?.new ?? {})).toEqual(['body', 'id', 'v'])
    })

    test('in the key itself, are taken from the key', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id text NOT NULL, v text);
        ALTER TABLE t ALTER COLUMN id SET STORAGE EXTERNAL;
        CREATE UNIQUE INDEX t_id ON t (id);
        ALTER TABLE t REPLICA IDENTITY USING INDEX t_id;
        INSERT INTO t VALUES (repeat('k', 2500), 'one');`,
      )
      const reader = await source.followChanges()
      await source.write("UPDATE t SET v = 'two'", 'DELETE FROM t')
      const id = 'k'.repeat(2_500)
      expect(rowChanges(await reader.untilMark(await source.mark()))).toStrictEqual([
        { kind: 'update', key: { id }, old: nothing, new: { id, v: 'two' }, unchanged: nothing },
        { kind: 'delete', key: { id }, old: nothing },
      ])
    })

    test('that are compressed and large, come whole', async () => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, body text)')
      const reader = await source.followChanges()
      await source.write("INSERT INTO t SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 100000) i")
      const changes = await reader.untilMark(await source.mark())
      const insert = changes.find((event) => event.kind === 'insert')
      expect(String(insert?.new.body)).toHaveLength(3_200_000)
      expect(await source.value(`SELECT md5(body) = md5('${insert?.new.body}') FROM t`)).toBe('t')
    })
  })

  describe('that empty tables', () => {
    const setup = `CREATE TABLE a (id serial PRIMARY KEY);
      CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
      CREATE TABLE c (id int PRIMARY KEY);
      INSERT INTO c VALUES (1);`
    const truncatesOf = (events: readonly Event[]) =>
      events.flatMap((event) =>
        event.kind === 'truncate'
          ? [{ ...event, relation: undefined, tables: event.relations.map(({ table }) => table).sort() }]
          : [],
      )

    test('name all of them at once, with what was asked for', async () => {
      await using source = await Source.make(server, setup)
      const reader = await source.followChanges()
      await source.write(
        'TRUNCATE c',
        'TRUNCATE a, b, c',
        'TRUNCATE a CASCADE',
        'TRUNCATE c RESTART IDENTITY',
        'TRUNCATE a RESTART IDENTITY CASCADE',
      )
      const changes = await reader.untilMark(await source.mark())
      expect(truncatesOf(changes)).toMatchObject([
        { tables: ['public.c'], cascade: false, restartIdentity: false, seq: 0 },
        { tables: ['public.a', 'public.b', 'public.c'], cascade: false, restartIdentity: false },
        { tables: ['public.a', 'public.b'], cascade: true, restartIdentity: false },
        { tables: ['public.c'], cascade: false, restartIdentity: true },
        { tables: ['public.a', 'public.b'], cascade: true, restartIdentity: true },
      ])
      // each table was announced when it was first named, and never again
      const announced = changes.flatMap((event) => (event.kind === 'relation' ? [event.table] : []))
      expect(announced.sort()).toEqual(['public.a', 'public.b', 'public.c'])
    })

    test('stand among the other changes of their transaction, and count as one', async () => {
      await using source = await Source.make(server, setup)
      const reader = source.follow()
      await reader.untilCopied()
      await source.writeTogether('INSERT INTO c VALUES (2)', 'TRUNCATE c, b', 'INSERT INTO c VALUES (3)')
      const changes = await reader.untilMark(await source.mark())
      expect(changes.flatMap((event) => ('seq' in event ? [[event.kind, event.seq]] : []))).toEqual([
        ['insert', 0],
        ['truncate', 1],
        ['insert', 2],
      ])
      expect(new Replica().apply(reader.events).rows('public.c')).toEqual([{ id: 3 }])
    })
  })
})
