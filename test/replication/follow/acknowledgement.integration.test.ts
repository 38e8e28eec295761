import { beforeAll, describe, expect, test } from 'vitest'
import { type Event, formatLsn, parseLsn, WalwireError } from '../../../src/index.ts'
import { idleIntervalMs } from '../../../src/replication/stream/idle-batch.ts'
import { outerVersions, type SharedServer, sharedServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

function insertedIds(events: readonly Event[]): unknown[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))
}

/** The URI with the timeout that the server then has for this session, and walwire's timers follow. */
function withTimeout(url: string, ms: number): string {
  const uri = new URL(url)
  uri.searchParams.set('options', `-c wal_sender_timeout=${ms}ms`)
  return uri.href.replaceAll('+', '%20')
}

describe.each(outerVersions())('what is acknowledged, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('does not come again: not even the last transaction', async () => {
    await using source = await Source.make(server, oneTable)
    const seen: unknown[] = []
    let reader = await source.followChanges()
    for (let id = 0; id < 5; id++) {
      await source.write(`INSERT INTO t VALUES (${id})`)
      seen.push(...insertedIds(await reader.untilMark(await source.mark())))
      await reader.close()
      // where the server itself stands, which knows nothing but what was acknowledged
      reader = source.follow({ start: 'slot' })
    }
    seen.push(...insertedIds(await reader.untilMark(await source.mark())))
    expect(seen).toEqual([0, 1, 2, 3, 4])
  })

  test.each(['an LSN', 'the slot'])(
    'is not where a feed starts that starts at %s: the slot stays where it is',
    async (start) => {
      await using source = await Source.make(server, oneTable)
      await using tap = await wiretap(source.url)
      const stood = await source.value(
        `SELECT lsn FROM pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`,
      )
      await source.write("INSERT INTO t VALUES (1, 'skipped by who starts too far')")
      const lsn = await source.value('SELECT pg_current_wal_lsn()')
      const reader = source.follow({ start: start === 'the slot' ? 'slot' : lsn, connection: tap.url, ack: 'never' })
      await reader.untilMark(await source.mark())
      expect(reader.feed.status()).toMatchObject({ acknowledged: stood, delivered: reader.stored.lsn })
      await waitUntil('what was received to be told', () => {
        return tap.statusUpdates.some(({ write }) => write >= parseLsn(reader.stored.lsn))
      })
      await reader.abandon()
      for (const { flush } of tap.statusUpdates) expect(formatLsn(flush)).toBe(stood)
      expect(await source.confirmedFlush()).toBe(stood)

      // so a typo is to be undone: nothing is gone
      const again = source.follow({ start: 'slot' })
      const events = await again.untilMark(await source.mark())
      expect(insertedIds(events)).toEqual([1])
      await again.close()
      expect(await source.confirmedFlush()).toBe(again.stored.lsn)
    },
  )

  test('is told to the server as the end of the commit record, not a byte more or less, within milliseconds', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url, ack: 'never' })
    for (let id = 0; id < 3; id++) {
      await source.write(`INSERT INTO t VALUES (${id})`)
      const changes = await reader.untilMark(await source.mark())
      const commit = changes.find((event) => event.kind === 'commit')
      const batch = reader.batches.find(({ events }) => commit !== undefined && events.includes(commit))
      if (commit === undefined || batch === undefined) throw new Error('the commit should have come')
      expect(batch.position.lsn).toBe(formatLsn(lastEnd(batch.events)))
      const askedMs = performance.now()
      reader.ack(batch.position)
      const told = await waitUntil('the status update', () => {
        return tap.statusUpdates.find(({ flush }) => flush === parseLsn(batch.position.lsn))
      })
      expect(told.atMs - askedMs).toBeLessThan(500)
      expect(told.apply).toBe(told.flush)
      await waitUntil('the slot to follow', async () => (await source.confirmedFlush()) === batch.position.lsn)
    }
  })

  test('is all that the slot follows: what was received and not acknowledged comes again', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const made = await source.followChanges()
    await made.close()
    const point = await source.confirmedFlush()

    // a short timeout, so that the timer reports many times
    const connection = withTimeout(tap.url, 1_200)
    const reader = source.follow({ start: made.stored, ack: 'never', connection })
    await source.write('INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)')
    const first = await reader.untilMark(await source.mark())
    const reported = tap.statusUpdates.length
    await waitUntil('the timer to report', () => tap.statusUpdates.length > reported + 3)
    expect(new Set(tap.statusUpdates.map(({ flush }) => formatLsn(flush)))).toEqual(new Set([point]))
    expect(tap.statusUpdates.at(-1)?.write).toBeGreaterThan(parseLsn(point))
    expect(await source.confirmedFlush()).toBe(point)
    await reader.close()

    const again = source.follow({ start: made.stored })
    expect(insertedIds(await again.untilMark(await source.mark()))).toEqual(insertedIds(first))
  })

  test('stays behind what waits to be read: nothing that the caller did not take is ever confirmed', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: withTimeout(tap.url, 1_200), maxBatchRows: 5 })
    await source.write(...Array.from({ length: 60 }, (_, id) => `INSERT INTO t VALUES (${id})`))
    const mark = await source.mark()
    await reader.until('the first transactions', ({ events }) => insertedIds(events).length > 0)
    const acknowledged = reader.stored.lsn
    const reported = tap.statusUpdates.length
    await waitUntil('the timer to report', () => tap.statusUpdates.length > reported + 3)
    const late = tap.statusUpdates.slice(reported + 1).map(({ flush }) => formatLsn(flush))
    expect(new Set(late)).toEqual(new Set([acknowledged]))
    expect(insertedIds(reader.events).length).toBeLessThan(60)

    // the process dies here: what lay in its memory comes again
    tap.cut()
    const again = source.follow({ start: reader.stored })
    const seen = [...insertedIds(reader.events), ...insertedIds(await again.untilMark(mark))]
    expect(seen).toEqual(Array.from({ length: 60 }, (_, id) => id))
  })

  test('can be a part of a transaction: after a crash behind the first of three copied rows the other two come', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url, maxBatchRows: 3 })
    const copy = await source.sql.unsafe('COPY t FROM STDIN').writable()
    copy.end('1\ta\n2\tb\n3\tc\n')
    await new Promise((resolve, reject) => copy.once('finish', resolve).once('error', reject))
    const mark = await source.mark()
    // begin, relation, and one row
    await reader.until('the first row', ({ events }) => insertedIds(events).length === 1)
    expect(reader.batches.at(-1)).toMatchObject({ atCommit: false, position: { tx: { seq: 1 } } })
    tap.cut()

    const again = source.follow({ start: reader.stored })
    expect(insertedIds(await again.untilMark(mark))).toEqual([2, 3])
  })

  test('cannot be what was not delivered, nor another feed’s', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url })
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    const position = reader.stored
    const codeOf = (act: () => void): string | undefined => {
      try {
        act()
      } catch (error) {
        return error instanceof WalwireError ? error.code : String(error)
      }
      return undefined
    }
    const ahead = formatLsn(parseLsn(position.lsn) + 2n ** 30n)
    expect(codeOf(() => reader.ack({ ...position, lsn: ahead }))).toBe('ack_ahead')
    const inside = { ...position, tx: { commitLsn: ahead, seq: 1 } }
    expect(codeOf(() => reader.ack(inside))).toBe('ack_ahead')
    expect(codeOf(() => reader.ack({ ...position, slot: 'another' }))).toBe('position_incompatible')
    // old ones mean nothing new
    const [first] = reader.batches
    expect(codeOf(() => reader.ack(first?.position))).toBeUndefined()

    await source.write('INSERT INTO t VALUES (2)')
    await reader.untilMark(await source.mark())
    await reader.close()
    const most = tap.statusUpdates.reduce((max, { flush }) => (flush > max ? flush : max), 0n)
    expect(most).toBeLessThanOrEqual(parseLsn(reader.stored.lsn))
    const known = parseLsn(await source.value('SELECT pg_current_wal_flush_lsn()'))
    for (const { write, flush } of tap.statusUpdates) {
      expect(flush).toBeLessThanOrEqual(write)
      expect(write).toBeLessThanOrEqual(known)
    }
  })

  test('is reported once for many messages, and costs next to nothing on the way up', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url })
    const transactions = 3_000
    await source.write(
      `DO $$ BEGIN FOR i IN 1..${transactions} LOOP INSERT INTO t VALUES (i, repeat('x', 200)); COMMIT; END LOOP; END $$`,
    )
    const before = { ...tap.bytes, updates: tap.statusUpdates.length, batches: reader.batches.length }
    await reader.untilMark(await source.mark())
    expect(insertedIds(reader.events)).toHaveLength(transactions)
    const updates = tap.statusUpdates.length - before.updates
    const batches = reader.batches.length - before.batches
    // at most one for each batch, and the timer's
    expect(updates).toBeLessThanOrEqual(batches + 5)
    expect(updates).toBeLessThan(transactions / 3)
    expect(tap.bytes.up).toBeLessThan(tap.bytes.down / 5)
  })

  test('tells the time from 2000 on: the server finds that the reply is from now', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    const age = await waitUntil('a reply', async () => {
      return await source.value(
        `SELECT abs(extract(epoch FROM now() - reply_time)) FROM pg_stat_replication
        WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${source.slot}')`,
      )
    })
    expect(Number(age)).toBeLessThan(5)
  })
})

function lastEnd(events: readonly Event[]): bigint {
  const commits = events.flatMap((event) => (event.kind === 'commit' ? [event.tx.endLsn ?? 0n] : []))
  return commits.at(-1) ?? 0n
}

describe.each(outerVersions())('a slot whose tables are quiet, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })
  const setup = `${oneTable}; CREATE TABLE elsewhere (v text); ALTER TABLE elsewhere ALTER COLUMN v SET STORAGE EXTERNAL;`
  /** More WAL than an idle batch waits for, of which nothing is published. */
  const muchElsewhere = "INSERT INTO elsewhere SELECT repeat('x', 1000000) FROM generate_series(1, 18)"

  /**
   * Reads up to that many batches, before another one would come for its age. Meanwhile a little is written, since a
   * walsender that was told of new WAL just before it went to sleep (16 and later) would else sleep on.
   */
  async function untilIdle(reader: FeedReader, batches: number, writing: Source): Promise<void> {
    let read = false
    const reading = reader
      .until('an idle batch', (all) => all.batches.length === batches, idleIntervalMs - 2_000)
      .finally(() => {
        read = true
      })
    const writingOn = waitUntil('the batch to be read', async () => {
      await writing.write("INSERT INTO elsewhere VALUES ('x')")
      return read
    })
    await Promise.all([reading, writingOn])
  }

  test('moves all the same, by batches without events that are stored and acknowledged', async () => {
    await using source = await Source.make(server, setup, { publication: 'FOR TABLE t' })
    const reader = await source.followChanges()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    const before = reader.batches.length
    const confirmed = parseLsn(await source.confirmedFlush())
    await source.write(muchElsewhere)
    await untilIdle(reader, before + 1, source)

    const idle = reader.batches.at(-1)
    expect(idle).toMatchObject({ events: [], atCommit: true })
    expect(parseLsn(reader.stored.lsn) - confirmed).toBeGreaterThan(16n * 1024n * 1024n)
    await waitUntil('the slot to follow', async () => (await source.confirmedFlush()) === reader.stored.lsn)
    const restart = await source.slotRow()
    expect(parseLsn(restart?.confirmed_flush_lsn ?? '')).toBeGreaterThan(confirmed)

    // stored and begun again: no gap, and what comes next is there
    await reader.close()
    await source.write('INSERT INTO t VALUES (2)')
    const again = source.follow({ start: reader.stored })
    expect(insertedIds(await again.untilMark(await source.mark()))).toEqual([2])
  })

  test('moves when another database writes', async () => {
    await using source = await Source.make(server, setup)
    await using other = await Source.make(server, setup)
    const reader = await source.followChanges()
    const before = reader.batches.length
    const confirmed = parseLsn(await source.confirmedFlush())
    await other.write(muchElsewhere)
    await untilIdle(reader, before + 1, source)
    await waitUntil('the slot to follow', async () => parseLsn(await source.confirmedFlush()) > confirmed)
  })

  test('does not move by itself: a batch that was not acknowledged is the last, and begins again without a gap', async () => {
    await using source = await Source.make(server, setup, { publication: 'FOR TABLE t' })
    const reader = await source.followChanges({ ack: 'never' })
    reader.ack()
    const stored = reader.stored
    await source.write(muchElsewhere)
    await untilIdle(reader, 3, source)
    expect(reader.batches.at(-1)?.events).toEqual([])
    await source.write(muchElsewhere)
    // only one is outstanding, and it is not acknowledged: nothing moves until something is published
    await source.write('INSERT INTO t VALUES (1)')
    await reader.until('the row', ({ events }) => insertedIds(events).length === 1)
    expect(reader.batches).toHaveLength(4)
    expect(await source.confirmedFlush()).toBe(stored.lsn)
    await reader.abandon()

    const again = source.follow({ start: stored })
    expect(insertedIds(await again.untilMark(await source.mark()))).toEqual([1])
  })
})

describe.each(outerVersions())('a consumer that is slower than wal_sender_timeout, on PostgreSQL %i,', (version) => {
  test('keeps its connection: the server hears from it all the time', async () => {
    const server = await sharedServer(version)
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const timeoutMs = 1_500
    const connection = withTimeout(tap.url, timeoutMs)
    const reader = await source.followChanges({ connection, maxBatchRows: 100, maxBufferedBytes: 64 * 1024 })
    await source.write("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 40000) i")
    const mark = await source.mark()
    await reader.until('the first rows', ({ events }) => insertedIds(events).length > 0)
    const { bufferedBytes } = reader.feed.status()
    const begunMs = performance.now()
    await waitUntil('three timeouts of reports', () => {
      return (tap.statusUpdates.at(-1)?.atMs ?? 0) - begunMs > 3 * timeoutMs
    })
    // meanwhile nothing was read beyond what was allowed
    expect(bufferedBytes).toBeLessThan(1024 * 1024)
    expect(reader.feed.status().bufferedBytes).toBeLessThan(1024 * 1024)
    await reader.untilMark(mark, 30_000)
    expect(insertedIds(reader.events)).toHaveLength(40_000)
    const gaps = tap.statusUpdates.map(({ atMs }, index) => atMs - (tap.statusUpdates[index - 1]?.atMs ?? atMs))
    expect(Math.max(...gaps)).toBeLessThan(timeoutMs)
  })
})
