import { setImmediate } from 'node:timers/promises'
import { formatLsn, type Lsn, parseLsn } from '../../../src/protocol/messages/lsn.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Event, Transaction } from '../../../src/replication/events.ts'
import type { Feed } from '../../../src/replication/feed.ts'
import { follow } from '../../../src/replication/follow.ts'
import { flushLsn, type Position } from '../../../src/replication/position.ts'
import type { BatchLimits } from '../../../src/replication/stream/assembler.ts'
import { FeedInvariants } from '../follow/helpers/feed-invariants.ts'
import { FakeServer, type FakeWalsender, fakeFacts } from './fake-walsender.ts'
import {
  type Choices,
  eventsInOneGo,
  type Sent,
  stored,
  tell,
  type WalRecord,
  walBegin,
  walsender,
} from './stream-model.ts'

/** How a feed loses its connections. */
export const losses = ['an end', 'a reset', 'inside a message', 'FATAL', 'ERROR', 'all connections'] as const
export type Loss = (typeof losses)[number]

/** What may happen to a feed that lasts, in any order. What makes no sense where it comes is passed over. */
export type LastingStep =
  | { readonly kind: 'send'; readonly messages: number }
  | { readonly kind: 'pull' }
  | { readonly kind: 'ack'; readonly back: number; readonly readBack: boolean }
  | { readonly kind: 'settle'; readonly turns: number }
  | { readonly kind: 'lose'; readonly how: Loss; readonly refusals: number }

/** One feed over as many connections as it takes, over the server of a model, and its consumer. */
export class LastingFeed {
  readonly complaints: string[] = []
  /** Every event that was delivered, in words. */
  readonly told: string[] = []
  readonly #wal: readonly WalRecord[]
  readonly #choices: Choices
  readonly #server: FakeServer
  readonly #feed: Feed
  readonly #iterator: AsyncIterator<Batch, undefined>
  readonly #invariants = new FeedInvariants()
  readonly #transactions = new Map<Lsn, Transaction>()
  readonly #leave = new AbortController()
  #walsender: FakeWalsender | undefined
  #unsent: Generator<Sent, undefined> | undefined
  #pulling = false
  #inHand: Batch[] = []
  #delivered: Position | undefined
  #durable: Lsn = walBegin
  /** What the server was told last. */
  #flush: Lsn = walBegin
  #refusals = 0
  losses = 0

  constructor(wal: readonly WalRecord[], choices: Choices, limits: BatchLimits) {
    this.#wal = wal
    this.#choices = choices
    const end = wal.at(-1)?.end ?? walBegin
    this.#server = new FakeServer({ flushLsn: end, confirmedFlush: walBegin })
    this.#server.fail = () => {
      if (this.#refusals === 0) return undefined
      this.#refusals--
      return { severity: 'FATAL', sqlstate: choices.once(2) ? '57P03' : '53300' }
    }
    this.#server.onWalsender = (walsender, command) => this.#begin(walsender, command)
    this.#feed = follow({
      connection: this.#server.connection,
      publication: fakeFacts.publication,
      slot: fakeFacts.slot,
      start: walBegin,
      signal: this.#leave.signal,
      reconnect: { minDelayMs: 1, maxDelayMs: 1, first: true },
      // a number as an option has it
      maxBatchRows: Math.min(limits.maxBatchRows, 1e9),
      maxBatchBytes: Math.min(limits.maxBatchBytes, 1e9),
    })
    this.#iterator = this.#feed[Symbol.asyncIterator]()
  }

  /** What must have been told in the end: as if there had been one connection. */
  get story(): string[] {
    return eventsInOneGo(this.#wal)
  }

  get reconnects(): number {
    return this.#feed.status().reconnects
  }

  async take(step: LastingStep): Promise<void> {
    switch (step.kind) {
      case 'send':
        return this.#send(step.messages)
      case 'pull':
        return this.#pull()
      case 'ack':
        return this.#ack(step.back, step.readBack)
      case 'settle':
        for (let turn = 0; turn < step.turns; turn++) await setImmediate()
        return
      case 'lose':
        this.#refusals = step.refusals
        return this.#lose(step.how)
      default:
        return step satisfies never
    }
  }

  /** Everything is sent, delivered and acknowledged. */
  async finish(): Promise<void> {
    this.#refusals = 0
    const due = this.story.length
    await this.#turnUntil(`${due} events`, () => {
      this.#send(Number.POSITIVE_INFINITY)
      this.#pull()
      this.#ack(0, false)
      return this.told.length >= due
    })
    await this.#turnUntil('the last acknowledgement', () => {
      this.#send(Number.POSITIVE_INFINITY)
      this.#pull()
      this.#ack(0, false)
      return this.#flush === this.#durable
    })
  }

  async end(): Promise<void> {
    this.#leave.abort(new Error('the consumer is stopped'))
    await this.#feed.close()
    if (this.#server.openSessions > 0) this.#complain(`${this.#server.openSessions} sessions are left open`)
  }

  #begin(walsenderOf: FakeWalsender, command: string): void {
    const from = parseLsn(command.match(/LOGICAL ([0-9A-F]+\/[0-9A-F]+)/)?.[1] ?? '0/0')
    const standing = this.#delivered === undefined ? walBegin : parseLsn(this.#delivered.lsn)
    if (from !== standing)
      this.#complain(`it starts at ${formatLsn(from)}, and the feed stands at ${formatLsn(standing)}`)
    this.#walsender = walsenderOf
    this.#unsent = walsender(this.#wal, from, this.#choices)
    let isFirst = true
    let lastFlush = 0n
    walsenderOf.onStatusUpdate = ({ write, flush, apply }) => {
      if (flush > this.#durable) this.#complain(`flush ${formatLsn(flush)} is past all that was acknowledged`)
      if (isFirst && flush !== this.#durable) this.#complain('what was acknowledged is not said first thing')
      if (flush < lastFlush) this.#complain(`flush falls from ${formatLsn(lastFlush)}`)
      if (flush > write || apply !== flush) this.#complain('flush is past write, or not apply')
      isFirst = false
      lastFlush = flush
      this.#flush = flush
    }
  }

  #complain(complaint: string): void {
    this.complaints.push(complaint)
  }

  #send(messages: number): void {
    for (let sent = 0; sent < messages; sent++) {
      const next = this.#unsent?.next()
      if (next === undefined || next.done) return
      this.#walsender?.send(next.value.copyData)
    }
  }

  #pull(): void {
    if (this.#pulling) return
    this.#pulling = true
    this.#iterator.next().then(
      ({ value }) => {
        this.#pulling = false
        if (value !== undefined) this.#take(value)
        else if (!this.#leave.signal.aborted) this.#complain('the feed ended')
      },
      (error) => {
        if (!this.#leave.signal.aborted) this.#complain(`a pull failed: ${error}`)
      },
    )
  }

  #take(batch: Batch): void {
    try {
      this.#invariants.check(batch)
    } catch (error) {
      this.#complain(String(error))
    }
    for (const event of batch.events) {
      this.told.push(tell(event))
      this.#checkTransaction(event)
    }
    this.#delivered = batch.position
    this.#inHand.push(batch)
  }

  /** Whoever keeps something of a transaction by its object finds it again. */
  #checkTransaction(event: Event): void {
    if (!('tx' in event) || event.tx === undefined) return
    const { tx } = event
    const known = this.#transactions.get(tx.commitLsn)
    if (known !== undefined && known !== tx) this.#complain(`transaction ${tx.xid} is another object now`)
    this.#transactions.set(tx.commitLsn, tx)
  }

  #ack(back: number, readBack: boolean): void {
    const last = this.#inHand.splice(0, Math.max(0, this.#inHand.length - back)).at(-1)
    if (last === undefined) return
    this.#durable = flushLsn(last.position)
    this.#feed.ack(readBack ? stored(last.position) : last.position)
  }

  #lose(how: Loss): void {
    const walsenderOf = this.#walsender
    if (walsenderOf === undefined) return
    this.losses++
    this.#walsender = undefined
    const next = how === 'inside a message' ? this.#unsent?.next() : undefined
    this.#unsent = undefined
    if (next?.done === false) {
      const { copyData } = next.value
      walsenderOf.send(copyData.subarray(0, this.#choices.below(copyData.length)))
    }
    if (how === 'a reset') walsenderOf.cut()
    if (how === 'all connections') this.#server.cutAll()
    if (how === 'FATAL') walsenderOf.error({ severity: 'FATAL', sqlstate: '57P01' })
    if (how === 'ERROR') {
      walsenderOf.error({ severity: 'ERROR', sqlstate: '57014' })
      walsenderOf.readyForQuery()
    } else {
      walsenderOf.hangUp()
    }
  }

  /** As waitUntil, and asks at every turn: between two of them lie thousands of instructions and not milliseconds. */
  async #turnUntil(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 5_000
    while (!condition() && this.complaints.length === 0) {
      if (performance.now() > deadline) this.#complain(`waited in vain for ${what}; ${this.told.length} were told`)
      await setImmediate()
    }
  }
}
