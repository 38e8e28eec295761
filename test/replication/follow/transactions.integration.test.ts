import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { formatLsn } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

function insertedIds(events: readonly Event[]): unknown[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))
}

/** Each transaction as the IDs that it inserted. */
function idsByTransaction(events: readonly Event[]): unknown[][] {
  const transactions: unknown[][] = []
  for (const event of events) {
    if (event.kind === 'begin') transactions.push([])
    if (event.kind === 'insert') transactions.at(-1)?.push(event.new.id)
  }
  return transactions
}

describe.each(testVersions())('transactions, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('come with xid, commit LSN, end LSN and commit time, shared by all of their events', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.writeTogether("INSERT INTO t VALUES (1, 'one')", "INSERT INTO t VALUES (2, 'two')")
    const facts = await source.rows('SELECT xmin, extract(epoch FROM now()) * 1000000 AS now FROM t LIMIT 1')
    const changes = await reader.untilMark(await source.mark())

    const [begin, , insert] = changes
    if (begin?.kind !== 'begin' || insert?.kind !== 'insert') throw new Error('begin and insert should come first')
    const { tx } = begin
    expect(changes.every((event) => !('tx' in event) || event.tx === tx)).toBe(true)
    expect(tx.xid).toBe(Number(facts[0]?.xmin))
    expect(tx.origin).toBeUndefined()
    const ageMicros = BigInt(Math.trunc(Number(facts[0]?.now))) - tx.commitTime
    expect(ageMicros).toBeGreaterThanOrEqual(0n)
    expect(ageMicros).toBeLessThan(10_000_000n)
    expect(begin.lsn).toBe(insert.lsn)
    expect(insert.lsn).toBeLessThan(tx.commitLsn)
    expect(tx.endLsn).toBeGreaterThan(tx.commitLsn)
    expect(changes.at(-1)).toMatchObject({ kind: 'commit', lsn: tx.commitLsn, tx })
  })

  test('that follow each other without a byte between, are neither merged nor taken for one another', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    // nothing else writes between them here, so that a commit ends where the next transaction's first change begins
    await source.write(...Array.from({ length: 20 }, (_, i) => `INSERT INTO t VALUES (${i})`))
    const changes = await reader.untilMark(await source.mark())

    expect(idsByTransaction(changes)).toEqual(Array.from({ length: 20 }, (_, i) => [i]))
    const commits = changes.filter((event) => event.kind === 'commit')
    const begins = changes.filter((event) => event.kind === 'begin')
    const touching = begins.filter((begin, index) => begin.lsn === commits[index - 1]?.tx.endLsn)
    expect(touching.length).toBeGreaterThan(0)
  })

  test('of many rows under one LSN, as COPY and multi-row INSERT write them, lose none of them', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    const copy = await source.sql.unsafe('COPY t FROM STDIN').writable()
    copy.end(Array.from({ length: 100 }, (_, i) => `${i + 1000}\tv\n`).join(''))
    await new Promise((resolve, reject) => copy.once('finish', resolve).once('error', reject))
    const changes = await reader.untilMark(await source.mark())

    const copied = changes.filter((event) => event.kind === 'insert' && Number(event.new.id) >= 1000)
    expect(insertedIds(copied)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1000))
    expect(new Set(copied.map(({ lsn }) => lsn)).size).toBeLessThan(100)
    expect(copied.map((event) => ('seq' in event ? event.seq : -1))).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  test('that interleave, come whole and in the order of their commits', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    const early = source.session()
    const late = source.session()
    await early.unsafe('BEGIN; INSERT INTO t VALUES (1)').simple()
    await late.unsafe('BEGIN; INSERT INTO t VALUES (2)').simple()
    await early.unsafe('INSERT INTO t VALUES (3)').simple()
    await source.write('INSERT INTO t VALUES (4)')
    await late.unsafe('INSERT INTO t VALUES (5); COMMIT').simple()
    await early.unsafe('INSERT INTO t VALUES (6); COMMIT').simple()
    const changes = await reader.untilMark(await source.mark())

    expect(idsByTransaction(changes)).toEqual([[4], [2, 5], [1, 3, 6]])
    // the first change of the last transaction is the oldest of all
    const [first, , last] = changes.filter((event) => event.kind === 'begin')
    expect(last?.lsn).toBeLessThan(first?.lsn ?? 0n)
    expect(last?.tx.commitLsn).toBeGreaterThan(first?.tx.commitLsn ?? 0n)
  })

  test('that run for long, hold up nobody and come when they commit, across a restart of the feed', async () => {
    await using source = await Source.make(server, oneTable)
    const first = await source.followChanges()
    const long = source.session()
    await long.unsafe('BEGIN; INSERT INTO t VALUES (1)').simple()
    await source.write('INSERT INTO t VALUES (2)')
    expect(insertedIds(await first.untilMark(await source.mark()))).toEqual([2])
    await first.close()
    await source.write('INSERT INTO t VALUES (3)')

    const second = source.follow({ start: first.stored })
    expect(insertedIds(await second.untilMark(await source.mark()))).toEqual([3])
    await long.unsafe('INSERT INTO t VALUES (4); COMMIT').simple()
    expect(insertedIds(await second.untilMark(await source.mark()))).toEqual([1, 4])
  })

  test('that are rolled back, whole or to a savepoint, leave no trace', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write('BEGIN; INSERT INTO t VALUES (1); ROLLBACK')
    await source.writeTogether(
      'INSERT INTO t VALUES (2)',
      'SAVEPOINT a',
      'INSERT INTO t VALUES (3)',
      'SAVEPOINT b',
      'INSERT INTO t VALUES (4)',
      'RELEASE b',
      'ROLLBACK TO a',
      'INSERT INTO t VALUES (5)',
      'SAVEPOINT c',
      'INSERT INTO t VALUES (6)',
      'RELEASE c',
      'SAVEPOINT d',
      'DELETE FROM t',
      'ROLLBACK TO d',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(idsByTransaction(changes)).toEqual([[2, 5, 6]])
    expect(changes.flatMap((event) => ('seq' in event ? [event.seq] : []))).toEqual([0, 1, 2])
    // the transaction's own id, not that of the savepoint that the row was written in
    const xid = await source.value('SELECT xmin FROM t WHERE id = 2')
    expect(changes[0]).toMatchObject({ kind: 'begin', tx: { xid: Number(xid) } })
  })

  test('with a rolled back savepoint in the middle of 500 rows, deliver the 500', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.writeTogether(
      'INSERT INTO t SELECT generate_series(1, 250)',
      'SAVEPOINT s',
      'INSERT INTO t SELECT generate_series(1001, 2000)',
      'ROLLBACK TO s',
      'INSERT INTO t SELECT generate_series(251, 500)',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(insertedIds(changes)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
  })

  test('that came from elsewhere name their origin, and others do not', async () => {
    await using source = await Source.make(server, oneTable)
    const origin = `origin_${source.slot}`
    const reader = await source.followChanges()
    await source.write(`SELECT pg_replication_origin_create('${origin}')`)
    const replicating = source.session()
    await replicating.unsafe(`SELECT pg_replication_origin_session_setup('${origin}')`)
    await replicating
      .unsafe(
        `BEGIN; SELECT pg_replication_origin_xact_setup('1/2345', '2020-02-02 00:00:00+00');
        INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); COMMIT`,
      )
      .simple()
    await source.write('INSERT INTO t VALUES (3)')
    await replicating.unsafe('BEGIN; INSERT INTO t VALUES (4); COMMIT').simple()
    const changes = await reader.untilMark(await source.mark())

    const origins = changes.flatMap((event) => (event.kind === 'begin' ? [event.tx.origin] : []))
    expect(origins).toEqual([origin, undefined, origin])
    expect(idsByTransaction(changes)).toEqual([[1, 2], [3], [4]])
    // the time of the commit is that of the origin, where it was given
    const [begin] = changes
    const commitMs = begin?.kind === 'begin' ? Number(begin.tx.commitTime / 1000n) : 0
    expect(new Date(commitMs).toISOString()).toBe('2020-02-02T00:00:00.000Z')
    await replicating.unsafe('SELECT pg_replication_origin_session_reset()')
    await source.write(`SELECT pg_replication_origin_drop('${origin}')`)
  })

  test('that are prepared come when they are committed, whole, and not at all where they are rolled back', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    const prepare = (id: number) => `BEGIN; INSERT INTO t VALUES (${id}); PREPARE TRANSACTION '${source.slot}_${id}'`
    await source.write(
      prepare(1),
      prepare(2),
      'INSERT INTO t VALUES (3)',
      `ROLLBACK PREPARED '${source.slot}_2'`,
      `COMMIT PREPARED '${source.slot}_1'`,
    )
    const changes = await reader.untilMark(await source.mark())
    expect(idsByTransaction(changes)).toEqual([[3], [1]])
  })

  test('of 200,000 rows come in parts that count on, and only the last is at a commit', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ maxBatchRows: 10_000, ack: 'never' })
    const rows = 200_000
    await source.write(`INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, ${rows}) i`)
    const before = reader.batches.length
    const changes = await reader.untilMark(await source.mark(), 60_000)

    const batches = reader.batches.slice(before)
    const sizes = batches.map((batch) => batch.events.length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000)
    const inserts = changes.filter((event) => event.kind === 'insert')
    expect(inserts).toHaveLength(rows)
    const wrong = inserts.find(({ seq, new: row }) => row.id !== seq + 1 || row.v !== `row ${seq + 1}`)
    expect(wrong).toBeUndefined()
    expect(changes.filter(({ kind }) => kind === 'begin' || kind === 'commit')).toHaveLength(2)

    const parts = batches.slice(
      0,
      batches.findIndex((batch) => batch.events.some(({ kind }) => kind === 'commit')),
    )
    expect(parts.length).toBeGreaterThanOrEqual(rows / 10_000 - 1)
    const commitLsn = formatLsn(inserts[0]?.tx.commitLsn ?? 0n)
    let delivered = 0
    for (const { events, position, atCommit } of parts) {
      delivered += events.filter(({ kind }) => kind === 'insert').length
      expect(atCommit).toBe(false)
      expect(position.tx).toEqual({ commitLsn, seq: delivered })
      // up to here nothing of the transaction may be forgotten
      expect(position.lsn).toBe(parts[0]?.position.lsn)
    }
    expect(batches.at(-1)?.position.tx).toBeUndefined()
  })

  test('of 200,000 rows go on from any part, with what is left and nothing else', async () => {
    await using source = await Source.make(server, oneTable)
    const first = await source.followChanges({ maxBatchRows: 1_500 })
    await source.write('INSERT INTO t VALUES (0)')
    await source.write('INSERT INTO t SELECT generate_series(1, 200000)')
    const seen: unknown[] = []
    await first.until('the middle of the transaction', ({ position }) => (position?.tx?.seq ?? 0) > 100_000)
    seen.push(...insertedIds(first.events))
    await first.close()

    const second = source.follow({ start: first.stored, maxBatchRows: 999 })
    await second.until('a part of the rest', ({ events }) => insertedIds(events).length > 20_000)
    seen.push(...insertedIds(second.events))
    // begin came in the first run and is not repeated, the table is announced anew
    expect(second.events.find(({ kind }) => kind !== 'insert')).toMatchObject({ kind: 'relation', change: null })
    expect(second.events.filter(({ kind }) => kind === 'begin')).toEqual([])
    await second.close()

    const third = source.follow({ start: second.stored })
    seen.push(...insertedIds(await third.untilMark(await source.mark(), 60_000)))
    expect(seen).toHaveLength(200_001)
    expect(seen.findIndex((id, index) => id !== index)).toBe(-1)
    expect(third.events.filter(({ kind }) => kind === 'commit').length).toBeGreaterThanOrEqual(1)
  })
})

describe.each(testVersions())('logical messages, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })
  const text = (event: Event | undefined) =>
    event?.kind === 'message' ? new TextDecoder().decode(event.content) : undefined

  test('of a transaction count among its changes, and go with it', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.writeTogether(
      "SELECT pg_logical_emit_message(true, 'präfix', 'ein Wört')",
      'INSERT INTO t VALUES (1)',
      "SELECT pg_logical_emit_message(true, '', '')",
    )
    await source.write("BEGIN; SELECT pg_logical_emit_message(true, 'never', 'seen'); ROLLBACK")
    const changes = await reader.untilMark(await source.mark())
    expect(changes).toMatchObject([
      { kind: 'begin' },
      { kind: 'message', prefix: 'präfix', transactional: true, seq: 0 },
      { kind: 'relation' },
      { kind: 'insert', seq: 1 },
      { kind: 'message', prefix: '', transactional: true, seq: 2, content: new Uint8Array(0) },
      { kind: 'commit' },
    ])
    expect(text(changes[1])).toBe('ein Wört')
  })

  test('without a transaction come whether or not the transaction around them does, and have no seq', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write("BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(false, 'n', 'alone'); ROLLBACK")
    await source.write(
      "BEGIN; INSERT INTO t VALUES (2); SELECT pg_logical_emit_message(false, 'n', 'ahead'); INSERT INTO t VALUES (3); COMMIT",
    )
    const changes = await reader.untilMark(await source.mark())
    expect(changes).toMatchObject([
      { kind: 'message', transactional: false, seq: undefined, tx: undefined },
      { kind: 'message', transactional: false, seq: undefined, tx: undefined },
      { kind: 'begin' },
      { kind: 'relation' },
      { kind: 'insert', seq: 0, new: { id: 2 } },
      { kind: 'insert', seq: 1, new: { id: 3 } },
      { kind: 'commit' },
    ])
    expect(changes.slice(0, 2).map(text)).toEqual(['alone', 'ahead'])
  })

  test('without a transaction come once, also when the feed is begun again right behind them', async () => {
    await using source = await Source.make(server, oneTable)
    const seen: (string | undefined)[] = []
    const first = await source.followChanges()
    for (let i = 0; i < 3; i++) {
      // the record of a message ends where that of the next transaction begins
      await source.writeTogether(
        `SELECT pg_logical_emit_message(false, 'n', 'number ${i}')`,
        `INSERT INTO t VALUES (${i})`,
      )
    }
    await first.until('the first message', ({ events }) => events.some(({ kind }) => kind === 'message'))
    seen.push(...first.events.map(text))
    await first.close()
    let start = first.stored
    for (let runs = 0; runs < 10 && !seen.includes('number 2'); runs++) {
      const reader = source.follow({ start, maxBatchRows: 1 })
      await reader.until('something', ({ events }) => events.length > 0)
      seen.push(...reader.events.map(text))
      await reader.close()
      start = reader.stored
    }
    expect(seen.filter((message) => message !== undefined)).toEqual(['number 0', 'number 1', 'number 2'])
  })

  test('hold any bytes', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write("SELECT pg_logical_emit_message(true, 'bytes', '\\x00ff0a5c'::bytea)")
    const changes = await reader.untilMark(await source.mark())
    expect(changes[1]).toMatchObject({ kind: 'message', content: Uint8Array.of(0, 255, 10, 92) })
  })

  test('of megabytes come whole, between rows that are rebuilt as they were', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.writeTogether(
      "INSERT INTO t VALUES (1, 'before')",
      "SELECT pg_logical_emit_message(true, 'large', repeat('x', 5000000))",
      "UPDATE t SET v = 'after'",
    )
    const changes = await reader.untilMark(await source.mark())
    const message = changes.find((event) => event.kind === 'message')
    expect(message?.content.length).toBe(5_000_000)
    expect(new Replica().apply(changes).rows('public.t')).toEqual([{ id: 1, v: 'after' }])
  })
})
