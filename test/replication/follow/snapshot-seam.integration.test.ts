import { beforeAll, describe, expect, test } from 'vitest'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'
import { workloadTableNames, workloadTables, writeAtRandom } from './helpers/workload.ts'

/** Rows of a table, in an order that does not depend on where they came from. */
function inOrder(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

describe.each(testVersions())('the seam between snapshot and stream, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('loses nothing and repeats nothing while other sessions write all the time', async () => {
    await using source = await Source.make(server, workloadTables)
    await writeAtRandom(source.sql, { seed: 1, goOn: (count) => count < 300 })

    let writing = true
    const writers = [2, 3, 4].map((seed) => writeAtRandom(source.session(), { seed, goOn: () => writing }))
    const reader = source.follow({ values: 'text', maxBatchRows: 100 })
    await reader.untilCopied(30_000)
    const lsnAfterCopy = BigInt(await source.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
    await reader.until('transactions from behind the copy', ({ events }) =>
      events.some((event) => event.kind === 'commit' && event.lsn > lsnAfterCopy),
    )
    writing = false
    await Promise.all(writers)
    await reader.untilMark(await source.mark())

    // it was a seam: rows on this side, and transactions on that side from while the copy went on
    const whileCopying = reader.events.filter((event) => event.kind === 'commit' && event.lsn < lsnAfterCopy)
    expect(whileCopying.length).toBeGreaterThan(0)
    const replica = new Replica().apply(reader.events)
    for (const table of workloadTableNames) {
      const copied = reader.events.filter((event) => event.kind === 'snapshot' && event.table === `public.${table}`)
      expect(copied.length, table).toBeGreaterThan(0)
      expect(inOrder(replica.rows(`public.${table}`)), table).toEqual(inOrder(await source.rows(`TABLE ${table}`)))
    }
  })

  test('is crossed by a transaction that began before the slot and committed after the copy', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);')
    // Without an xid, which it gets by its first write: the slot waits only for those that have one.
    const early = source.session()
    await early.unsafe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t').simple()
    const reader = source.follow()
    await reader.untilCopied()
    await early.unsafe('INSERT INTO t VALUES (2); COMMIT').simple()
    const changes = await reader.untilMark(await source.mark())

    expect(reader.events.filter(({ kind }) => kind === 'snapshot')).toMatchObject([{ new: { id: 1 } }])
    expect(changes).toMatchObject([{ kind: 'begin' }, { kind: 'insert', new: { id: 2 } }, { kind: 'commit' }])
  })

  test('a row that was copied and then changed comes both ways, since only the copy has its unchanged values', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id int PRIMARY KEY, n int, body text);
      ALTER TABLE t ALTER COLUMN body SET STORAGE EXTERNAL;
      INSERT INTO t VALUES (1, 0, repeat('x', 9000));`,
    )
    const reader = source.follow()
    await reader.until('the copy to be over', ({ position }) => position?.phase === 'stream')
    await source.write('UPDATE t SET n = 1')
    await reader.untilMark(await source.mark())

    const rows = reader.events.filter(({ kind }) => kind === 'snapshot' || kind === 'update')
    expect(rows).toMatchObject([
      { kind: 'snapshot', new: { id: 1, n: 0, body: 'x'.repeat(9000) } },
      { kind: 'update', new: { id: 1, n: 1 }, unchanged: ['body'] },
    ])
    expect(new Replica().apply(reader.events).rows('public.t')).toEqual([{ id: 1, n: 1, body: 'x'.repeat(9000) }])
  })

  test('several feeds over one publication, begun at different times, end with the same tables', async () => {
    await using source = await Source.make(server, workloadTables)
    let writing = true
    const writers = [5, 6].map((seed) => writeAtRandom(source.session(), { seed, goOn: () => writing }))
    const readers = []
    for (const name of ['a', 'b', 'c']) {
      const reader = source.follow({ values: 'text', slot: `${source.slot}_${name}` })
      await reader.until('the slot to be made', ({ batches }) => batches.length === 2)
      readers.push(reader)
    }
    writing = false
    await Promise.all(writers)
    const mark = await source.mark()
    for (const reader of readers) await reader.untilMark(mark)

    for (const table of workloadTableNames) {
      const expected = inOrder(await source.rows(`TABLE ${table}`))
      for (const reader of readers) {
        const replica = new Replica().apply(reader.events)
        expect(inOrder(replica.rows(`public.${table}`)), table).toEqual(expected)
      }
    }
  })
})
