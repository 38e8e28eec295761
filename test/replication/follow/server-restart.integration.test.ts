import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Event, parseLsn, type WalwireError } from '../../../src/index.ts'
import { bootServer, outerVersions, type StopMode, type TestServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'
import { steadyWriter } from './helpers/steady-writer.ts'
import { wiretap } from './helpers/wiretap.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

function insertedIds(events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
}

/** Pulls a feed until it fails, and answers why. */
async function failureOf(reader: FeedReader): Promise<WalwireError> {
  const error = await reader.failure(30_000)
  expect(error.retryable, `${error.code}: ${error.message}`).toBe(true)
  return error
}

describe.each(outerVersions())('a server that goes away and comes back, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test.each<[string, StopMode]>([
    ['is stopped', 'fast'],
    ['crashes', 'immediate'],
  ])(
    'when it %s in mid-stream, ends the feed so that another one goes on: nothing is lost or repeated',
    async (_what, mode) => {
      await using source = await Source.make(server, oneTable)
      let reader = await source.followChanges({ maxBatchRows: 20 })
      const writer = steadyWriter(source.url)
      const seen: number[] = []
      for (let restarts = 0; restarts < 3; restarts++) {
        await reader.until('rows', ({ events }) => insertedIds(events).length > 50)
        const failure = failureOf(reader)
        await server.stop(mode)
        const { code } = await failure
        expect(['server_stopping', 'connection_lost']).toContain(code)
        seen.push(...insertedIds(reader.events))
        await server.start()
        reader = source.follow({ start: reader.stored, maxBatchRows: 20 })
      }
      const last = await writer.stop()
      await waitForSession(source)
      seen.push(...insertedIds(await reader.untilMark(await source.mark())))
      expect(seen).toEqual(Array.from({ length: last + 1 }, (_, id) => id))
    },
  )

  test('when it crashes and forgets how far the slot was, does not make anything come twice', async () => {
    await using source = await Source.make(server, oneTable)
    let reader = await source.followChanges()
    const seen: number[] = []
    const forgot = async (id: number): Promise<boolean> => {
      await source.write(`INSERT INTO t VALUES (${id})`)
      seen.push(...insertedIds(await reader.untilMark(await source.mark())))
      await waitUntil('the slot to follow', async () => (await source.confirmedFlush()) === reader.stored.lsn)
      const failure = failureOf(reader)
      await server.restart('immediate')
      await failure
      await waitForSession(source)
      const older = parseLsn(await source.confirmedFlush()) < parseLsn(reader.stored.lsn)
      reader = source.follow({ start: reader.stored })
      return older
    }
    // The server keeps its account of a slot in memory, and writes it now and then: most crashes set it back.
    let id = 0
    await waitUntil('a crash that sets the slot back', () => forgot(++id))
    seen.push(...insertedIds(await reader.untilMark(await source.mark())))
    expect(seen).toEqual(Array.from({ length: id }, (_, index) => index + 1))
  })

  test('when it crashes in the middle of a large transaction that it sends, lets the rest come afterwards', async () => {
    await using source = await Source.make(server, oneTable)
    const first = await source.followChanges({ maxBatchRows: 1_000, maxBufferedBytes: 100_000 })
    await source.write("INSERT INTO t SELECT i, 'v' FROM generate_series(0, 99999) i")
    await first.until('some parts', ({ position }) => (position?.tx?.seq ?? 0) >= 5_000)
    await server.restart('immediate')
    await failureOf(first)
    await waitForSession(source)
    expect(insertedIds(first.events).length).toBeLessThan(100_000)

    const again = source.follow({ start: first.stored })
    const seen = [...insertedIds(first.events), ...insertedIds(await again.untilMark(await source.mark(), 30_000))]
    expect(seen).toHaveLength(100_000)
    expect(seen.findIndex((id, index) => id !== index)).toBe(-1)
  })

  test('when it goes in the middle of a snapshot, lets the snapshot begin again', async () => {
    await using source = await Source.make(server, oneTable)
    await source.write("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i")
    const first = source.follow({ maxBatchRows: 1_000, maxBufferedBytes: 100_000 })
    await first.until('a part of the copy', ({ position }) => position?.phase === 'snapshot')
    const failure = failureOf(first)
    await server.restart('fast')
    await failure
    await waitForSession(source)
    const again = source.follow({ start: first.stored })
    const copied = await again.untilCopied()
    expect(copied.find(({ kind }) => kind === 'snapshot-begin')).toMatchObject({ mode: 'replace' })
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toHaveLength(50_000)
  })

  test('is not held up by a follower that is up to date and acknowledges, and does not send it a storm of keepalives', async () => {
    await using source = await Source.make(server, oneTable, { publication: 'FOR TABLE t' })
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url })
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    // WAL that the follower has not acknowledged, since nothing in it is published
    await source.write('CREATE TABLE elsewhere AS SELECT generate_series(1, 1000)')
    const failure = failureOf(reader)
    const before = { ...tap.keepalives }
    const begunMs = performance.now()
    await server.stop('fast')
    const tookMs = performance.now() - begunMs
    await failure
    await server.start()
    await waitForSession(source)

    expect(tookMs).toBeLessThan(2_000)
    expect(tap.keepalives.asking + tap.keepalives.silent - before.asking - before.silent).toBeLessThan(10)
    // the server asked where we are, and was told of everything
    const again = source.follow({ start: reader.stored })
    await source.write('INSERT INTO t VALUES (2)')
    expect(insertedIds(await again.untilMark(await source.mark()))).toEqual([2])
  })

  test('is not held up by a follower that holds back, either', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ maxBatchRows: 100, maxBufferedBytes: 100_000 })
    await source.write("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(0, 99999) i")
    await reader.until('some rows', ({ events }) => insertedIds(events).length > 0)
    const begunMs = performance.now()
    await server.stop('fast')
    expect(performance.now() - begunMs).toBeLessThan(3_000)
    await failureOf(reader)
    await server.start()
    await waitForSession(source)

    const again = source.follow({ start: reader.stored })
    const seen = [...insertedIds(reader.events), ...insertedIds(await again.untilMark(await source.mark(), 30_000))]
    expect(seen).toHaveLength(100_000)
    expect(seen.findIndex((id, index) => id !== index)).toBe(-1)
  })

  test.each([
    ['holds back,', "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(0, 99999) i"],
    ['holds one row,', "INSERT INTO t VALUES (1, 'x')"],
  ])(
    'is not held up for long by a follower that %s whose ordinary connection was closed just before',
    async (_what, rows) => {
      await using source = await Source.make(server, oneTable)
      await using tap = await wiretap(source.url)
      const options = { connection: tap.url, ack: 'never', maxBatchRows: 100, maxBufferedBytes: 100_000 } as const
      const reader = await source.followChanges(options)
      await source.write(rows)
      await reader.until('a row', ({ events }) => insertedIds(events).length > 0)
      tap.cut('ordinary')
      const begunMs = performance.now()
      await server.stop('fast')
      expect(performance.now() - begunMs).toBeLessThan(15_000)
      await failureOf(reader)
      await server.start()
      await waitForSession(source)
    },
    60_000,
  )
})

/** The writer's session died with the server: until it has another one. */
async function waitForSession(source: Source): Promise<void> {
  await waitUntil('a session', async () => {
    try {
      return (await source.value('SELECT 1')) === '1'
    } catch {
      return false
    }
  })
}
