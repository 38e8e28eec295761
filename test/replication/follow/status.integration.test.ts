import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FeedStatus } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { beforeConnection, firstCopy } from './helpers/between.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

/** Waits until a feed says that it waits for something. */
function waitingFor(reader: FeedReader, words: string): Promise<FeedStatus> {
  return waitUntil(`the feed to wait for ${words}`, () => {
    const status = reader.feed.status()
    return status.waitingFor?.includes(words) ? status : undefined
  })
}

// a server of its own: it is stopped, and a slot waits for the open transactions of all databases
describe.each(outerVersions())('the status of a feed, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { max_slot_wal_keep_size: '1GB' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('while it streams, has what the server keeps for its slot, and how much may still be written', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write("INSERT INTO t VALUES (1, 'a')")
    await reader.untilMark(await source.mark())
    const pulling = reader.keepPulling()
    const status = await waitUntil('it to be up to date, and its slot known', () => {
      const status = reader.feed.status()
      return status.slot !== undefined && status.state === 'streaming' ? status : undefined
    })
    expect(status).toMatchObject({ waitingFor: undefined, lastError: undefined, reconnects: 0, snapshot: undefined })
    expect(status.slot?.walStatus).toBe('reserved')
    expect(status.slot?.retainedBytes).toBeGreaterThan(0)
    expect(status.slot?.retainedBytes).toBeLessThan(1024 ** 2)
    expect(status.slot?.safeBytes).toBeGreaterThan(900 * 1024 ** 2)
    await reader.close()
    await pulling
    expect(reader.feed.status()).toMatchObject({ state: 'closed', slot: undefined })
  })

  test('in a backlog, says that it catches up', async () => {
    await using source = await Source.make(server, oneTable)
    await using before = await source.followChanges()
    await before.close()
    await source.write("INSERT INTO t SELECT i, repeat('v', 100) FROM generate_series(1, 20000) i")
    const reader = source.follow({ start: before.stored, maxBatchRows: 100, maxBufferedBytes: 10_000 })
    await reader.until('some of it', ({ events }) => events.length > 200)
    const { state, lagBytes } = reader.feed.status()
    expect(state).toBe('catching-up')
    expect(lagBytes).toBeGreaterThan(1_000_000)
    await reader.untilMark(await source.mark())
    const pulling = reader.keepPulling()
    await waitUntil('it to be up to date', () => reader.feed.status().state === 'streaming')
    await reader.close()
    await pulling
  })

  test('whose consumer does not ask for more, says so once more has come', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write("INSERT INTO t VALUES (1, 'a')")
    await reader.until('a row', ({ events }) => events.length > 0)
    await source.write("INSERT INTO t VALUES (2, 'b')")
    expect(await waitingFor(reader, 'its consumer')).toMatchObject({ state: 'held', slot: { walStatus: 'reserved' } })
    await reader.untilMark(await source.mark())
    expect(reader.feed.status().state).not.toBe('held')
  })

  test('whose slot an open transaction holds up, names it', async () => {
    await using source = await Source.make(server, oneTable)
    const writer = source.session()
    const [{ pid } = { pid: 0 }] = await writer<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    await writer.unsafe("BEGIN; INSERT INTO t VALUES (1, 'secret')").simple()
    const reader = source.follow()
    const copied = reader.untilCopied()
    const { state, waitingFor: what } = await waitingFor(reader, `slot ${source.slot} to be made`)
    expect(state).toBe('waiting')
    expect(what).toContain(`process ${pid}`)
    expect(what).not.toContain('secret')
    await writer.unsafe('COMMIT').simple()
    await copied
    expect(reader.feed.status().waitingFor).toBeUndefined()
  })

  test('in a copy behind the lock of a migration, names its holder', async () => {
    await using source = await Source.make(server, oneTable)
    const migration = source.session()
    const [{ pid } = { pid: 0 }] = await migration<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    // after the slot was made, which would wait for such a transaction itself
    const connection = beforeConnection(source.url, {
      [firstCopy]: () => migration.unsafe('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE').simple(),
    })
    const reader = source.follow({ connection })
    const copied = reader.untilCopied()
    const { state, waitingFor: what } = await waitingFor(reader, `process ${pid}`)
    expect(state).toBe('snapshot')
    expect(what).toContain('to copy public.t')
    await migration.unsafe('COMMIT').simple()
    await copied
  })

  test('whose slot another run has, names the process', async () => {
    await using source = await Source.make(server, oneTable)
    const first = source.follow()
    await first.until('the copy to begin', ({ position }) => position?.phase === 'new')
    const second = source.follow({ start: first.stored })
    const failing = second.failure()
    const { state, waitingFor: what } = await waitingFor(second, `another run over slot ${source.slot} to end`)
    expect(state).toBe('waiting')
    const holder = await source.value("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    expect(what).toContain(`process ${holder} `)
    expect(await failing).toMatchObject({ code: 'slot_taken' })
    expect(second.feed.status().lastError).toMatchObject({ code: 'slot_taken' })
  })

  test('whose server is away, has what it failed with and when, and when it tries again', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ reconnect: { minDelayMs: 200, maxDelayMs: 500 } })
    const begunMs = Date.now()
    await server.stop('fast')
    const going = reader.keepPulling()
    const { state, waitingFor: what, lastError, slot } = await waitingFor(reader, 'its next try')
    expect({ state, slot }).toEqual({ state: 'waiting', slot: undefined })
    const next = Date.parse(/at (\S+Z)$/.exec(what ?? '')?.[1] ?? '')
    expect(next).toBeGreaterThan(begunMs)
    expect(lastError?.code).toMatch(/^(server_stopping|connect_failed)$/)
    expect(lastError?.at.getTime()).toBeGreaterThanOrEqual(begunMs)
    await server.start()
    await waitUntil('it to go on', () => reader.feed.status().reconnects === 1)
    await waitUntil('it to stream', () => reader.feed.status().state === 'streaming')
    expect(reader.feed.status()).toMatchObject({ waitingFor: undefined, lastError: { code: expect.any(String) } })
    await reader.close()
    await going
  })
})
