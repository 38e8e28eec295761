import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Lsn, parseLsn } from '../../../src/protocol/messages/lsn.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import { comparePositions, flushLsn, type Position, parsePosition } from '../../../src/replication/position.ts'
import type { BatchLimits } from '../../../src/replication/stream/assembler.ts'
import { feedback } from '../../../src/replication/stream/feedback.ts'
import {
  type IdleState,
  idleBatchDue,
  idleIntervalBytes,
  idleIntervalMs,
} from '../../../src/replication/stream/idle-batch.ts'
import { anyLsn } from '../../decoder/arbitraries.ts'
import { law } from '../../property.ts'
import {
  anyChoices,
  anyLimits,
  anyWal,
  Choices,
  changesIn,
  eventsOf,
  positionAt,
  Receiver,
  type Sent,
  stored,
  type WalRecord,
  walBegin,
  walsender,
} from './stream-model.ts'

describe('what the server is told', () => {
  law(
    'is never more than was acknowledged, nor more than it has named itself (traps 5, 7 and 8)',
    fc.property(anyLsn, anyLsn, (received, acknowledged) => {
      const { write, flush, apply } = feedback({ received, acknowledged })
      expect(write).toBe(received)
      expect(flush).toBeLessThanOrEqual(acknowledged)
      expect(flush).toBeLessThanOrEqual(received)
      expect(flush === acknowledged || flush === received).toBe(true)
      expect(apply).toBe(flush)
    }),
  )

  test('while nothing is acknowledged: what was received, and nothing of it as flushed (traps 9 and 63)', () => {
    expect(feedback({ received: 0x500n, acknowledged: 0n })).toEqual({ write: 0x500n, flush: 0n, apply: 0n })
  })
})

describe('a batch without events', () => {
  const received = 0x1000n
  const quiet: IdleState = {
    received,
    delivered: received - 0x30n,
    allAcknowledged: true,
    replyRequested: false,
    synchronous: false,
    sinceBatchMs: 0,
  }

  test.each<[string, Partial<IdleState>, boolean]>([
    ['is not due at once', {}, false],
    [
      'is due at once when the server asks for a reply: it may be stopping, and wait for it',
      { replyRequested: true },
      true,
    ],
    ['is due at once while commits wait for it', { synchronous: true }, true],
    ['is due after ten seconds', { sinceBatchMs: idleIntervalMs }, true],
    ['is not due a millisecond before', { sinceBatchMs: idleIntervalMs - 1 }, false],
    ['is due after 16 MB of WAL', { received: quiet.delivered + idleIntervalBytes }, true],
    ['is not due a byte before', { received: quiet.delivered + idleIntervalBytes - 1n }, false],
    [
      'is never due while something delivered is not acknowledged: one is outstanding',
      { allAcknowledged: false, replyRequested: true, synchronous: true, sinceBatchMs: 1e9, received: 1n << 40n },
      false,
    ],
    [
      'is never due where there is nothing new to say, however the server asks',
      { delivered: received, replyRequested: true, synchronous: true, sinceBatchMs: 1e9 },
      false,
    ],
    [
      'is never due where the server is behind what was delivered, as after a reconnection',
      { delivered: received + 1n, replyRequested: true, sinceBatchMs: 1e9 },
      false,
    ],
  ])('%s', (_, state, due) => {
    expect(idleBatchDue({ ...quiet, ...state })).toBe(due)
  })

  test('comes every ten seconds or 16 MB at most', () => {
    expect(idleIntervalMs).toBe(10_000)
    expect(idleIntervalBytes).toBe(16n << 20n)
  })
})

/**
 * A consumer that stores what it makes of the events together with the position, and acknowledges when it likes; its
 * feed, with the rules for feedback and idle progress; and the server's slot, which believes whatever it is told.
 */
class World {
  /** What survives a crash: the events and, with them, the position. */
  readonly durable: string[] = []
  #position: Position = positionAt(walBegin)
  /** The slot's confirmed_flush_lsn. */
  confirmedFlush: Lsn = walBegin

  readonly #wal: readonly WalRecord[]
  readonly #choices: Choices
  readonly #limits: BatchLimits

  #receiver!: Receiver
  #stream!: Iterator<Sent, undefined>
  #delivered!: Position
  #acknowledged!: Position
  #unstored: Batch[] = []
  #sinceBatchMs = 0

  constructor(wal: readonly WalRecord[], choices: readonly number[], limits: BatchLimits) {
    this.#wal = wal
    this.#choices = new Choices(choices)
    this.#limits = limits
    this.crash()
  }

  /** Forgets all but what is durable, and continues from there. */
  crash(): void {
    const from = parsePosition(stored(this.#position))
    // what the slot has passed would be skipped by the server, without a word
    expect(parseLsn(from.lsn)).toBeGreaterThanOrEqual(this.confirmedFlush)
    this.#receiver = new Receiver(from, this.#limits)
    this.#stream = walsender(this.#wal, parseLsn(from.lsn), this.#choices)
    this.#delivered = from
    this.#acknowledged = from
    this.#unstored = []
    this.#sinceBatchMs = 0
  }

  /** @returns whether there was something */
  receive(): boolean {
    if (this.#receiver.assembler.full) return true
    const next = this.#stream.next()
    if (next.done !== true) this.#receiver.take(next.value)
    return next.done !== true
  }

  /** @returns whether a batch was there or due */
  pull(): boolean {
    const { assembler, received, replyRequested } = this.#receiver
    const batch = assembler.take()
    if (batch !== undefined) {
      this.#deliver(batch)
      return true
    }
    const allAcknowledged = this.#acknowledged === this.#delivered
    const due =
      !assembler.inTransaction &&
      idleBatchDue({
        received: assembler.lsn,
        delivered: flushLsn(this.#delivered),
        allAcknowledged,
        replyRequested,
        synchronous: false,
        sinceBatchMs: this.#sinceBatchMs,
      })
    if (!due) return false
    const idle = assembler.takeIdle()
    expect(idle).toMatchObject({ events: [], atCommit: true })
    expect(idle.position.tx).toBeUndefined()
    expect(this.#delivered.tx).toBeUndefined()
    expect(flushLsn(idle.position)).toBeLessThanOrEqual(received)
    expect(allAcknowledged).toBe(true)
    this.#deliver(idle)
    return true
  }

  #deliver(batch: Batch): void {
    expect(comparePositions(batch.position, this.#delivered)).toBeGreaterThan(0)
    this.#delivered = batch.position
    this.#unstored.push(batch)
    this.#sinceBatchMs = 0
    this.#receiver.replyRequested = false
  }

  wait(ms: number): void {
    this.#sinceBatchMs += ms
  }

  /** Stores the oldest batches that are not stored yet, each with its position. */
  store(count: number): void {
    for (const batch of this.#unstored.splice(0, count)) {
      this.durable.push(...changesIn([batch]))
      this.#position = batch.position
    }
  }

  acknowledge(): void {
    if (comparePositions(this.#position, this.#acknowledged) > 0) this.#acknowledged = this.#position
  }

  /** Sends a status update, and the slot follows it. */
  report(): void {
    const { received } = this.#receiver
    const { write, flush } = feedback({ received, acknowledged: flushLsn(this.#acknowledged) })
    expect(flush).toBeLessThanOrEqual(flushLsn(this.#acknowledged))
    expect(flush).toBeLessThanOrEqual(flushLsn(this.#position))
    expect(flush).toBeLessThanOrEqual(write)
    if (flush > this.confirmedFlush) this.confirmedFlush = flush
  }

  /** Lets everything happen that is still to come, and time pass. */
  settle(): void {
    do {
      while (this.pull()) {
        this.store(1)
        this.acknowledge()
        this.report()
      }
    } while (this.receive())
    this.store(this.#unstored.length)
    this.acknowledge()
    this.wait(idleIntervalMs)
    this.pull()
    this.store(this.#unstored.length)
    this.acknowledge()
    this.report()
  }

  /** Everything before this was received. */
  get reached(): Lsn {
    return this.#receiver.assembler.lsn
  }
}

const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 8 }).map((count) => ({ step: 'receive', count }) as const) },
  { weight: 4, arbitrary: fc.constant({ step: 'pull' } as const) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map((count) => ({ step: 'store', count }) as const) },
  { weight: 3, arbitrary: fc.constant({ step: 'acknowledge' } as const) },
  { weight: 3, arbitrary: fc.constant({ step: 'report' } as const) },
  { weight: 1, arbitrary: fc.constantFrom(5000, 10_000).map((ms) => ({ step: 'wait', ms }) as const) },
  { weight: 1, arbitrary: fc.constant({ step: 'crash' } as const) },
)

describe('however receiving, delivering, storing, acknowledging, reporting and crashing follow each other', () => {
  const anyHistory = fc.record({
    wal: anyWal,
    choices: anyChoices,
    limits: anyLimits,
    steps: fc.array(anyStep, { maxLength: 60 }),
  })

  law(
    'what is stored is what was committed, once; and no restart finds the slot ahead of it (traps 1, 5 and 7)',
    fc.property(anyHistory, ({ wal, choices, limits, steps }) => {
      const world = new World(wal, choices, limits)
      for (const action of steps) {
        switch (action.step) {
          case 'receive':
            for (let count = action.count; count > 0 && world.receive(); count--);
            break
          case 'store':
            world.store(action.count)
            break
          case 'wait':
            world.wait(action.ms)
            break
          default:
            world[action.step]()
        }
      }
      world.settle()
      expect(world.durable).toEqual(eventsOf(wal))
      world.crash()
      world.settle()
      expect(world.durable).toEqual(eventsOf(wal))
    }),
    300,
  )

  law(
    'once all is stored and acknowledged the slot follows to where the server is, also when only others write (trap 6)',
    fc.property(anyHistory, ({ wal, choices, limits }) => {
      const world = new World(wal, choices, limits)
      world.settle()
      expect(world.confirmedFlush).toBe(world.reached)
    }),
  )
})
