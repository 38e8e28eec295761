import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const walSenderTimeoutMs = 1000
const longMs = 10 * walSenderTimeoutMs
const reconnect = { minDelayMs: 50, maxDelayMs: 500 }

function insertedIds(events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
}

const numbersTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** Nothing else runs in this thread meanwhile. */
function blockTheEventLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe.each(outerVersions())('a consumer that takes ten times wal_sender_timeout, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { wal_sender_timeout: `${walSenderTimeoutMs}ms` } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('for a batch keeps its connection, and no more is held for it than at the beginning (trap 68)', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN',
    )
    const maxBufferedBytes = 1024 * 1024
    const reader = await source.followChanges({ reconnect, maxBufferedBytes, maxBatchRows: 500 })
    const rows = 20_000
    await source.write(`INSERT INTO t SELECT i, repeat('x', 1500) FROM generate_series(1, ${rows}) i`)
    await reader.until('the first rows', ({ events }) => insertedIds(events).length > 0)
    const walsender = (await source.slotRow())?.active_pid
    await waitUntil('as much to wait as may', () => reader.feed.status().bufferedBytes > maxBufferedBytes / 2)
    const held = () => {
      const { arrayBuffers, external } = process.memoryUsage()
      return arrayBuffers + external
    }
    const before = held()
    const begunMs = performance.now()
    await waitUntil(
      'ten timeouts',
      async () => {
        expect(reader.feed.status().bufferedBytes).toBeLessThanOrEqual(maxBufferedBytes + 65_536)
        expect(held()).toBeLessThan(before + 8 * 1024 * 1024)
        expect((await source.slotRow())?.active_pid).toBe(walsender)
        return performance.now() - begunMs > longMs
      },
      2 * longMs,
    )
    await reader.until('all rows', ({ events }) => insertedIds(events.slice(-3)).includes(rows))
    expect(insertedIds(reader.events)).toEqual(numbersTo(rows))
    expect(reader.feed.status().reconnects).toBe(0)
  }, 60_000)

  test('and blocks the event loop for that long goes on exactly, though the server has ended the connection meanwhile', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int)')
    const reader = await source.followChanges({ reconnect, maxBatchRows: 50 })
    const last = 400
    // the server goes on writing while nothing runs here
    const writing = source.write(
      `DO $$ BEGIN FOR i IN 1..${last} LOOP INSERT INTO t VALUES (i); COMMIT; PERFORM pg_sleep(0.02); END LOOP; END $$`,
    )
    await reader.until('the first rows', ({ events }) => insertedIds(events).length > 10)
    const walsender = (await source.slotRow())?.active_pid
    blockTheEventLoop(longMs)
    await writing
    // what is written from here on comes over another connection
    await source.write(`INSERT INTO t VALUES (${last + 1})`)
    await reader.until('the last row', ({ events }) => insertedIds(events.slice(-3)).includes(last + 1), 30_000)
    expect(insertedIds(reader.events)).toEqual(numbersTo(last + 1))
    expect(reader.feed.status().reconnects).toBeGreaterThan(0)
    expect((await source.slotRow())?.active_pid).not.toBe(walsender)
  }, 60_000)
})
