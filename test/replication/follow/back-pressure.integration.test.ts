import { connect as connectSocket, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ConnectionOptions, type Event, type Lsn, parseLsn } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const walSenderTimeoutMs = 1_500
/** What a socket gives at once. */
const chunkBytes = 65_536

function insertedIds(events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === 'insert' || event.kind === 'snapshot' ? [Number(event.new.id)] : []))
}

function numbersTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

/** Passes bytes on as they are, with the back-pressure of both sides, and counts the messages of the client's. */
class CountingStream extends Duplex {
  readonly #socket: Socket
  readonly #count: (copyData: Buffer) => void

  constructor(socket: Socket, count: (copyData: Buffer) => void) {
    super({ allowHalfOpen: false, readableHighWaterMark: chunkBytes })
    this.#socket = socket
    this.#count = count
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    // walwire writes message by message
    if (chunk[0] === 0x64) this.#count(chunk)
    this.#socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}

/** When a status update was sent, and what it said. */
interface CountedUpdate {
  readonly atMs: number
  readonly flush: Lsn
}

/** A connection that is opened by a function of the caller's, which counts the status updates. */
function countedConnection(url: string): { connection: ConnectionOptions; updates: CountedUpdate[] } {
  const { hostname, port, username, password, pathname } = new URL(url)
  const updates: CountedUpdate[] = []
  const connect = async (): Promise<Duplex> => {
    const socket = connectSocket({ host: hostname, port: Number(port), noDelay: true })
    return new CountingStream(socket, (message) => {
      // Byte1 'd', Int32 length, Byte1 'r', Int64 write, Int64 flush …
      if (message[5] === 0x72) updates.push({ atMs: performance.now(), flush: message.readBigUInt64BE(14) })
    })
  }
  const connection = {
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    dbname: decodeURIComponent(pathname.slice(1)),
    sslmode: 'disable',
    connect,
  } as const
  return { connection, updates }
}

describe.each(outerVersions())('back-pressure, on PostgreSQL %i', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({
      version,
      settings: { wal_sender_timeout: `${walSenderTimeoutMs}ms`, logical_decoding_work_mem: '512MB' },
    })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('of a consumer that takes three times wal_sender_timeout for a batch costs no connection and no row (traps 13 and 68)', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN',
    )
    const maxBufferedBytes = 1024 * 1024
    const { connection, updates } = countedConnection(source.url)
    const streaming = await source.followChanges({ connection, maxBufferedBytes, maxBatchRows: 500 })
    const rows = 60_000
    // one transaction, and more than all buffers on the way hold
    await source.write(`INSERT INTO t SELECT i, repeat('x', 1500) FROM generate_series(1, ${rows}) i`)
    const copying = source.follow({ slot: `${source.slot}_copy`, maxBufferedBytes, maxBatchRows: 500 })
    await streaming.until('the first rows', ({ events }) => insertedIds(events).length > 0)
    await copying.until('the first rows', ({ events }) => insertedIds(events).length > 0)

    // both consumers are busy until the server's own clock has moved so far
    const clock = async () => Number(await source.value('SELECT extract(epoch FROM clock_timestamp()) * 1000'))
    const begunMs = await clock()
    const before = updates.length
    await waitUntil('three timeouts by the clock of the server', async () => {
      for (const { feed } of [streaming, copying]) {
        expect(feed.status().bufferedBytes).toBeLessThanOrEqual(maxBufferedBytes + chunkBytes)
      }
      return (await clock()) - begunMs > 3 * walSenderTimeoutMs
    })
    expect(streaming.feed.status().bufferedBytes).toBeGreaterThan(maxBufferedBytes / 2)
    // the timer, three times within each timeout, and no more than that
    expect(updates.length - before).toBeGreaterThanOrEqual(6)
    expect(updates.length - before).toBeLessThanOrEqual(12)

    const all = numbersTo(rows)
    await streaming.until('all rows', ({ events }) => insertedIds(events.slice(-3)).includes(rows))
    expect(insertedIds(streaming.events)).toEqual(all)
    await copying.untilCopied()
    expect(insertedIds(copying.events)).toEqual(all)
  })

  test('holds what was asked for and a chunk, or one row that is larger, whatever the sizes of rows', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL',
    )
    const maxBufferedBytes = 512 * 1024
    const largestRow = 4_000_000
    const reader = await source.followChanges({ maxBufferedBytes, maxBatchRows: 300, ack: 'never' })
    await source.write(
      "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 3000) i",
      `INSERT INTO t SELECT 3000 + i, repeat('y', ${largestRow}) FROM generate_series(1, 5) i`,
      "INSERT INTO t SELECT 3005 + i, repeat('z', 1000) FROM generate_series(1, 3000) i",
    )
    let most = 0
    const sampling = setInterval(() => {
      most = Math.max(most, reader.feed.status().bufferedBytes)
    }, 1)
    try {
      await reader.until('most of the small rows', ({ events }) =>
        insertedIds(events.slice(-3)).some((id) => id >= 2_000),
      )
      expect(most).toBeGreaterThan(0)
      // the first of the large ones may be coming already
      expect(most).toBeLessThanOrEqual(maxBufferedBytes + largestRow + chunkBytes)
      await reader.until('all rows', ({ events }) => insertedIds(events.slice(-3)).includes(6_005))
    } finally {
      clearInterval(sampling)
    }
    expect(insertedIds(reader.events)).toEqual(numbersTo(6_005))
    expect(most).toBeGreaterThan(largestRow / 2)
    expect(most).toBeLessThanOrEqual(maxBufferedBytes + largestRow + chunkBytes)
  })

  test('of nobody: a consumer that is as fast as it can be sends few status updates (trap 64)', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int)')
    const { connection, updates } = countedConnection(source.url)
    const reader = await source.followChanges({ connection })
    const transactions = 5_000
    const before = updates.length
    const begunMs = performance.now()
    const writing = source.write(
      `DO $$ BEGIN FOR i IN 1..${transactions} LOOP INSERT INTO t VALUES (i); COMMIT; END LOOP; END $$`,
    )
    await reader.until('all transactions', ({ events }) => insertedIds(events.slice(-3)).includes(transactions))
    await writing
    const seconds = (performance.now() - begunMs) / 1_000
    const { length: batches } = reader.batches
    await waitUntil('the last acknowledgement', () => updates.at(-1)?.flush === parseLsn(reader.stored.lsn))
    expect(insertedIds(reader.events)).toEqual(numbersTo(transactions))
    // one for each acknowledged batch at most, and the timer's
    expect(updates.length - before).toBeLessThanOrEqual(batches + 2 + (seconds * 1_000) / (walSenderTimeoutMs / 3))
    expect((updates.length - before) / seconds).toBeLessThan(500)
    expect(updates.length - before).toBeLessThan(transactions / 4)
  })
})
