import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { deliver } from '../../src/delivery/deliver.ts'
import { Delivery, type DeliveryParts } from '../../src/delivery/delivery.ts'
import { defaultRetryPolicy, retryDelayMs } from '../../src/delivery/retry-policy.ts'
import type { Batch } from '../../src/replication/batch.ts'
import { silentLogger } from '../../src/replication/logger.ts'
import type { Position } from '../../src/replication/position.ts'
import { law } from '../property.ts'
import { lsnOf, ModelDestination, Passing, type Place, type Weather } from './model-destination.ts'
import { batchOf, nameOf, positionAt, scriptedFeed } from './scripted-feed.ts'
import { SimulatedServer } from './simulated-server.ts'

const calm: Weather = { waits: [], failures: new Map() }

interface Run {
  readonly destination: ModelDestination
  readonly server: SimulatedServer
  readonly stop: AbortController
}

/** A delivery of all that a server has, which is stopped when there is no more. */
function delivery({ destination, server, stop }: Run, parts: Partial<DeliveryParts> = {}): Delivery {
  return new Delivery({
    destination,
    delivered: {
      publications: ['shop'],
      slot: 'shop_feed',
      snapshot: 'initial',
      start: undefined,
      signal: stop.signal,
    },
    follow: (start) =>
      scriptedFeed(
        server.batches(start, () => stop.abort()),
        server.ack,
      ),
    endsByItself: false,
    canContinue: true,
    policy: { intervalMs: 0, maxEvents: 3 },
    retry: { maxFailures: 20, firstDelayMs: 0, maxDelayMs: 0 },
    drainTimeoutMs: 10_000,
    logger: silentLogger,
    ...parts,
  })
}

/** A server that holds every acknowledgement against what the place has committed by then. */
class WatchfulServer extends SimulatedServer {
  readonly violations: string[] = []
  place: () => Place = () => ({ events: [], position: undefined })
  #acknowledged = 0

  override ack = (position: Position): void => {
    const { position: committed } = this.place()
    if (committed === undefined || lsnOf(position) > lsnOf(committed)) this.violations.push('an ack before its commit')
    if (lsnOf(position) < this.#acknowledged) this.violations.push('an ack that falls back')
    this.#acknowledged = lsnOf(position)
    if (position.phase === 'stream' && this.slot) {
      this.slot.confirmed = Math.max(this.slot.confirmed, lsnOf(position))
    }
  }
}

describe('each change is there once', () => {
  const copied = ['row 1', 'row 2']
  const wait = fc.record({ kind: fc.constantFrom('microtask', 'turn', 'timer'), times: fc.nat(3) })
  const failure = fc.record({
    at: fc.nat(25),
    passing: fc.boolean(),
    when: fc.constantFrom('before' as const, 'after' as const),
  })
  const run = fc.record({
    waits: fc.array(wait, { maxLength: 6 }),
    failures: fc.array(failure, { maxLength: 3 }),
    // before or after the call has done its work
    crash: fc.option(fc.record({ at: fc.nat(25), when: fc.constantFrom('before' as const, 'after' as const) })),
    stopAt: fc.option(fc.nat(25)),
    policy: fc.record({ intervalMs: fc.constantFrom(0, 1, 60_000), maxEvents: fc.integer({ min: 1, max: 10 }) }),
  })
  const counts = fc.array(fc.nat(3), { minLength: 1, maxLength: 12 })
  let overlaps = 0

  law(
    'whatever the destination takes its time for, refuses, or is in the middle of when the process is killed or stopped',
    fc.asyncProperty(counts, fc.array(run, { maxLength: 5 }), async (sizes, runs) => {
      const transactions = sizes.map((count, index) => Array.from({ length: count }, (_, n) => `tx ${index + 1}.${n}`))
      const server = new WatchfulServer(copied, transactions)
      let place: Place = { events: [], position: undefined }
      const all = [...runs, undefined]
      for (const each of all) {
        const stop = new AbortController()
        const destination = new ModelDestination(
          each === undefined
            ? calm
            : { waits: each.waits, failures: new Map(each.failures.map((one) => [one.at, one])) },
          { crash: each?.crash ?? undefined, onCall: (number) => number === each?.stopAt && stop.abort() },
        )
        destination.place = place
        server.place = () => destination.place
        const policy = each?.policy ?? { intervalMs: 0, maxEvents: 1 }
        const running = delivery({ destination, server, stop }, { policy }).run()
        const ended = running.then(
          () => 'done',
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        )
        const outcome = await Promise.race([ended, destination.crashed])
        expect(outcome).toMatch(/^(done|call \d+|crashed)$/)
        place = destination.place
        overlaps += destination.overlaps
        expect(destination.violations).toEqual([])
        expect(server.violations).toEqual([])
        expect(place.events).toEqual(upTo(place.position, copied, transactions, place.events.length))
        if (outcome !== 'crashed') expect(destination.closed).toBe(1)
      }
      expect(place.events).toEqual([...copied, ...transactions.flat()])
    }),
    400,
  )

  test('and that was tried while writes and commits went on beside each other', () => {
    expect(overlaps).toBeGreaterThan(100)
  })
})

/** What a place holds whose position this is: nothing less and nothing more. In a copy, as many rows as it has. */
function upTo(
  position: Position | undefined,
  copied: readonly string[],
  transactions: readonly (readonly string[])[],
  rows: number,
): readonly string[] {
  if (position === undefined || position.phase === 'new') return []
  if (position.phase === 'snapshot') return copied.slice(0, rows)
  return [...copied, ...transactions.slice(0, lsnOf(position)).flat()]
}

/** A delivery of one script, into a destination that the test makes what it likes of. */
function scripted(
  script: (start: Position | string | undefined) => AsyncGenerator<Batch, undefined>,
  parts: Partial<DeliveryParts> = {},
) {
  const destination = new ModelDestination(calm)
  const stop = new AbortController()
  const starts: (Position | string | undefined)[] = []
  const server = new SimulatedServer([], [])
  const follow = (start: Position | string | undefined) => {
    starts.push(start)
    return scriptedFeed(script(start), () => {})
  }
  const made = delivery({ destination, server, stop }, { follow, ...parts })
  return { destination, stop, starts, made }
}

async function* twoThenSilence(): AsyncGenerator<Batch, undefined> {
  yield batchOf(positionAt(1), 'a')
  yield batchOf(positionAt(2), 'b')
  await new Promise(() => {})
  return undefined
}

async function* fromArray(batches: readonly Batch[]): AsyncGenerator<Batch, undefined> {
  yield* batches
  return undefined
}

const twoThenEnd = () => fromArray([batchOf(positionAt(1), 'a'), batchOf(positionAt(2), 'b')])

describe('failures', () => {
  test('a passing one is tried again where the destination then stands; a commit ends the row', async () => {
    const { destination, stop, starts, made } = scripted(twoThenSilence)
    let failures = 0
    vi.spyOn(destination, 'write').mockImplementation(async ({ position }) => {
      if (++failures < 4) throw new Passing('busy')
      if (lsnOf(position) === 2) stop.abort()
    })
    expect(await made.run()).toEqual({ reason: 'stopped', position: positionAt(2) })
    expect(destination.opened).toBe(4)
    expect(starts).toEqual([undefined, undefined, undefined, undefined])
  })

  test('a destination that keeps no position is continued from what it committed in this delivery', async () => {
    const { destination, stop, starts, made } = scripted(twoThenSilence)
    vi.spyOn(destination, 'open').mockImplementation(async () => undefined)
    let writes = 0
    vi.spyOn(destination, 'write').mockImplementation(async () => {
      if (++writes === 2) throw new Passing('busy')
      if (writes === 4) stop.abort()
    })
    vi.spyOn(destination, 'commit').mockImplementation(async () => {})
    await made.run()
    expect(starts).toEqual([undefined, positionAt(1)])
  })

  test('as many in a row as are allowed: the last is thrown, as it is', async () => {
    const { destination, made } = scripted(twoThenSilence, { retry: { ...defaultRetryPolicy, maxFailures: 1 } })
    const failure = new Passing('busy')
    vi.spyOn(destination, 'write').mockRejectedValue(failure)
    await expect(made.run()).rejects.toBe(failure)
    expect(destination).toMatchObject({ opened: 1, closed: 1 })
  })

  test.each([new Error('no'), 'a thrown string', undefined])('any other ends it, as it is: %s', async (failure) => {
    const { destination, made } = scripted(twoThenSilence)
    vi.spyOn(destination, 'commit').mockRejectedValue(failure)
    const thrown: unknown = await made.run().catch((error: unknown) => ({ thrown: error }))
    expect(thrown).toEqual({ thrown: failure })
    expect(destination).toMatchObject({ opened: 1, closed: 1 })
  })

  test("the feed's are the feed's, whatever they say of themselves", async () => {
    const failure = new Passing('connection lost')
    async function* broken(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      throw failure
    }
    const { destination, made } = scripted(broken)
    await expect(made.run()).rejects.toBe(failure)
    expect(destination).toMatchObject({ opened: 1, closed: 1 })
  })

  test('what is over a temporary slot cannot be continued', async () => {
    const { destination, made } = scripted(twoThenSilence, { canContinue: false })
    vi.spyOn(destination, 'write').mockRejectedValue(new Passing('busy'))
    await expect(made.run()).rejects.toThrow('busy')
    expect(destination.opened).toBe(1)
  })

  test('what the next try repeats ends no row: a copy that never gets through comes to its limit', async () => {
    const copy = () =>
      fromArray([
        batchOf(positionAt(1, 'new')),
        batchOf(positionAt(1, 'snapshot'), 'row 1'),
        batchOf(positionAt(1, 'snapshot'), 'row 2'),
      ])
    const { destination, made } = scripted(copy, { retry: { ...defaultRetryPolicy, firstDelayMs: 0, maxFailures: 3 } })
    const failure = new Passing('busy')
    vi.spyOn(destination, 'write').mockImplementation(async ({ events }) => {
      if (destination.opened > 20) throw new Error('still no end')
      if (events.map(nameOf).includes('row 2')) throw failure
    })
    await expect(made.run()).rejects.toBe(failure)
    expect(destination.opened).toBe(3)
  })

  test('a failure that comes with the end is told: not everything in hand is committed', async () => {
    const { destination, stop, made } = scripted(twoThenSilence)
    const failure = new Passing('busy')
    vi.spyOn(destination, 'write').mockImplementation(async () => {
      stop.abort()
      throw failure
    })
    await expect(made.run()).rejects.toBe(failure)
    expect(destination).toMatchObject({ opened: 1, closed: 1 })
  })

  test('a method that throws where it should reject has failed all the same', async () => {
    const { destination, stop, made } = scripted(twoThenSilence)
    let failures = 0
    vi.spyOn(destination, 'write').mockImplementation(({ position }) => {
      if (++failures < 3) throw new Passing('busy')
      if (lsnOf(position) === 2) stop.abort()
      return Promise.resolve()
    })
    expect(await made.run()).toMatchObject({ reason: 'stopped' })
    expect(destination.opened).toBe(3)
  })

  test('the wait doubles up to its limit, with chance in it', () => {
    const policy = { maxFailures: 12, firstDelayMs: 100, maxDelayMs: 30_000 }
    expect([1, 2, 3, 9, 11].map((failures) => retryDelayMs(policy, failures, 0))).toEqual([
      50, 100, 200, 12_800, 15_000,
    ])
    expect(retryDelayMs(policy, 11, 0.999)).toBeCloseTo(30_000, -2)
    expect(retryDelayMs(policy, 12, 0)).toBeUndefined()
    expect(retryDelayMs(defaultRetryPolicy, 1e9, 0)).toBe(15_000)
  })
})

describe('the end', () => {
  test('of the feed: everything is committed', async () => {
    const { destination, made } = scripted(twoThenEnd, { endsByItself: true })
    expect(await made.run()).toEqual({ reason: 'ended', position: positionAt(2) })
    expect(destination.place).toEqual({ events: ['a', 'b'], position: positionAt(2) })
  })

  test('of a feed that had nothing more: what stands is committed again, so that a torn end goes', async () => {
    const nothing = () => scriptedFeed(fromArray([]), () => {})
    const { destination, made } = scripted(twoThenEnd, { endsByItself: true, follow: nothing })
    destination.place = { events: ['a'], position: positionAt(1) }
    const commit = vi.spyOn(destination, 'commit')
    expect(await made.run()).toEqual({ reason: 'ended', position: positionAt(1) })
    expect(commit.mock.calls).toEqual([[positionAt(1)]])
  })

  test('a copy and nothing else, which an earlier run has made: no feed begins', async () => {
    const { destination, starts, stop, made } = scripted(twoThenEnd, {
      delivered: { ...delivered(), snapshot: 'only' },
    })
    destination.place = { events: ['a'], position: positionAt(1) }
    expect(await made.run()).toEqual({ reason: 'ended', position: positionAt(1) })
    expect(starts).toEqual([])
    expect(stop.signal.aborted).toBe(false)
  })

  test('stopped before it began: nothing is opened', async () => {
    const { destination, stop, made } = scripted(twoThenEnd)
    stop.abort()
    expect(await made.run()).toEqual({ reason: 'stopped', position: undefined })
    expect(destination.opened).toBe(0)
  })

  test('stopped while the destination opens, which it may give up', async () => {
    const { destination, stop, made } = scripted(twoThenEnd)
    vi.spyOn(destination, 'open').mockImplementation(({ signal }) => {
      setTimeout(() => stop.abort(), 5)
      return new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason)))
    })
    expect(await made.run()).toEqual({ reason: 'stopped', position: undefined })
  })

  test('stopped while it waits to try again', async () => {
    const { destination, stop, made } = scripted(twoThenEnd, { retry: { ...defaultRetryPolicy, firstDelayMs: 1e6 } })
    vi.spyOn(destination, 'open').mockImplementation(async () => {
      setTimeout(() => stop.abort(), 5)
      throw new Passing('busy')
    })
    expect(await made.run()).toEqual({ reason: 'stopped', position: undefined })
  })

  test.each(['write', 'commit', 'open'] as const)('stopped while %s hangs: in time, with an error', async (method) => {
    const { destination, stop, made } = scripted(twoThenSilence, { drainTimeoutMs: 20 })
    const hang = () => {
      setTimeout(() => stop.abort(), 5)
      return new Promise<never>(() => {})
    }
    destination[method] = hang
    await expect(made.run()).rejects.toThrow(expect.objectContaining({ code: 'drain_timeout', retryable: true }))
    expect(destination.closed).toBe(1)
  })

  test('after it ended in time, nothing is asked of a destination that goes on all the same', async () => {
    const { destination, stop, made } = scripted(twoThenSilence, { drainTimeoutMs: 20 })
    let goOn = () => {}
    destination.write = () => {
      setTimeout(() => stop.abort(), 5)
      return new Promise((done) => {
        goOn = done
      })
    }
    const commit = vi.spyOn(destination, 'commit')
    await expect(made.run()).rejects.toThrow(expect.objectContaining({ code: 'drain_timeout' }))
    goOn()
    await new Promise(setImmediate)
    expect(commit).not.toHaveBeenCalled()
  })

  test('a destination that does not close: in time, with an error', async () => {
    const { destination, made } = scripted(twoThenEnd, { endsByItself: true, drainTimeoutMs: 20 })
    vi.spyOn(destination, 'close').mockImplementation(() => new Promise(() => {}))
    await expect(made.run()).rejects.toThrow('did not close within 0.02 s')
  })
})

function delivered(): DeliveryParts['delivered'] {
  const { signal } = new AbortController()
  return { publications: ['shop'], slot: 'shop_feed', snapshot: 'initial', start: undefined, signal }
}

describe('options', () => {
  const options = { publication: 'shop', slot: 'shop_feed', destination: new ModelDestination(calm) }

  test.each([
    [{ ...options, publication: '' }, 'publication'],
    [{ ...options, drainTimeoutMs: -1 }, 'drainTimeoutMs'],
    [{ ...options, commit: { intervalMs: Number.NaN } }, 'commit.intervalMs'],
    [{ ...options, retry: { maxFailures: -1 } }, 'retry.maxFailures'],
    [{ ...options, commit: Object.assign({ intervalMs: 1 }, { maxRows: 1 }) }, 'commit.maxRows'],
    [{ ...options, elsewhere: 1 }, 'elsewhere'],
  ])('%j is refused', async (given, name) => {
    await expect(deliver(given)).rejects.toThrow(
      expect.objectContaining({ code: 'bad_option', what: expect.stringContaining(`'${name}'`) }),
    )
  })

  test('a destination needs its methods', async () => {
    const destination = Object.assign(Object.create(options.destination), { commit: undefined })
    await expect(deliver({ ...options, destination })).rejects.toThrow('it has no method commit')
  })
})
