import { describe, expect, test } from 'vitest'
import { formatLsn } from '../../../src/protocol/messages/lsn.ts'
import { encodePrimaryKeepalive } from '../../../src/protocol/messages/replication-messages.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Feed, FollowOptions } from '../../../src/replication/feed.ts'
import { follow } from '../../../src/replication/follow.ts'
import { waitUntil } from '../../server/index.ts'
import {
  errorResponse,
  type FakeRow,
  FakeServer,
  type FakeServerFacts,
  type FakeTransaction,
  type FakeWalsender,
  fakeFacts,
  insertMessage,
  transactionMessages,
  xLogData,
} from './fake-walsender.ts'

const startLsn = 0x1000n

/** A feed over a fake server, with its walsender at hand and a first pull under way. */
async function followFake(
  facts: Partial<FakeServerFacts> = {},
  options: Partial<FollowOptions> = {},
): Promise<{
  server: FakeServer
  walsender: FakeWalsender
  feed: Feed
  batches: AsyncIterator<Batch, undefined>
  first: Pull
}> {
  const server = new FakeServer(facts)
  const { slot, publication } = fakeFacts
  const feed = follow({
    connection: server.connection,
    publication,
    slot,
    start: formatLsn(startLsn),
    reconnect: false,
    ...options,
  })
  const batches = feed[Symbol.asyncIterator]()
  const first = batches.next()
  // whoever cares for its failure asks for it later
  first.catch(() => {})
  const walsender = await server.walsender
  return { server, walsender, feed, batches, first }
}

type Pull = Promise<IteratorResult<Batch, undefined>>

function batchOf(result: IteratorResult<Batch, undefined>): Batch {
  if (result.done) throw new Error('the feed ended instead of delivering')
  return result.value
}

function idsOf(batch: Batch): number[] {
  return batch.events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
}

function rows(first: number, count: number): FakeRow[] {
  return Array.from({ length: count }, (_, index) => ({ id: first + index, body: `row ${first + index}` }))
}

const threeRows: FakeTransaction = { xid: 700, commitLsn: 0x1100n, endLsn: 0x1130n, rows: rows(1, 3) }
const twoMore: FakeTransaction = { xid: 701, commitLsn: 0x1200n, endLsn: 0x1230n, rows: rows(4, 2) }

describe('feedback', () => {
  test('an acknowledged transaction is flushed up to its end, to the byte (traps 1 and 17)', async () => {
    const { walsender, feed, first } = await followFake()
    walsender.transaction(threeRows)
    const { position } = batchOf(await first)
    feed.ack(position)
    const update = await waitUntil('the acknowledgement', () =>
      walsender.statusUpdates.find(({ flush }) => flush > startLsn),
    )
    expect(update).toMatchObject({ write: 0x1130n, flush: 0x1130n, apply: 0x1130n })
    await feed.close()
  })

  test('what is received and not acknowledged is never flushed, whatever the timer sends (traps 12 and 63)', async () => {
    const { walsender, feed, first } = await followFake({ walSenderTimeoutMs: 150 })
    walsender.transaction(threeRows)
    walsender.keepalive(0x2000n, true)
    await first
    const before = walsender.statusUpdates.length
    await waitUntil('five more status updates', () => walsender.statusUpdates.length >= before + 5)
    expect(walsender.statusUpdates.at(-1)?.write).toBe(0x2000n)
    expect(new Set(walsender.statusUpdates.map(({ flush }) => flush))).toEqual(new Set([startLsn]))
    await feed.close()
  })

  test('an acknowledgement reaches the server long before the next update on the timer', async () => {
    const { walsender, feed, first } = await followFake({ walSenderTimeoutMs: 60_000 })
    walsender.transaction(threeRows)
    const batch = batchOf(await first)
    const acknowledgedAt = performance.now()
    feed.ack(batch.position)
    await waitUntil('the acknowledgement', () => walsender.statusUpdates.at(-1)?.flush === 0x1130n)
    expect(performance.now() - acknowledgedAt).toBeLessThan(50)
    await feed.close()
  })

  test('many acknowledgements in a row are one status update (trap 64)', async () => {
    const { walsender, feed, batches, first } = await followFake({}, { maxBatchRows: 1 })
    walsender.transaction({ ...threeRows, rows: rows(1, 500) })
    const before = walsender.statusUpdates.length
    let acknowledged = 0
    for (let batch = batchOf(await first); ; batch = batchOf(await batches.next())) {
      feed.ack(batch.position)
      acknowledged++
      if (batch.atCommit) break
    }
    expect(acknowledged).toBeGreaterThan(500)
    await waitUntil('the last acknowledgement', () => walsender.statusUpdates.at(-1)?.flush === threeRows.endLsn)
    expect(walsender.statusUpdates.length - before).toBeLessThan(50)
    await feed.close()
  })

  test('in the middle of a transaction a keepalive moves no position (trap 5)', async () => {
    const { walsender, feed, batches, first } = await followFake({}, { maxBatchRows: 4 })
    walsender.send(...transactionMessages({ ...threeRows, rows: rows(1, 9) }).slice(0, 9))
    walsender.keepalive(0x5000n, true)
    const batch = batchOf(await first)
    expect(batch.atCommit).toBe(false)
    expect(batch.position.lsn).toBe(formatLsn(startLsn))
    feed.ack(batch.position)
    const second = batches.next()
    walsender.keepalive(0x6000n, true)
    const inside = batchOf(await second)
    expect(inside.position).toMatchObject({ lsn: formatLsn(startLsn), tx: { commitLsn: formatLsn(0x1100n) } })
    feed.ack(inside.position)
    const third = batches.next()
    await waitUntil('the keepalives to be read', () => feed.status().server === formatLsn(0x6000n))
    await feed.close()
    expect((await third).done).toBe(true)
    expect(new Set(walsender.statusUpdates.map(({ flush }) => flush))).toEqual(new Set([startLsn]))
  })

  test('a keepalive that asks for a reply gives an idle batch at once, one and no second before its acknowledgement', async () => {
    const { walsender, feed, batches, first } = await followFake()
    walsender.keepalive(0x1800n, true)
    const idle = batchOf(await first)
    expect(idle).toMatchObject({ events: [], atCommit: true, position: { lsn: formatLsn(0x1800n) } })
    const next = batches.next()
    walsender.keepalive(0x1900n, true)
    await waitUntil('the second keepalive to be read', () => feed.status().received === formatLsn(0x1900n))
    expect(walsender.statusUpdates.every(({ flush }) => flush === startLsn)).toBe(true)
    feed.ack(idle.position)
    expect(batchOf(await next).position.lsn).toBe(formatLsn(0x1900n))
    await feed.close()
  })

  test('an LSN of 0, or any that is lower, never moves a position or a report back (trap 11)', async () => {
    const { walsender, feed, batches, first } = await followFake({ walSenderTimeoutMs: 150 })
    walsender.transaction(threeRows)
    const before = batchOf(await first)
    feed.ack(before.position)
    const next = batches.next()
    walsender.keepalive(0n, true)
    // inside a transaction only the report shows how far the stream was received
    walsender.send(...transactionMessages({ ...twoMore, commitLsn: 0x6000n, endLsn: 0x6030n }).slice(0, -1))
    walsender.keepalive(0x5000n)
    await waitUntil('its report', () => walsender.statusUpdates.at(-1)?.write === 0x5000n)
    walsender.keepalive(0n)
    const reports = walsender.statusUpdates.length
    await waitUntil('two more reports', () => walsender.statusUpdates.length >= reports + 2)
    walsender.send(...transactionMessages({ ...twoMore, commitLsn: 0x6000n, endLsn: 0x6030n }).slice(-1))
    expect(batchOf(await next).position.lsn).toBe(formatLsn(0x6030n))
    expect(feed.status().received).toBe(formatLsn(0x6030n))
    await feed.close()
    const writes = walsender.statusUpdates.map(({ write }) => write)
    expect(writes).toEqual([...writes].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
  })
})

describe('a server that asks for a reply', () => {
  test('after every answer, as one that is stopping does, is answered once and then on the timer: no storm begins (trap 10)', async () => {
    const { walsender, feed, batches, first } = await followFake({ walSenderTimeoutMs: 300 })
    walsender.transaction(threeRows)
    await first
    let keepalives = 0
    walsender.onStatusUpdate = () => {
      keepalives++
      // not in the same turn, or a storm would leave no time to notice it
      if (keepalives < 10_000) setImmediate(() => walsender.keepalive(0x2000n, true))
    }
    const before = walsender.statusUpdates.length
    walsender.keepalive(0x2000n, true)
    const pending = batches.next()
    const begunAt = performance.now()
    await waitUntil('four more status updates', () => walsender.statusUpdates.length >= before + 4)
    // one at once, and three of a timer of 100 ms
    expect(keepalives).toBeLessThan(10)
    expect(performance.now() - begunAt).toBeGreaterThan(150)
    void feed.close()
    expect((await pending).done).toBe(true)
  })

  test.each([
    ['does not acknowledge', false],
    ['acknowledges everything at once', true],
  ])(
    'ten thousand times in a row gets a handful of answers from a consumer that %s (trap 64)',
    async (_, acknowledges) => {
      const { walsender, feed, batches, first } = await followFake({ walSenderTimeoutMs: 300 })
      walsender.transaction(threeRows)
      const { position } = batchOf(await first)
      if (acknowledges) feed.ack(position)
      const before = walsender.statusUpdates.length
      const startedAt = performance.now()
      const last = 0x2000n + 10_000n
      for (let at = 0x2000n; at < last; at += 100n) {
        walsender.send(
          ...Array.from({ length: 100 }, (_, index) =>
            encodePrimaryKeepalive({ walEnd: at + BigInt(index) + 1n, sendTime: 0n, replyRequested: true }),
          ),
        )
      }
      const consuming = (async () => {
        for (let next = await batches.next(); !next.done; next = await batches.next()) {
          if (acknowledges) feed.ack(next.value.position)
        }
      })()
      await waitUntil('the last keepalive to be read', () => feed.status().received === formatLsn(last))
      if (acknowledges) {
        await waitUntil('its acknowledgement', () => walsender.statusUpdates.at(-1)?.flush === last)
      }
      const elapsedMs = performance.now() - startedAt
      // one at once, one on the timer each 100 ms, and one for each acknowledged batch, gathered for 2 ms
      expect(walsender.statusUpdates.length - before).toBeLessThanOrEqual(3 + elapsedMs / (acknowledges ? 2 : 100))
      await feed.close()
      await consuming
    },
  )
})

describe('a link', () => {
  test('that goes silent is asked for a reply, and given up when another timeout has passed', async () => {
    const { server, walsender, batches, first } = await followFake({ walSenderTimeoutMs: 300 })
    const askedAt = await waitUntil('being asked for a reply', () =>
      walsender.statusUpdates.some(({ replyRequested }) => replyRequested) ? performance.now() : undefined,
    )
    await expect(first).rejects.toMatchObject({ code: 'connection_lost', retryable: true })
    const waitedMs = performance.now() - askedAt
    expect(waitedMs).toBeGreaterThan(250)
    expect(waitedMs).toBeLessThan(1_000)
    expect(await batches.next()).toEqual({ done: true, value: undefined })
    await waitUntil('both connections to be closed', () => server.openSessions === 0)
  })

  test('that answers when it is asked lives on, however little happens', async () => {
    const { walsender, feed, first } = await followFake({ walSenderTimeoutMs: 150 })
    let asked = 0
    walsender.onStatusUpdate = ({ replyRequested }) => {
      if (!replyRequested) return
      asked++
      walsender.keepalive(startLsn)
    }
    await waitUntil('being asked five times', () => asked >= 5)
    walsender.transaction(threeRows)
    expect(idsOf(batchOf(await first))).toEqual([1, 2, 3])
    await feed.close()
  })

  test('is not given up for a silence while the consumer holds back and nothing is read (traps 13 and 68)', async () => {
    const { walsender, feed, batches, first } = await followFake({ walSenderTimeoutMs: 150 })
    walsender.transaction(threeRows)
    await first
    const before = walsender.statusUpdates.length
    // 50 ms each: four whole timeouts
    await waitUntil('twelve status updates', () => walsender.statusUpdates.length >= before + 12)
    walsender.transaction(twoMore)
    expect(idsOf(batchOf(await batches.next()))).toEqual([4, 5])
    await feed.close()
  })
})

describe('the read-ahead', () => {
  test('holds what was asked for and a chunk, and the server is held back', async () => {
    const maxBufferedBytes = 256 * 1024
    const { walsender, feed, batches, first } = await followFake({ walSenderTimeoutMs: 150 }, { maxBufferedBytes })
    walsender.transaction(threeRows)
    feed.ack(batchOf(await first).position)
    const wide = Array.from({ length: 2_000 }, (_, index) => ({ id: 10 + index, body: 'x'.repeat(1_000) }))
    for (const message of transactionMessages({ ...twoMore, rows: wide })) walsender.send(message)
    let most = 0
    const before = walsender.statusUpdates.length
    await waitUntil('eight status updates while nothing is taken', () => {
      most = Math.max(most, feed.status().bufferedBytes)
      return walsender.statusUpdates.length >= before + 8
    })
    expect(most).toBeGreaterThan(maxBufferedBytes / 2)
    expect(most).toBeLessThanOrEqual(maxBufferedBytes + 65_536)
    expect(walsender.unread).toBeGreaterThan(1_000_000)
    const ids: number[] = []
    while (ids.length < wide.length) {
      const batch = batchOf(await batches.next())
      ids.push(...idsOf(batch))
      feed.ack(batch.position)
      expect(feed.status().bufferedBytes).toBeLessThanOrEqual(maxBufferedBytes + 65_536)
    }
    expect(ids).toEqual(wide.map(({ id }) => id))
    await feed.close()
  })
})

describe('a stream that breaks', () => {
  const ways: readonly [string, (walsender: FakeWalsender) => void, object][] = [
    [
      'with a FATAL error, as when its backend is terminated',
      (walsender) => {
        walsender.error({
          severity: 'FATAL',
          sqlstate: '57P01',
          text: 'terminating connection due to administrator command',
        })
        walsender.hangUp()
      },
      { code: 'server_stopping', sqlstate: '57P01', retryable: true },
    ],
    [
      'with an ERROR and ReadyForQuery, the connection still there',
      (walsender) => {
        walsender.error({ severity: 'ERROR', sqlstate: '22021', text: 'invalid byte sequence for encoding' })
        walsender.readyForQuery()
      },
      { code: 'server_error', sqlstate: '22021', retryable: false },
    ],
    [
      'with CopyDone and nothing after it',
      (walsender) => walsender.send(Buffer.from([0x63, 0, 0, 0, 4])),
      { code: 'server_stopping', retryable: true },
    ],
    [
      'with CommandComplete and an end, neither CopyDone nor ReadyForQuery, as a server that is stopping',
      (walsender) => {
        walsender.commandComplete()
        walsender.hangUp()
      },
      { code: 'server_stopping', retryable: true },
    ],
    [
      'with an end in the middle of a message',
      (walsender) => {
        walsender.send(insertMessage(0x1200n, { id: 9, body: 'cut off' }).subarray(0, 30))
        walsender.hangUp()
      },
      { code: 'connection_lost', retryable: true },
    ],
    [
      'with an end between two messages',
      (walsender) => walsender.hangUp(),
      { code: 'connection_lost', retryable: true },
    ],
    [
      'with a length that cannot be one',
      (walsender) => walsender.send(Buffer.from([0x64, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])),
      { code: 'protocol_violation', retryable: false },
    ],
    [
      'with a message that has no place in a copy',
      (walsender) => walsender.send(Buffer.from([0x44, 0, 0, 0, 6, 0, 0])),
      { code: 'protocol_violation', retryable: false },
    ],
    [
      'with CopyData that is neither XLogData nor a keepalive',
      (walsender) => walsender.send(Buffer.from([0x64, 0, 0, 0, 5, 0x78])),
      { code: 'protocol_violation', retryable: false },
    ],
    [
      'with XLogData that ends in its header',
      (walsender) => walsender.send(Buffer.from([0x64, 0, 0, 0, 8, 0x77, 0, 0, 0])),
      { code: 'protocol_violation', retryable: false },
    ],
    [
      'with a message that pgoutput does not have',
      (walsender) => walsender.send(xLogData(0x1200n, Buffer.from('?'))),
      { code: 'protocol_violation', retryable: false },
    ],
    [
      'with a row outside a transaction',
      (walsender) => walsender.send(insertMessage(0x1200n, { id: 9, body: 'astray' })),
      { code: 'protocol_violation', retryable: false },
    ],
  ]

  test.each(ways)('%s: what came whole is delivered, then one error, then the end', async (_, breakIt, error) => {
    const { server, walsender, batches, first } = await followFake()
    walsender.transaction(threeRows)
    walsender.transaction(twoMore)
    breakIt(walsender)
    const delivered = idsOf(batchOf(await first))
    while (delivered.length < 5) delivered.push(...idsOf(batchOf(await batches.next())))
    expect(delivered).toEqual([1, 2, 3, 4, 5])
    await expect(batches.next()).rejects.toMatchObject(error)
    expect(await batches.next()).toEqual({ done: true, value: undefined })
    await waitUntil('both connections to be closed', () => server.openSessions === 0)
  })

  test('in the middle of a transaction delivers nothing of that, since it fits a batch and may yet change', async () => {
    const { walsender, batches, first } = await followFake()
    walsender.send(...transactionMessages(threeRows), ...transactionMessages(twoMore).slice(0, -1))
    walsender.hangUp()
    expect(idsOf(batchOf(await first))).toEqual([1, 2, 3])
    await expect(batches.next()).rejects.toMatchObject({ code: 'connection_lost' })
  })

  test('all in one chunk with what came before it still delivers that', async () => {
    const { walsender, batches, first } = await followFake()
    walsender.send(...transactionMessages(threeRows), errorResponse({ severity: 'FATAL', sqlstate: '57P01' }))
    walsender.hangUp()
    expect(idsOf(batchOf(await first))).toEqual([1, 2, 3])
    await expect(batches.next()).rejects.toMatchObject({ code: 'server_stopping' })
  })
})
