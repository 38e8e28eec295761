import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Event,
  formatLsn,
  type Lsn,
  type LsnInput,
  type Position,
  parseLsn,
  type Transaction,
} from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

/** Inserted IDs, messages' texts, and what frames them. */
function story(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    switch (event.kind) {
      case 'insert':
        return [`insert ${event.new.id}`]
      case 'message':
        return [`message ${new TextDecoder().decode(event.content)}`]
      case 'begin':
      case 'commit':
        return [`${event.kind} ${event.tx.xid}`]
      default:
        return []
    }
  })
}

function transactionsOf(events: readonly Event[]): Transaction[] {
  return events.flatMap((event) => (event.kind === 'commit' ? [event.tx] : []))
}

describe.each(outerVersions())('a feed with a stop, on PostgreSQL %i', (version) => {
  // its own: others write WAL too, and a stop is a place in it
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  /** A source whose slot stands before all that is written: some transactions and messages, a rollback, a large one. */
  async function writtenSource(): Promise<{ source: Source; start: string; end: Lsn }> {
    const source = await Source.make(server, oneTable)
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    const start = await source.confirmedFlush()
    await source.write(
      "INSERT INTO t VALUES (1, 'one')",
      "INSERT INTO t VALUES (2, 'two')",
      "SELECT pg_logical_emit_message(false, 'note', 'between')",
      "BEGIN; INSERT INTO t VALUES (3, 'never'); ROLLBACK",
      "INSERT INTO t SELECT i, 'many' FROM generate_series(10, 49) i",
      'CREATE TABLE other (id int)',
      "SELECT pg_logical_emit_message(true, 'note', 'inside')",
      "INSERT INTO t VALUES (50, 'last')",
      "SELECT pg_logical_emit_message(false, 'note', 'at the end')",
    )
    const end = parseLsn(await source.value('SELECT pg_current_wal_insert_lsn()'))
    return { source, start, end }
  }

  test('delivers exactly the transactions that commit before it, wherever it is; a feed that starts there, the rest', async () => {
    const { source, start, end } = await writtenSource()
    await using _ = source
    let slots = 0
    // each over a slot of its own, since where a feed starts is as good as acknowledged
    const freshSlot = async (): Promise<string> => {
      const slot = `${source.slot}_${++slots}`
      await source.write(`SELECT pg_copy_logical_replication_slot('${source.slot}', '${slot}')`)
      return slot
    }
    const read = async (slot: string, from: Position | LsnInput, stop: Lsn): Promise<FeedReader> =>
      await source.follow({ slot, start: from, stop, ack: 'never', maxBatchRows: 7 }).untilEnd()

    const whole = await read(await freshSlot(), start, end)
    const expected = story(whole.events)
    expect(expected).toContain('insert 50')
    expect(expected).not.toContain('insert 3')

    const stops = new Set<Lsn>([end])
    for (const { commitLsn, endLsn = 0n } of transactionsOf(whole.events)) {
      for (const lsn of [commitLsn - 1n, commitLsn, commitLsn + 1n, endLsn]) stops.add(lsn)
    }
    for (const event of whole.events) if (event.kind === 'message' && !event.transactional) stops.add(event.lsn)
    for (const stop of stops) {
      const slot = await freshSlot()
      const first = await read(slot, start, stop)
      expect(transactionsOf(first.events).every(({ commitLsn }) => commitLsn < stop)).toBe(true)
      const fromPosition = await read(slot, first.position ? first.stored : start, end)
      expect([...story(first.events), ...story(fromPosition.events)], formatLsn(stop)).toEqual(expected)
      const fromLsn = await read(await freshSlot(), stop, end)
      expect([...story(first.events), ...story(fromLsn.events)], formatLsn(stop)).toEqual(expected)
    }
  })

  test('ends by itself when nothing at all is written after it, and its position is the stop', async () => {
    const { source, start, end } = await writtenSource()
    await using _ = source
    const reader = source.follow({ start, stop: end })
    await reader.untilEnd()
    expect(story(reader.events)).toContain('insert 50')
    expect(parseLsn(reader.stored.lsn)).toBeGreaterThanOrEqual(end)
    expect(reader.feed.status().state).toBe('closed')
    expect(await source.confirmedFlush()).toBe(reader.stored.lsn)
  })

  test('ends at once when everything before it was delivered already', async () => {
    const { source, start, end } = await writtenSource()
    await using _ = source
    const past = source.follow({ start, stop: start })
    await past.untilEnd()
    expect(past.batches).toEqual([])
    const earlier = source.follow({ start, stop: '0/1' })
    await earlier.untilEnd()
    expect(earlier.batches).toEqual([])
    const first = source.follow({ start, stop: end })
    await first.untilEnd()
    const again = source.follow({ start: first.stored, stop: end })
    await again.untilEnd()
    expect(again.batches).toEqual([])
  })

  test('ends when the server gets there, by whatever is written', async () => {
    const { source, start, end } = await writtenSource()
    await using _ = source
    const stop = end + 4_096n
    const reader = source.follow({ start, stop })
    await reader.until('what was written before', ({ events }) => story(events).includes('insert 50'))
    const ending = reader.untilEnd()
    await source.write(`SELECT pg_logical_emit_message(false, 'filler', repeat('x', 8192))`)
    await source.write("INSERT INTO t VALUES (100, 'past the stop')")
    await ending
    expect(story(reader.events)).not.toContain('insert 100')
    const rest = source.follow({ start: reader.stored })
    await rest.until('the rest', ({ events }) => story(events).includes('insert 100'))
    expect(story(rest.events).filter((line) => line.startsWith('insert'))).toEqual(['insert 100'])
  })

  test('lets a run that copies first copy everything, and stream what commits before it', async () => {
    await using source = await Source.make(server, oneTable)
    await source.write("INSERT INTO t SELECT i, 'copied' FROM generate_series(1, 500) i")
    const stop = parseLsn(await source.value('SELECT pg_current_wal_insert_lsn()')) + 1_000_000n
    const reader = source.follow({ maxBatchRows: 100, stop })
    await reader.until('some of the copy', ({ position }) => position?.phase === 'snapshot')
    await source.write("INSERT INTO t VALUES (1000, 'streamed')")
    await reader.untilCopied()
    await source.write(`SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))`)
    await source.write("INSERT INTO t VALUES (1001, 'past the stop')")
    await reader.untilEnd()
    expect(reader.events.filter(({ kind }) => kind === 'snapshot')).toHaveLength(500)
    expect(story(reader.events).filter((line) => line.startsWith('insert'))).toEqual(['insert 1000'])
  })

  test('that lies before the copy, ends the run after that, and the next one goes on from there', async () => {
    await using source = await Source.make(server, oneTable)
    await source.write("INSERT INTO t SELECT i, 'copied' FROM generate_series(1, 500) i")
    const stop = await source.value('SELECT pg_current_wal_insert_lsn()')
    await source.write("INSERT INTO t VALUES (1000, 'copied too')")
    const stopped = source.follow({ maxBatchRows: 100, stop })
    await stopped.untilEnd()
    expect(stopped.events.filter(({ kind }) => kind === 'snapshot')).toHaveLength(501)
    expect(story(stopped.events)).toEqual([])
    expect(stopped.stored.phase).toBe('stream')
    await source.write("INSERT INTO t VALUES (1001, 'after that')")
    const rest = source.follow({ start: stopped.stored })
    await rest.until('the rest', ({ events }) => story(events).includes('insert 1001'))
    expect(story(rest.events).filter((line) => line.startsWith('insert'))).toEqual(['insert 1001'])
  })

  test('at a commit in the middle of which a position stands, delivers nothing and stays there', async () => {
    const { source, start, end } = await writtenSource()
    await using _ = source
    const whole = source.follow({ start, stop: end, ack: 'never', maxBatchRows: 5 })
    await whole.untilEnd()
    const inside = whole.batches.find(({ position }) => position.tx !== undefined)?.position
    if (inside?.tx === undefined) throw new Error('no batch ended inside a transaction')
    const stopped = source.follow({ start: inside, stop: inside.tx.commitLsn, ack: 'never' })
    await stopped.untilEnd()
    expect(stopped.batches).toEqual([])
    const rest = source.follow({ start: inside, stop: end, ack: 'never' })
    await rest.untilEnd()
    const at = whole.batches.findIndex(({ position }) => position === inside)
    expect(story(rest.events)).toEqual(story(whole.batches.slice(at + 1).flatMap(({ events }) => [...events])))
  })
})
