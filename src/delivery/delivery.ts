import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../protocol/connection/within.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import type { Feed } from '../replication/feed.ts'
import type { Logger } from '../replication/logger.ts'
import type { Position } from '../replication/position.ts'
import type { CommitPolicy } from './commit-policy.ts'
import type { DeliveredFeed, Destination } from './destination.ts'
import { pump, SinkStuck } from './pump.ts'
import { isPassing, type RetryPolicy, retryDelayMs } from './retry-policy.ts'

/** How a delivery ended. */
export interface DeliveryEnd {
  /** `ended`: the feed did, at its `stop` or with its copy. `stopped`: by the signal, with everything in hand committed; while it waited to try again, with nothing in hand. */
  readonly reason: 'ended' | 'stopped'
  /** What was committed last, in this delivery or before; undefined where nothing was, or positions are not kept. */
  readonly position: Position | undefined
}

/** What a {@link Delivery} is made of. */
export interface DeliveryParts {
  readonly destination: Destination
  readonly delivered: DeliveredFeed
  /** Begins a feed there; undefined: where the caller said. */
  readonly follow: (start: Position | string | undefined) => Feed
  /** Whether the feed comes to an end without being stopped. */
  readonly endsByItself: boolean
  /** Whether the feed can be begun again at what was committed; one over a temporary slot cannot. */
  readonly canContinue: boolean
  readonly policy: CommitPolicy
  readonly retry: RetryPolicy
  readonly drainTimeoutMs: number
  readonly logger: Logger
  readonly random?: (() => number) | undefined
  readonly now?: (() => number) | undefined
}

/** A failure of the destination, as opposed to the feed's. */
class DestinationFailure extends Error {
  override readonly name = 'DestinationFailure'
}

/** One call of `deliver`: tries, one after the other, of which each opens the destination and follows from where that stands. */
export class Delivery {
  readonly #parts: DeliveryParts
  readonly #stop: AbortSignal
  #committed: Position | undefined
  /** In a row: without a commit in between that the next try need not repeat. */
  #failures = 0
  #feed: Feed | undefined
  #followed = false
  /** Nothing is asked of the destination any more. */
  #isOver = false

  constructor(parts: DeliveryParts) {
    this.#parts = parts
    this.#stop = parts.delivered.signal
  }

  async run(): Promise<DeliveryEnd> {
    const { destination, drainTimeoutMs } = this.#parts
    const running = this.#run()
    try {
      const end = await this.#orDrainTimeout(running)
      const closed = await within(destination.close(), drainTimeoutMs)
      if (closed === undefined) throw this.#timedOut('the destination was not let go of', 'did not close')
      if (!closed.ok) throw closed.error
      return end
    } catch (error) {
      // what a try is in the middle of, and how it lets go, matters less than why it ended
      running.catch(() => {})
      this.#isOver = true
      await within(destination.close(), closeAfterFailureMs)
      throw error
    }
  }

  /** Fails when what is in hand was not written some time after the signal. */
  async #orDrainTimeout(running: Promise<DeliveryEnd>): Promise<DeliveryEnd> {
    await within(running, Number.POSITIVE_INFINITY, this.#stop)
    const ended = await within(running, this.#stop.aborted ? this.#parts.drainTimeoutMs : Number.POSITIVE_INFINITY)
    if (ended?.ok === true) return ended.value
    if (ended?.ok === false) throw ended.error
    // before the failure is told: the feed's sockets must not wait for the destination
    await this.#feed?.close()
    throw this.#timedOut('the delivery was stopped before everything in hand was written', 'did not take it')
  }

  #timedOut(what: string, whatItDidNot: string): WalwireError {
    const { destination, drainTimeoutMs } = this.#parts
    return new WalwireError('drain_timeout', {
      what,
      why: `${destination.description ?? 'the destination'} ${whatItDidNot} within ${drainTimeoutMs / 1000} s`,
      hint: 'deliver again: what was not written comes again',
    })
  }

  async #run(): Promise<DeliveryEnd> {
    for (;;) {
      if (this.#stop.aborted) return this.#end('stopped')
      try {
        return this.#end(await this.#try())
      } catch (failure) {
        const isStuck = failure instanceof SinkStuck
        const reason = isStuck ? failure.cause : failure
        if (!(reason instanceof DestinationFailure)) throw reason
        // with the signal there is no other try, and it would look as if everything in hand were committed
        if (isStuck || this.#stop.aborted || !(await this.#waitToTryAgain(reason.cause))) throw reason.cause
      }
    }
  }

  /** @returns whether to try again, or to look at the signal */
  async #waitToTryAgain(error: unknown): Promise<boolean> {
    const { destination, retry, canContinue, logger, random = Math.random } = this.#parts
    this.#failures++
    const again = isPassing(error) && (canContinue || !this.#followed)
    const delayMs = again ? retryDelayMs(retry, this.#failures, random()) : undefined
    if (delayMs === undefined) return false
    const data = { destination: destination.description, error, failures: this.#failures, delayMs: Math.round(delayMs) }
    logger.warn(data, 'the destination failed, and is tried again')
    await delay(delayMs, undefined, { signal: this.#stop }).catch(() => {})
    return true
  }

  async #try(): Promise<DeliveryEnd['reason']> {
    const { destination, delivered, follow, policy, endsByItself, drainTimeoutMs, now } = this.#parts
    const standing = await this.#ofDestination(() => destination.open(delivered)).catch((failure: unknown) => {
      // it was told to give up
      if (this.#stop.aborted) return undefined
      throw failure
    })
    if (this.#stop.aborted) return 'stopped'
    if (typeof standing?.start === 'object') this.#committed = standing.start
    // an earlier run has done all that was asked for
    if (delivered.snapshot === 'only' && this.#committed?.phase === 'stream') return await this.#endAsItIs()
    const start = standing?.start ?? this.#committed ?? delivered.start
    const feed = follow(start)
    this.#feed = feed
    this.#followed = true
    let isNew = false
    const end = await pump(
      feed,
      {
        write: (batch) => this.#ofDestination(() => destination.write(batch)),
        commit: async (position) => {
          isNew = true
          await this.#commit(position)
        },
      },
      { policy, eachBatch: endsByItself, stop: this.#stop, settleMs: drainTimeoutMs, now },
    )
    if (end === 'stopped') return 'stopped'
    return isNew ? 'ended' : await this.#endAsItIs()
  }

  /** Nothing was written that could come after what was committed: also what an earlier run has left there must go. */
  async #endAsItIs(): Promise<'ended'> {
    if (this.#committed !== undefined) await this.#commit(this.#committed)
    return 'ended'
  }

  async #commit(position: Position): Promise<void> {
    await this.#ofDestination(() => this.#parts.destination.commit(position))
    this.#committed = position
    // what is committed of a copy comes again: one that never gets through would never come to its limit
    if (position.phase === 'stream') this.#failures = 0
  }

  async #ofDestination<Value>(call: () => Promise<Value>): Promise<Value> {
    try {
      if (this.#isOver) throw new Error('the delivery is over')
      return await call()
    } catch (cause) {
      throw new DestinationFailure('the destination failed', { cause })
    }
  }

  #end(reason: DeliveryEnd['reason']): DeliveryEnd {
    return { reason, position: this.#committed }
  }
}

/** How long a destination may take to let go once the delivery has failed. */
const closeAfterFailureMs = 1000
