import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { steadyWriter } from './helpers/steady-writer.ts'
import { type Wiretap, wiretap } from './helpers/wiretap.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'
const reconnect = { minDelayMs: 50, maxDelayMs: 1_000 }

function insertedIds(events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
}

/** Of the batches' last rows. */
function lastId({ events }: FeedReader): number {
  const row = events.findLast((event) => event.kind === 'insert')
  return row === undefined ? -1 : Number(row.new.id)
}

function upTo(last: number): number[] {
  return Array.from({ length: last + 1 }, (_, id) => id)
}

interface Scene {
  readonly server: TestServer
  readonly source: Source
  readonly tap: Wiretap
}

/** What may happen to a feed, and what it is to survive. */
const faults: [string, (scene: Scene) => Promise<unknown>][] = [
  ['both connections are cut', async ({ tap }) => tap.cut()],
  ['the walsender is terminated', ({ source }) => source.write(walsenders('pg_terminate_backend', source))],
  ['the walsender is cancelled', ({ source }) => source.write(walsenders('pg_cancel_backend', source))],
  ['the backend of the ordinary connection is terminated', ({ source }) => source.write(terminateOrdinary)],
  ['the replication connection is swallowed', async ({ tap }) => tap.swallow('replication')],
  ['all connections are swallowed', async ({ tap }) => tap.swallow('all')],
  ['the server is restarted', ({ server }) => server.restart('fast')],
  ['the server crashes', ({ server }) => server.restart('immediate')],
  [
    'wal_sender_timeout is lowered, and all is swallowed',
    async ({ server, tap }) => {
      await server.reload({ wal_sender_timeout: '1s' })
      tap.swallow('all')
    },
  ],
]

const walsenders = (what: string, { slot }: Source) =>
  `SELECT ${what}(active_pid) FROM pg_replication_slots WHERE slot_name = '${slot}'`
const terminateOrdinary =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"

describe.each(outerVersions())('a feed that lost its connections, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { wal_sender_timeout: '4s' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test.each(faults)(
    'where %s, goes on by itself: nothing is lost, nothing comes twice, and the schema is told once',
    async (_what, strike) => {
      await using source = await Source.make(server, oneTable)
      await using tap = await wiretap(source.url)
      const reader = await source.followChanges({ connection: tap.url, maxBatchRows: 20, reconnect })
      const writer = steadyWriter(source.url)
      for (let strikes = 1; strikes <= 2; strikes++) {
        const enough = lastId(reader) + 30
        await reader.until('rows', () => lastId(reader) > enough)
        await strike({ server, source, tap })
        await reader.until('the feed to go on', ({ feed }) => feed.status().reconnects >= strikes, 40_000)
      }
      const last = await writer.stop()
      await reader.until('the last row', () => lastId(reader) === last, 60_000)
      expect(insertedIds(reader.events)).toEqual(upTo(last))
      expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
      await reader.close()
      await waitUntil('the slot to follow', async () => (await source.confirmedFlush()) === reader.stored.lsn)
    },
    90_000,
  )

  test('in the middle of a transaction, has the rest of it and its schema, as if nothing had been', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const limits = { maxBatchRows: 1_000, maxBatchBytes: 1e9, maxBufferedBytes: 100_000 }
    const reader = await source.followChanges({ connection: tap.url, reconnect, ...limits })
    await source.write("INSERT INTO t SELECT i, 'v' FROM generate_series(0, 49999) i")
    for (const part of [1_000, 10_000, 30_000]) {
      await reader.until('some parts', ({ position }) => (position?.tx?.seq ?? 0) >= part)
      tap.cut()
    }
    await reader.untilMark(await source.mark())
    expect(insertedIds(reader.events)).toEqual(upTo(49_999))
    expect(reader.feed.status().reconnects).toBeGreaterThanOrEqual(3)
  })

  test('before a schema that it had read was delivered, tells it again', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url, reconnect, maxBatchBytes: 1e9, maxBatchRows: 1e6 })
    const before = tap.bytes.down
    const writing = source.write("INSERT INTO t SELECT i, repeat('v', 100) FROM generate_series(0, 99999) i")
    const reading = reader.untilMark(await writing.then(() => source.mark()), 30_000)
    await waitUntil('a part of it to have come', () => tap.bytes.down > before + 1_000_000)
    expect(reader.events).toEqual([])
    tap.cut()
    const events = await reading
    expect(events.slice(0, 3).map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert'])
    expect(insertedIds(events)).toEqual(upTo(99_999))
    expect(reader.feed.status().reconnects).toBe(1)
  })

  test('has its acknowledgements counted that came while it was away, and no more than these', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ reconnect, ack: 'never', maxBatchRows: 1 })
    reader.ack()
    await source.write("INSERT INTO t VALUES (0, 'a')", "INSERT INTO t VALUES (1, 'b')")
    await reader.until('two rows', ({ events }) => insertedIds(events).length === 2)
    const [first] = reader.batches.filter(({ events }) => insertedIds(events).length > 0)
    await server.stop('immediate')
    const reading = reader.until('the third row', () => lastId(reader) === 2, 60_000)
    if (first === undefined) throw new Error('no batch has the row')
    reader.ack(first.position)
    await server.start()
    await waitUntil('the feed to go on', () => reader.feed.status().reconnects > 0)
    await waitUntil('the slot to follow', async () => (await confirmedFlush(source)) === first.position.lsn)
    await source.write("INSERT INTO t VALUES (2, 'c')")
    await reading
    expect(await source.confirmedFlush()).toBe(first.position.lsn)
    expect(insertedIds(reader.events)).toEqual([0, 1, 2])
  })

  test('in the middle of the copy, copies again in the same process, with replace', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    await source.write("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(0, 49999) i")
    const options = { connection: tap.url, reconnect, maxBatchRows: 1_000, maxBufferedBytes: 100_000 }
    const reader = source.follow(options)
    await reader.until('a part of the copy', ({ position }) => position?.phase === 'snapshot')
    tap.cut()
    const copied = await reader.untilCopied()
    const begins = copied.flatMap((event, index) =>
      event.kind === 'snapshot-begin' ? [{ index, mode: event.mode }] : [],
    )
    expect(begins.map(({ mode }) => mode)).toEqual(['initial', 'replace'])
    const again = copied.slice(begins[1]?.index)
    expect(again.filter(({ kind }) => kind === 'snapshot')).toHaveLength(50_000)
    expect(await source.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = '${source.slot}'`)).toBe('1')
    await source.write("INSERT INTO t VALUES (50000, 'new')")
    expect(insertedIds(await reader.untilMark(await source.mark()))).toEqual([50_000])
  })

  test('before its first event, makes its slot once, and copies', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    await source.write("INSERT INTO t VALUES (0, 'a')")
    const reader = source.follow({ connection: tap.url, reconnect })
    await reader.until('the first position', ({ position }) => position?.phase === 'new')
    tap.swallowAt('CREATE_REPLICATION_SLOT', 'this one')
    const copying = expect(reader.untilCopied()).rejects.toMatchObject({ retryable: true })
    await waitUntil('the command to be swallowed', () => reader.feed.status().state === 'connecting')
    await source.write(terminateOrdinary)
    tap.cut()
    // it had no slot yet, so this was its first connection
    await copying
  })

  test('waits for whoever has its slot', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const logger = recordingLogger()
    const reader = await source.followChanges({ connection: tap.url, reconnect, logger })
    await source.write("INSERT INTO t VALUES (0, 'a')")
    await reader.untilMark(await source.mark())
    await server.stop('fast')
    const going = reader.untilMark('never').catch(() => {})
    await waitUntil('the loss', () => logger.lines('warn').some(({ message }) => message.includes('is not followed')))
    await server.start()
    await waitUntil('the feed to go on', () => reader.feed.status().reconnects > 0)
    await reader.close()
    await going
  })

  test('by a temporary slot, ends: what came meanwhile is lost', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url, reconnect, temporary: true })
    tap.cut()
    expect(await reader.failure()).toMatchObject({ code: 'temporary_slot_lost', retryable: false })
  })

  test('does not go on where its slot was dropped meanwhile, or moved', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ reconnect })
    await source.write("INSERT INTO t VALUES (0, 'a')")
    await reader.untilMark(await source.mark())
    await server.stop('fast')
    const failure = reader.failure(30_000)
    await server.start()
    await dropWhenFree(source)
    expect(await failure).toMatchObject({ code: 'slot_lost' })
  })

  test.each<[string, (reader: FeedReader, leave: AbortController) => Promise<unknown>]>([
    ['closed', (reader) => reader.close()],
    [
      'ended by its signal',
      async (reader, leave) => {
        leave.abort(new Error('enough'))
        await reader.close()
      },
    ],
  ])('can be %s within a second while its server is away', async (_how, end) => {
    await using source = await Source.make(server, oneTable)
    const leave = new AbortController()
    const reader = await source.followChanges({ reconnect: {}, signal: leave.signal })
    await server.stop('fast')
    const pulling = reader.untilEnd(30_000).catch((error: unknown) => error)
    await waitUntil('the loss', () => reader.feed.status().lastError !== undefined)
    const begunMs = performance.now()
    await end(reader, leave)
    expect(performance.now() - begunMs).toBeLessThan(1_000)
    await pulling
    await server.start()
  })

  test('gives up after as many tries as it may, with the reason of the last', async () => {
    await using source = await Source.make(server, oneTable)
    const logger = recordingLogger()
    const reader = await source.followChanges({ reconnect: { ...reconnect, maxAttempts: 2 }, logger })
    await server.stop('fast')
    expect(await reader.failure()).toMatchObject({ code: 'connect_failed', retryable: true })
    expect(logger.lines().filter(({ message }) => message.includes('is not followed'))).toHaveLength(2)
    await server.start()
  })

  test('may wait for a server that is not there yet', async () => {
    await using source = await Source.make(server, oneTable)
    await server.stop('fast')
    expect(await source.follow({ reconnect }).failure()).toMatchObject({ code: 'connect_failed' })
    const reader = source.follow({ reconnect: { ...reconnect, first: true } })
    const copied = reader.untilCopied()
    await server.start()
    await copied
    expect(reader.feed.status().reconnects).toBe(0)
  })
})

async function confirmedFlush(source: Source): Promise<string> {
  return await source.confirmedFlush().catch(() => '')
}

/** Whoever has it in use is ended. */
async function dropWhenFree(source: Source): Promise<void> {
  const own = `FROM pg_replication_slots WHERE slot_name = '${source.slot}'`
  await waitUntil('the slot to be dropped', async () => {
    try {
      await source.write(`SELECT pg_terminate_backend(active_pid) ${own} AND active`)
      await source.write(`SELECT pg_drop_replication_slot(slot_name) ${own}`)
      return (await source.value(`SELECT count(*) ${own}`)) === '0'
    } catch {
      return false
    }
  })
}
