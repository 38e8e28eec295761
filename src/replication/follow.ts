import { WalwireError } from '../protocol/messages/errors.ts'
import type { Batch } from './batch.ts'
import type { AnyTables } from './events.ts'
import type { Feed, FeedStatus, FollowOptions } from './feed.ts'
import { feedStatus } from './feed-status.ts'
import { checkFollowOptions } from './follow-options.ts'
import type { Position } from './position.ts'
import { Run } from './run.ts'

/**
 * Snapshots the tables of a publication and follows their changes. Nothing happens until the feed is iterated; then the
 * server is read only as fast as batches are taken, and told that data is durable only by {@link Feed.ack}.
 *
 * ```ts
 * for await (const batch of follow({ publication: 'shop', slot: 'shop_feed', start: await load() })) {
 *   await store(batch.events, batch.position) // in one transaction
 *   feed.ack(batch.position)
 * }
 * ```
 *
 * @typeParam T row types by table: `follow<{ 'public.orders': Order }>(…)`. Not checked at run time.
 * @throws {WalwireError} `bad_option`, `position_malformed`; everything else comes from the loop.
 */
export function follow<T extends object = AnyTables>(options: FollowOptions): Feed<T>
export function follow(options: FollowOptions): Feed {
  return new FollowFeed(options)
}

/** A pull that was not answered yet. */
interface Pull {
  readonly resolve: (result: IteratorResult<Batch, undefined>) => void
  readonly reject: (reason: unknown) => void
}

/**
 * The feed's face: one iteration over a {@link Run}, which a signal, `close()` or the loop's own end can interrupt at any
 * moment, also while a pull waits.
 */
class FollowFeed implements Feed {
  readonly #run: Run
  readonly #signal: AbortSignal | undefined
  #used = false
  #ending: Promise<void> | undefined
  #pull: Pull | undefined
  /** When the consumer got the batch that it has; undefined while it waits for one. */
  #takenAtMs: number | undefined
  /** The work on the latest pull. Never rejects. */
  #working: Promise<void> = Promise.resolve()
  /** Pulls are answered in turn, should somebody ask for several at once. */
  #last: Promise<unknown> = Promise.resolve()
  /** Set by the signal: the reason goes to the pending pull, or to the next one. */
  #aborted: { readonly reason: unknown } | undefined

  constructor(options: FollowOptions) {
    const settings = checkFollowOptions(options)
    this.#run = new Run(settings)
    this.#signal = settings.signal
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    if (this.#used) throw feedUsed()
    this.#used = true
    if (this.#signal?.aborted) this.#onAbort()
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    return { next: () => this.#next(), return: () => this.#return() }
  }

  ack(position: Position): void {
    this.#run.acknowledge(position)
  }

  close(): Promise<void> {
    return this.#end(true)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  status(): FeedStatus {
    return feedStatus(this.#run, {
      begun: this.#used,
      ended: this.#ending !== undefined,
      inHandMs: this.#takenAtMs === undefined ? 0 : performance.now() - this.#takenAtMs,
    })
  }

  #next(): Promise<IteratorResult<Batch, undefined>> {
    const result = this.#last.then(() => this.#take())
    this.#last = result.catch(() => {})
    return result
  }

  #take(): Promise<IteratorResult<Batch, undefined>> {
    if (this.#aborted !== undefined) {
      const { reason } = this.#aborted
      this.#aborted = undefined
      return Promise.reject(reason)
    }
    if (this.#ending !== undefined) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#pull = { resolve, reject }
      this.#takenAtMs = undefined
      this.#working = this.#run.next().then(
        (batch) => this.#answer(batch),
        (error) => this.#fail(error),
      )
    })
  }

  #answer(batch: Batch | undefined): void {
    const pull = this.#pull
    // Nobody waits for it any more: it was not delivered.
    if (pull === undefined) return
    this.#pull = undefined
    if (batch === undefined) {
      // the last batch was taken: the loop ends once everything is closed
      void this.#end(false).then(() => pull.resolve({ done: true, value: undefined }))
    } else {
      this.#run.handOver(batch)
      this.#takenAtMs = performance.now()
      pull.resolve({ done: false, value: batch })
    }
  }

  #fail(error: unknown): void {
    const pull = this.#pull
    if (pull === undefined) return
    this.#pull = undefined
    void this.#end(false).then(() => pull.reject(error))
  }

  readonly #onAbort = (): void => {
    if (this.#ending !== undefined) return
    const reason: unknown = this.#signal?.reason
    const pull = this.#pull
    this.#pull = undefined
    if (pull === undefined) this.#aborted = { reason }
    else pull.reject(reason)
    void this.#end(false)
  }

  /**
   * The loop was left by `break` or `return`. It goes on at once when the batch in hand may still be acknowledged after
   * it; when there is nothing to wait for, once everything is closed, so that another feed may use the slot.
   */
  async #return(): Promise<IteratorResult<Batch, undefined>> {
    const ending = this.#end(true)
    if (this.#run.state.progress.allAcknowledged) await ending
    return { done: true, value: undefined }
  }

  #end(awaitAck: boolean): Promise<void> {
    this.#ending ??= this.#finish(awaitAck)
    return this.#ending
  }

  async #finish(awaitAck: boolean): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#pull?.resolve({ done: true, value: undefined })
    this.#pull = undefined
    await this.#run.end(awaitAck)
    // what the run was in the middle of fails, as its connections are closed, and cleans up behind itself
    await this.#working
  }
}

function feedUsed(): WalwireError {
  return new WalwireError('feed_used', {
    what: 'the feed cannot be iterated again',
    why: 'a feed is one run over one slot, and this one was used',
    hint: 'call follow() again with the position that was stored last',
  })
}
