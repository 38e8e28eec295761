import { describe, expect, test } from 'vitest'
import { formatLsn } from '../../../src/protocol/messages/lsn.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Feed, FollowOptions } from '../../../src/replication/feed.ts'
import { follow } from '../../../src/replication/follow.ts'
import type { Position } from '../../../src/replication/position.ts'
import { waitUntil } from '../../server/index.ts'
import {
  FakeServer,
  type FakeTransaction,
  type FakeWalsender,
  fakeFacts,
  transactionMessages,
} from './fake-walsender.ts'

const startLsn = 0x1000n
const firstTransaction: FakeTransaction = {
  xid: 700,
  commitLsn: 0x1100n,
  endLsn: 0x1130n,
  rows: [{ id: 1, body: 'a' }],
}
const secondTransaction: FakeTransaction = {
  xid: 701,
  commitLsn: 0x1200n,
  endLsn: 0x1230n,
  rows: [{ id: 2, body: 'b' }],
}

function followFake(server: FakeServer, options: Partial<FollowOptions> = {}): Feed {
  const { slot, publication } = fakeFacts
  return follow({
    connection: server.connection,
    publication,
    slot,
    start: formatLsn(startLsn),
    reconnect: false,
    ...options,
  })
}

/** A feed that has delivered one batch, which is in the consumer's hand. */
async function feedWithBatchInHand(options: Partial<FollowOptions> = {}): Promise<{
  server: FakeServer
  walsender: FakeWalsender
  feed: Feed
  batches: AsyncIterator<Batch, undefined>
  position: Position
}> {
  const server = new FakeServer()
  const feed = followFake(server, options)
  const batches = feed[Symbol.asyncIterator]()
  const first = batches.next()
  const walsender = await server.walsender
  walsender.transaction(firstTransaction)
  const { value } = await first
  if (value === undefined) throw new Error('the feed ended before it began')
  return { server, walsender, feed, batches, position: value.position }
}

/** How long something takes. */
async function timed(promise: Promise<unknown>): Promise<number> {
  const begunAt = performance.now()
  await promise
  return performance.now() - begunAt
}

function lastFlush(walsender: FakeWalsender): bigint | undefined {
  return walsender.statusUpdates.at(-1)?.flush
}

const done = { done: true, value: undefined }

describe('a feed that is not iterated', () => {
  test('connects to nothing', async () => {
    const server = new FakeServer()
    const feed = followFake(server)
    expect(feed.status()).toMatchObject({
      state: 'waiting',
      received: undefined,
      delivered: undefined,
      bufferedBytes: 0,
    })
    feed[Symbol.asyncIterator]()
    await feed.close()
    expect(server.connections).toBe(0)
    expect(feed.status().state).toBe('closed')
  })

  test('can be closed, and is over for who iterates it then', async () => {
    const server = new FakeServer()
    const feed = followFake(server)
    await feed.close()
    const batches: Batch[] = []
    for await (const batch of feed) batches.push(batch)
    expect(batches).toEqual([])
    expect(server.connections).toBe(0)
  })

  test('under a signal that is aborted already rejects the first pull with its reason, once', async () => {
    const server = new FakeServer()
    const reason = new Error('not today')
    const batches = followFake(server, { signal: AbortSignal.abort(reason) })[Symbol.asyncIterator]()
    await expect(batches.next()).rejects.toBe(reason)
    expect(await batches.next()).toEqual(done)
    expect(server.connections).toBe(0)
  })
})

describe('a second iteration', () => {
  test('is refused while the first goes on, and after it', async () => {
    const { feed } = await feedWithBatchInHand()
    const feedUsed = expect.objectContaining({ code: 'feed_used' })
    expect(() => feed[Symbol.asyncIterator]()).toThrow(feedUsed)
    await feed.close()
    expect(() => feed[Symbol.asyncIterator]()).toThrow(feedUsed)
  })
})

describe('a signal', () => {
  test('makes the pending pull reject with its reason, whatever that is, at once', async () => {
    const abort = new AbortController()
    const { batches, server } = await feedWithBatchInHand({ signal: abort.signal })
    const pending = batches.next()
    const begunAt = performance.now()
    abort.abort('a reason that is no error')
    await expect(pending).rejects.toBe('a reason that is no error')
    expect(performance.now() - begunAt).toBeLessThan(100)
    expect(await batches.next()).toEqual(done)
    await waitUntil('the connections to be closed', () => server.openSessions === 0, 1_000)
  })

  test('that aborts while no pull is pending makes the next one reject, and the one after it end', async () => {
    const abort = new AbortController()
    const { batches } = await feedWithBatchInHand({ signal: abort.signal })
    const reason = new Error('enough')
    abort.abort(reason)
    await expect(batches.next()).rejects.toBe(reason)
    expect(await batches.next()).toEqual(done)
  })

  test('lets the acknowledgements that were made before it go out first', async () => {
    const abort = new AbortController()
    const { feed, walsender, position } = await feedWithBatchInHand({ signal: abort.signal })
    feed.ack(position)
    abort.abort()
    await waitUntil('CopyDone', () => walsender.clientDone, 1_000)
    expect(lastFlush(walsender)).toBe(firstTransaction.endLsn)
  })

  test('acknowledges nothing by itself', async () => {
    const abort = new AbortController()
    const { walsender } = await feedWithBatchInHand({ signal: abort.signal })
    abort.abort()
    await waitUntil('CopyDone', () => walsender.clientDone, 1_000)
    expect(lastFlush(walsender)).toBe(startLsn)
  })

  test('ends a feed whose server does not even take the connection', async () => {
    const server = new FakeServer()
    server.unreachable = true
    const abort = new AbortController()
    const pending = followFake(server, { signal: abort.signal })[Symbol.asyncIterator]().next()
    await waitUntil('the connection to be asked for', () => server.connections > 0)
    const reason = new Error('too slow')
    abort.abort(reason)
    await expect(pending).rejects.toBe(reason)
  })

  test('that aborts after the end changes nothing, and the feed does not listen any more', async () => {
    const abort = new AbortController()
    const { feed, batches } = await feedWithBatchInHand({ signal: abort.signal })
    await feed.close()
    abort.abort(new Error('too late'))
    expect(await batches.next()).toEqual(done)
  })
})

describe('close', () => {
  test('ends the pending pull normally', async () => {
    const { feed, batches, position } = await feedWithBatchInHand()
    feed.ack(position)
    const pending = batches.next()
    void feed.close()
    expect(await pending).toEqual(done)
    expect(await batches.next()).toEqual(done)
  })

  test('waits for the acknowledgement of the batch in hand, which still counts', async () => {
    const { feed, walsender, position, server } = await feedWithBatchInHand()
    const closing = feed.close()
    expect(walsender.clientDone).toBe(false)
    feed.ack(position)
    expect(await timed(closing)).toBeLessThan(200)
    expect(lastFlush(walsender)).toBe(firstTransaction.endLsn)
    await waitUntil('the connections to be closed', () => server.openSessions === 0, 100)
  })

  test('does not wait where everything is acknowledged', async () => {
    const { feed, position } = await feedWithBatchInHand()
    feed.ack(position)
    expect(await timed(feed.close())).toBeLessThan(200)
  })

  test('is over within a second without that acknowledgement, and flushes nothing', async () => {
    const { feed, walsender } = await feedWithBatchInHand()
    expect(await timed(feed.close())).toBeLessThan(1_000)
    expect(lastFlush(walsender)).toBe(startLsn)
  })

  test('delivers nothing any more, whatever comes meanwhile', async () => {
    const { feed, batches, walsender } = await feedWithBatchInHand()
    const closing = feed.close()
    walsender.transaction(secondTransaction)
    expect(await batches.next()).toEqual(done)
    await closing
    expect(feed.status().delivered).toBe(formatLsn(firstTransaction.endLsn))
  })

  test('can be called again and again: all resolve', async () => {
    const { feed, server } = await feedWithBatchInHand()
    await Promise.all([feed.close(), feed.close(), feed[Symbol.asyncDispose]()])
    await feed.close()
    expect(server.openSessions).toBe(0)
  })
})

describe('a loop that is left', () => {
  test('by break leaves the batch in hand to be acknowledged after it', async () => {
    const server = new FakeServer()
    const feed = followFake(server)
    void server.walsender.then((walsender) => walsender.transaction(firstTransaction))
    let position: Position | undefined
    for await (const batch of feed) {
      position = batch.position
      break
    }
    const walsender = await server.walsender
    expect(walsender.clientDone).toBe(false)
    if (position !== undefined) feed.ack(position)
    await waitUntil('the connections to be closed', () => server.openSessions === 0, 1_000)
    expect(lastFlush(walsender)).toBe(firstTransaction.endLsn)
  })

  test('by break after its acknowledgement goes on when everything is closed', async () => {
    const server = new FakeServer()
    const feed = followFake(server)
    void server.walsender.then((walsender) => walsender.transaction(firstTransaction))
    for await (const batch of feed) {
      feed.ack(batch.position)
      break
    }
    expect(server.openSessions).toBe(0)
    expect(lastFlush(await server.walsender)).toBe(firstTransaction.endLsn)
  })

  test('by return ends the feed the same way', async () => {
    const server = new FakeServer()
    void server.walsender.then((walsender) => walsender.transaction(firstTransaction))
    const takeOne = async (feed: Feed): Promise<Batch | undefined> => {
      for await (const batch of feed) {
        feed.ack(batch.position)
        return batch
      }
      return undefined
    }
    expect((await takeOne(followFake(server)))?.events).toHaveLength(4)
    expect(server.openSessions).toBe(0)
  })

  test('by an error passes that on, and acknowledges nothing', async () => {
    const server = new FakeServer()
    void server.walsender.then((walsender) => walsender.transaction(firstTransaction))
    const mishap = new Error('the destination is full')
    const consume = async () => {
      for await (const _ of followFake(server)) throw mishap
    }
    await expect(consume()).rejects.toBe(mishap)
    await waitUntil('the connections to be closed', () => server.openSessions === 0, 1_000)
    expect(lastFlush(await server.walsender)).toBe(startLsn)
  })

  test('with await using is closed at the end of its block', async () => {
    const server = new FakeServer()
    void server.walsender.then((walsender) => walsender.transaction(firstTransaction))
    {
      await using feed = followFake(server)
      const { value } = await feed[Symbol.asyncIterator]().next()
      if (value !== undefined) feed.ack(value.position)
    }
    expect(server.openSessions).toBe(0)
    expect(lastFlush(await server.walsender)).toBe(firstTransaction.endLsn)
  })
})

describe('several pulls at once', () => {
  test('are answered in turn, each with the next batch', async () => {
    const { walsender, batches, feed } = await feedWithBatchInHand({ maxBatchRows: 4 })
    const pulls = [batches.next(), batches.next()]
    walsender.transaction(secondTransaction)
    walsender.transaction({ xid: 702, commitLsn: 0x1300n, endLsn: 0x1330n, rows: [{ id: 3, body: 'c' }] })
    const ids = (await Promise.all(pulls)).map(({ value }) =>
      value?.events.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : [])),
    )
    expect(ids.flat()).toEqual([2, 3])
    await feed.close()
  })

  test('all end when the feed is closed', async () => {
    const { batches, feed, position } = await feedWithBatchInHand()
    feed.ack(position)
    const pulls = [batches.next(), batches.next(), batches.next()]
    void feed.close()
    expect(await Promise.all(pulls)).toEqual([done, done, done])
  })

  test('one of them rejects when the signal aborts, the others end', async () => {
    const abort = new AbortController()
    const { batches } = await feedWithBatchInHand({ signal: abort.signal })
    const pulls = [batches.next(), batches.next(), batches.next()]
    const reason = new Error('stop')
    abort.abort(reason)
    await expect(pulls[0]).rejects.toBe(reason)
    expect(await Promise.all(pulls.slice(1))).toEqual([done, done])
  })
})

describe('a walsender that is left', () => {
  test('gets the last feedback, then CopyDone, and is not cancelled when it leaves by itself', async () => {
    const { feed, position, walsender, server } = await feedWithBatchInHand()
    feed.ack(position)
    await feed.close()
    expect(walsender.clientDone).toBe(true)
    expect(server.cancels).toBe(0)
  })

  test('is cancelled after 300 ms when it goes on sending a large transaction (trap 62)', async () => {
    const { feed, position, walsender, server } = await feedWithBatchInHand()
    feed.ack(position)
    walsender.answersCopyDone = false
    server.onCancel = () => {
      walsender.error({ severity: 'ERROR', sqlstate: '57014', text: 'canceling statement due to user request' })
      walsender.readyForQuery()
    }
    const closing = feed.close()
    const [begin, relation, row] = transactionMessages(secondTransaction)
    if (begin && relation && row) walsender.send(begin, relation, ...Array.from({ length: 40_000 }, () => row))
    const closedMs = await timed(closing)
    expect(server.cancels).toBe(1)
    expect(closedMs).toBeGreaterThan(250)
    expect(closedMs).toBeLessThan(600)
  })

  test('is dropped within a second when it takes neither CopyDone nor a cancel request', async () => {
    const { feed, position, walsender, server } = await feedWithBatchInHand()
    feed.ack(position)
    walsender.answersCopyDone = false
    server.unreachable = true
    expect(await timed(feed.close())).toBeLessThan(1_000)
    expect(server.openSessions).toBe(0)
  })

  test('that is gone already is waited for no more', async () => {
    const { feed, batches, position, walsender } = await feedWithBatchInHand()
    feed.ack(position)
    walsender.hangUp()
    await expect(batches.next()).rejects.toMatchObject({ code: 'connection_lost' })
    expect(await timed(feed.close())).toBeLessThan(100)
  })
})

describe('a slot that is being made', () => {
  test('and is made at the very moment at which the feed ends, is dropped again', async () => {
    const server = new FakeServer({ confirmedFlush: undefined })
    let makeIt = () => {}
    const made = new Promise<void>((resolve) => {
      makeIt = resolve
    })
    server.hold = (command) => (command.startsWith('CREATE_REPLICATION_SLOT') ? made : undefined)
    server.onCancel = () => makeIt()
    const abort = new AbortController()
    const feed = followFake(server, { start: undefined, signal: abort.signal })
    const batches = feed[Symbol.asyncIterator]()
    await batches.next()
    const pending = batches.next()
    pending.catch(() => {})
    await waitUntil('the command', () => server.commands.some((command) => command.startsWith('CREATE_')))
    abort.abort()
    expect(await timed(feed.close())).toBeLessThan(1_000)
    expect(server.cancels).toBe(1)
    const dropped = server.commands.filter((command) => /drop_replication_slot/i.test(command))
    expect(dropped).toEqual([expect.stringContaining(fakeFacts.slot)])
    expect(server.openSessions).toBe(0)
  })
})

describe('a feed that is closed', () => {
  // wherever between the slot's creation and the caller's continuation the end comes in
  const moments = Array.from({ length: 24 }, (_, ticks) => ticks)

  test('while the answer of its pull is on the way leaves the slot to whoever got its position, and else drops it', async () => {
    const outcomes: string[] = []
    for (const ticks of moments) {
      const server = new FakeServer({ confirmedFlush: undefined })
      const { slot, publication } = fakeFacts
      let closing: Promise<void> | undefined
      const feed = follow({ connection: server.connection, publication, slot, snapshot: 'never', reconnect: false })
      server.hold = (command) => {
        if (command.startsWith('CREATE_REPLICATION_SLOT')) void later(ticks).then(() => (closing = feed.close()))
        return undefined
      }
      const batches = feed[Symbol.asyncIterator]()
      await batches.next()
      const { value } = await batches.next()
      await waitUntil('the feed to be closed', () => closing !== undefined)
      await closing
      const dropped = server.commands.some((command) => command.includes('pg_drop_replication_slot'))
      outcomes.push(`${value === undefined ? 'nobody' : value.position.phase} ${dropped ? 'dropped' : 'stays'}`)
    }
    expect(new Set(outcomes)).toEqual(new Set(['nobody dropped', 'stream stays']))
  }, 60_000)
})

/** After so many turns of the loop, and a few of what comes before the next. */
async function later(ticks: number): Promise<void> {
  for (let turn = 0; turn < ticks; turn++) {
    if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    else await Promise.resolve()
  }
}
