import { connect as connectSocket, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Batch,
  type ConnectionOptions,
  type Feed,
  type FollowOptions,
  follow,
  parseLsn,
} from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { beforeConnection, firstCopy } from './helpers/between.ts'
import { Source } from './helpers/source.ts'

/** How long the end of a feed may take. */
const endMs = 1_000
const rowsInAll = 1_000_000

/** A second that begins when a feed is left. It is a timer, so that a machine that is busy delays it as it delays the feed. */
class Second {
  #begun = false
  #over = false
  #timer: NodeJS.Timeout | undefined

  begin(): void {
    this.#begun = true
    this.#timer = setTimeout(() => {
      this.#over = true
    }, endMs)
  }

  expectNotOver(): void {
    clearTimeout(this.#timer)
    expect({ begun: this.#begun, over: this.#over }).toEqual({ begun: true, over: false })
  }
}

/** A feed in its loop. */
interface Loop {
  readonly feed: Feed
  readonly abort: AbortController
  readonly second: Second
  /** Whether a batch is the one at which to leave. */
  readonly isThere: (batch: Batch) => boolean
}

/** A feed that can be told from all others on the server: by its application's name, which is its slot's too. */
interface DistinctFeed {
  readonly feed: Feed
  readonly abort: AbortController
  readonly name: string
  readonly second: Second
}

/** Leaves a feed's loop and waits until all is closed. */
type Way = (loop: Loop) => Promise<void>

const reason = new Error('the signal')

async function expectToThrow(promise: Promise<unknown>, expected: Error): Promise<void> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBe(expected)
}

const ways: Readonly<Record<string, Way>> = {
  'by the signal while a pull is pending': async ({ feed, abort, second, isThere }) => {
    const batches = feed[Symbol.asyncIterator]()
    for (let next = await batches.next(); next.value && !isThere(next.value); next = await batches.next());
    const pending = batches.next()
    second.begin()
    abort.abort(reason)
    await expectToThrow(pending, reason)
    await feed.close()
  },
  'by the signal while the consumer works': async ({ feed, abort, second, isThere }) => {
    const loop = async () => {
      for await (const batch of feed) {
        if (!isThere(batch)) continue
        second.begin()
        abort.abort(reason)
      }
    }
    await expectToThrow(loop(), reason)
    await feed.close()
  },
  'by close': async ({ feed, second, isThere }) => {
    let closing: Promise<void> | undefined
    for await (const batch of feed) {
      expect(closing).toBeUndefined()
      if (!isThere(batch)) continue
      second.begin()
      closing = feed.close()
    }
    await closing
  },
  'by break': async ({ feed, second, isThere }) => {
    for await (const batch of feed) {
      if (!isThere(batch)) continue
      second.begin()
      break
    }
    await feed.close()
  },
  'by return': async ({ feed, second, isThere }) => {
    const loop = async (): Promise<void> => {
      for await (const batch of feed) {
        if (!isThere(batch)) continue
        second.begin()
        return
      }
    }
    await loop()
    await feed.close()
  },
  'by an error in the loop': async ({ feed, second, isThere }) => {
    const mishap = new Error('the destination is full')
    const loop = async () => {
      for await (const batch of feed) {
        if (!isThere(batch)) continue
        second.begin()
        throw mishap
      }
    }
    await expectToThrow(loop(), mishap)
    await feed.close()
  },
  'by the end of its block': async ({ feed: declared, second, isThere }) => {
    {
      await using feed = declared
      const batches = feed[Symbol.asyncIterator]()
      for (let next = await batches.next(); next.value && !isThere(next.value); next = await batches.next());
      second.begin()
    }
  },
}

/** The two that can end a feed while its pull waits for nothing in particular. */
const waysWhileWaiting = {
  'by the signal': async (feed: Feed, abort: AbortController, pending: Promise<unknown>) => {
    abort.abort(reason)
    await expectToThrow(pending, reason)
    await feed.close()
  },
  'by close': async (feed: Feed, _: AbortController, pending: Promise<unknown>) => {
    const closing = feed.close()
    expect(await pending).toEqual({ done: true, value: undefined })
    await closing
  },
} as const

/** All in one transaction, and with COPY, which the server decodes in half the time of an INSERT. */
async function copyRows(sql: Sql): Promise<void> {
  const copy = await sql`COPY big FROM STDIN`.writable()
  const lines = function* () {
    for (let id = 1; id <= rowsInAll; id += 1_000) {
      yield Array.from({ length: 1_000 }, (_, index) => `${id + index}\trow number ${id + index}\n`).join('')
    }
  }
  await pipeline(lines, copy)
}

describe.each(outerVersions())('the end of a feed, on PostgreSQL %i', (version) => {
  let server: TestServer
  let source: Source
  /** Sees what is left on the server. */
  let observer: Sql

  beforeAll(async () => {
    // a server of its own: transactions are held open here, and 1,000,000 rows written at once
    server = await bootServer({ version, settings: { logical_decoding_work_mem: '1GB', max_wal_size: '8GB' } })
    source = await Source.make(server, 'CREATE TABLE big (id int, body text)')
    observer = source.session()
    await source.write("SELECT pg_create_logical_replication_slot('before_all', 'pgoutput')")
    await source.write("INSERT INTO big VALUES (0, 'a small transaction before')")
    await copyRows(source.sql)
  })
  afterAll(async () => {
    await source[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  let feeds = 0

  /** A feed that can be told from all others on the server. */
  function distinctFeed(options: Partial<FollowOptions>): DistinctFeed {
    const name = `feed_${++feeds}`
    const url = new URL(source.url)
    url.searchParams.set('application_name', name)
    const abort = new AbortController()
    const feed = follow({
      connection: url.href,
      publication: source.publication,
      slot: name,
      signal: abort.signal,
      reconnect: false,
      ...options,
    })
    return { feed, abort, name, second: new Second() }
  }

  /** A feed over a slot of its own that stands before everything that was written. */
  async function feedOfTheLargeTransaction(options: Partial<FollowOptions> = {}) {
    const made = distinctFeed({ start: 'slot', maxBatchRows: 1_000, ...options })
    await observer.unsafe(`SELECT pg_copy_logical_replication_slot('before_all', '${made.name}')`)
    return made
  }

  async function backendsOf(name: string): Promise<number> {
    const [row] = await observer`SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = ${name}`
    return Number(row?.n)
  }

  async function slotNamed(name: string): Promise<{ confirmed: bigint; active: boolean } | undefined> {
    const [row] = await observer`
      SELECT confirmed_flush_lsn::text AS confirmed, active FROM pg_replication_slots WHERE slot_name = ${name}`
    return row && { confirmed: parseLsn(String(row.confirmed ?? '0/0')), active: row.active === true }
  }

  async function dropSlotNamed(name: string): Promise<void> {
    // the server takes a moment to notice that a socket was closed
    await waitUntil('the slot to be free', async () => !(await slotNamed(name))?.active, endMs)
    await observer`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ${name}`
  }

  /** Closed within a second, and soon after that nothing of it is left on the server. */
  async function expectEnded(name: string, second: Second): Promise<void> {
    second.expectNotOver()
    await expectGone(name)
  }

  async function expectGone(name: string): Promise<void> {
    await waitUntil('the backends to be gone', async () => (await backendsOf(name)) === 0, endMs)
  }

  describe(`in the middle of a transaction of ${rowsInAll} rows`, () => {
    // by return and by the end of a block it is the same as by break, which the snapshot and the fake server show
    const chosen = Object.entries(ways).filter(([name]) => /pending|close|break|error/.test(name))
    test.each(chosen)('%s: within a second, and the slot stands where it stood', async (_, leave) => {
      const { feed, abort, name, second } = await feedOfTheLargeTransaction()
      const before = (await slotNamed(name))?.confirmed
      let received = 0
      const isThere = ({ events, position }: Batch) => {
        received += events.length
        return position.tx !== undefined && received >= 3_000
      }
      await leave({ feed, abort, second, isThere })
      await expectEnded(name, second)
      expect(await slotNamed(name)).toEqual({ confirmed: before, active: false })
      // batches of 1,000: nothing was delivered after it was left
      expect(received).toBeLessThan(5_000)
      await dropSlotNamed(name)
    })

    test('the slot never stands past the last acknowledged position, whatever of it still reached the server', async () => {
      const { feed, abort, name, second } = await feedOfTheLargeTransaction()
      let acknowledged = 0n
      const isThere = (batch: Batch) => {
        feed.ack(batch.position)
        acknowledged = parseLsn(batch.position.lsn)
        return batch.position.tx !== undefined
      }
      await ways['by the signal while a pull is pending']?.({ feed, abort, second, isThere })
      await expectEnded(name, second)
      const slot = await slotNamed(name)
      expect(slot?.confirmed).toBeLessThanOrEqual(acknowledged)
      await dropSlotNamed(name)
    })

    test('before its first row is sent, while the server still decodes', async () => {
      const { feed, abort, name, second } = await feedOfTheLargeTransaction({ maxBatchRows: 1 })
      const pending = feed[Symbol.asyncIterator]().next()
      pending.catch(() => {})
      await waitUntil('the walsender to decode', async () => (await slotNamed(name))?.active)
      second.begin()
      abort.abort(reason)
      await feed.close()
      await expectEnded(name, second)
      await dropSlotNamed(name)
    })
  })

  describe(`in the middle of a snapshot of ${rowsInAll} rows`, () => {
    test.each(Object.entries(ways))(
      '%s: within a second, and the slot that nobody continues is gone',
      async (_, leave) => {
        const { feed, abort, name, second } = distinctFeed({ maxBatchRows: 1_000 })
        let received = 0
        const isThere = ({ events, position }: Batch) => {
          received += events.length
          return position.phase === 'snapshot' && received >= 3_000
        }
        await leave({ feed, abort, second, isThere })
        await expectEnded(name, second)
        expect(await slotNamed(name)).toBeUndefined()
        expect(received).toBeLessThan(5_000)
      },
    )

    test('the slot stays when something of the snapshot was acknowledged', async () => {
      const { feed, abort, name, second } = distinctFeed({ maxBatchRows: 1_000 })
      const isThere = (batch: Batch) => {
        feed.ack(batch.position)
        return batch.position.phase === 'snapshot'
      }
      await ways['by break']?.({ feed, abort, second, isThere })
      await expectEnded(name, second)
      expect(await slotNamed(name)).toMatchObject({ active: false })
      await dropSlotNamed(name)
    })

    test('the slot goes when only the position before it was acknowledged', async () => {
      const { feed, abort, name, second } = distinctFeed({ maxBatchRows: 1_000 })
      const isThere = (batch: Batch) => {
        if (batch.position.phase === 'new') feed.ack(batch.position)
        return batch.position.phase === 'snapshot'
      }
      await ways['by close']?.({ feed, abort, second, isThere })
      await expectEnded(name, second)
      expect(await slotNamed(name)).toBeUndefined()
    })

    test('by an error that a type function throws: thrown once, and the slot is gone', async () => {
      const mishap = new Error('not a number that I like')
      const types = {
        int4: (value: number) => {
          if (value === 500_000) throw mishap
          return value
        },
      }
      const { feed, name } = distinctFeed({ types })
      const batches = feed[Symbol.asyncIterator]()
      const drain = async () => {
        for (let next = await batches.next(); !next.done; next = await batches.next());
      }
      await expect(drain()).rejects.toThrow('not a number that I like')
      expect(await batches.next()).toEqual({ done: true, value: undefined })
      await waitUntil('the backends to be gone', async () => (await backendsOf(name)) === 0, endMs)
      expect(await slotNamed(name)).toBeUndefined()
    })
  })

  describe('idle', () => {
    /** A feed whose pull waits because nothing is written. */
    async function idleFeed() {
      const made = distinctFeed({ snapshot: 'never' })
      const batches = made.feed[Symbol.asyncIterator]()
      await batches.next()
      const { value: first } = await batches.next()
      if (first === undefined) throw new Error('the feed ended before it began')
      const pending = batches.next()
      pending.catch(() => {})
      await waitUntil('the stream', () => made.feed.status().received !== undefined)
      return { ...made, batches, pending, first }
    }

    test.each(Object.entries(waysWhileWaiting))('%s: within a second', async (_, leave) => {
      const { feed, abort, name, second, pending, first } = await idleFeed()
      feed.ack(first.position)
      second.begin()
      await leave(feed, abort, pending)
      await expectEnded(name, second)
      expect(await slotNamed(name)).toMatchObject({ active: false })
      await dropSlotNamed(name)
    })

    test.each(Object.entries(waysWhileWaiting))(
      '%s, with nothing acknowledged: the slot stays, for the position that was delivered may be stored',
      async (_, leave) => {
        const { feed, abort, name, second, pending, first } = await idleFeed()
        second.begin()
        await leave(feed, abort, pending)
        await expectEnded(name, second)
        expect(await slotNamed(name)).toEqual({ confirmed: parseLsn(first.position.lsn), active: false })
        await dropSlotNamed(name)
      },
    )

    test.each(['close', 'break'] as const)(
      'by %s: the batch in hand counts when it is acknowledged after that',
      async (way) => {
        const { feed, name, second, batches, pending, first } = await idleFeed()
        feed.ack(first.position)
        await source.write("INSERT INTO big VALUES (-1, 'the last one')")
        const { value: batch } = await pending
        if (batch === undefined) throw new Error('the feed ended')
        second.begin()
        const closing = way === 'close' ? feed.close() : batches.return?.().then(() => feed.close())
        expect(await slotNamed(name)).toMatchObject({ active: true })
        feed.ack(batch.position)
        await closing
        await expectEnded(name, second)
        expect((await slotNamed(name))?.confirmed).toBe(parseLsn(batch.position.lsn))
        await dropSlotNamed(name)
      },
    )

    test('by the signal: what was acknowledged right before it reaches the server', async () => {
      const { feed, abort, name, pending, first } = await idleFeed()
      feed.ack(first.position)
      await source.write("INSERT INTO big VALUES (-1, 'the last one')")
      const { value: batch } = await pending
      if (batch === undefined) throw new Error('the feed ended')
      feed.ack(batch.position)
      abort.abort(reason)
      await feed.close()
      expect((await slotNamed(name))?.confirmed).toBe(parseLsn(batch.position.lsn))
      await dropSlotNamed(name)
    })

    test('after the server ended the walsender: one error, then the end, and the slot keeps what was acknowledged', async () => {
      const { feed, name, batches, pending, first } = await idleFeed()
      feed.ack(first.position)
      await waitUntil(
        'the acknowledgement',
        async () => (await slotNamed(name))?.confirmed === parseLsn(first.position.lsn),
      )
      await observer`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = ${name}`
      await expect(pending).rejects.toMatchObject({ code: 'server_stopping', retryable: true })
      expect(await batches.next()).toEqual({ done: true, value: undefined })
      await expectGone(name)
      expect((await slotNamed(name))?.confirmed).toBe(parseLsn(first.position.lsn))
      await dropSlotNamed(name)
    })

    test('after its ordinary connection was ended: the same, since the two belong together', async () => {
      const { feed, name, pending, first } = await idleFeed()
      feed.ack(first.position)
      await observer`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = ${name} AND backend_type = 'client backend'`
      await expect(pending).rejects.toMatchObject({ code: 'server_stopping', retryable: true })
      await expectGone(name)
      await dropSlotNamed(name)
    })
  })

  describe('while the slot is being made and waits for a transaction', () => {
    test.each(Object.entries(waysWhileWaiting))(
      '%s: within a second, and no slot comes of it later',
      async (_, leave) => {
        const blocker = source.session()
        await blocker.unsafe('BEGIN; SELECT txid_current()').simple()
        const { feed, abort, name, second } = distinctFeed({})
        const batches = feed[Symbol.asyncIterator]()
        await batches.next()
        const pending = batches.next()
        pending.catch(() => {})
        await waitUntil('the slot to be begun', async () => (await slotNamed(name))?.active)
        second.begin()
        await leave(feed, abort, pending)
        await expectEnded(name, second)
        expect(await slotNamed(name)).toBeUndefined()
        await blocker.unsafe('COMMIT').simple()
        expect(await backendsOf(name)).toBe(0)
        expect(await slotNamed(name)).toBeUndefined()
      },
    )
  })

  describe('while the copy waits for a lock', () => {
    test.each(Object.entries(waysWhileWaiting))(
      '%s: within a second, and no backend goes on waiting for it',
      async (_, leave) => {
        const locker = source.session()
        const lock = () => locker.unsafe('BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE').simple()
        const { name } = distinctFeed({})
        const connection = { ...beforeConnection(source.url, { [firstCopy]: lock }), application_name: name }
        const abort = new AbortController()
        const second = new Second()
        const { publication } = source
        const feed = follow({ connection, publication, slot: name, signal: abort.signal })
        const batches = feed[Symbol.asyncIterator]()
        await batches.next()
        const pending = batches.next()
        pending.catch(() => {})
        await waitUntil('the copy to wait', async () => {
          const [waiting] = await observer`
            SELECT FROM pg_stat_activity WHERE application_name = ${name} AND wait_event_type = 'Lock'`
          return waiting
        })
        second.begin()
        await leave(feed, abort, pending)
        await expectEnded(name, second)
        expect(await slotNamed(name)).toBeUndefined()
        await locker.unsafe('COMMIT').simple()
      },
    )
  })

  describe('wherever it ends', () => {
    const places: Readonly<Record<string, Partial<FollowOptions>>> = {
      'in the copy': { maxBatchRows: 1_000 },
      'in a large transaction': { maxBatchRows: 1_000, start: 'slot' },
    }
    test.each(Object.entries(places))('%s: all of its streams are closed when close resolves', async (_, options) => {
      const { hostname, port, username, password, pathname } = new URL(source.url)
      const streams: Socket[] = []
      const connection: ConnectionOptions = {
        user: decodeURIComponent(username),
        password: decodeURIComponent(password),
        dbname: decodeURIComponent(pathname.slice(1)),
        sslmode: 'disable',
        connect: async () => {
          const stream = connectSocket(Number(port), hostname)
          streams.push(stream)
          return stream
        },
      }
      const { feed, name } = await (options.start === 'slot'
        ? feedOfTheLargeTransaction({ ...options, connection })
        : distinctFeed({ ...options, connection }))
      for await (const { events } of feed) if (events.length > 0) break
      await feed.close()
      // two, the copy's, and those of cancel requests where there were any
      expect(streams.length).toBeGreaterThanOrEqual(2)
      expect(streams.filter((stream) => !stream.destroyed)).toEqual([])
      await dropSlotNamed(name)
    })
  })

  describe('while it starts', () => {
    test('at any moment, by the signal: nothing is left behind', async () => {
      // every delay is another place: connecting, asking, making the slot, copying
      for (let delayMs = 0; delayMs <= 60; delayMs += 4) {
        const { feed, abort, name, second } = distinctFeed({ maxBatchRows: 100 })
        const batches = feed[Symbol.asyncIterator]()
        const loop = async () => {
          for (let next = await batches.next(); !next.done; next = await batches.next());
        }
        const looping = loop()
        looping.catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, delayMs))
        second.begin()
        abort.abort(reason)
        await expectToThrow(looping, reason)
        await feed.close()
        await expectEnded(name, second)
        expect(await slotNamed(name), `after ${delayMs} ms`).toBeUndefined()
      }
    })

    test('before the first pull: nothing has happened, and nothing does', async () => {
      const { feed, abort, name } = distinctFeed({})
      feed[Symbol.asyncIterator]()
      abort.abort(reason)
      await feed.close()
      expect(await backendsOf(name)).toBe(0)
      expect(await slotNamed(name)).toBeUndefined()
    })

    test('with the first position in hand: no slot was made', async () => {
      const { feed, name } = distinctFeed({})
      for await (const { position } of feed) {
        expect(position.phase).toBe('new')
        feed.ack(position)
        break
      }
      expect(await slotNamed(name)).toBeUndefined()
    })
  })
})
