import { WalwireError } from '../../../../src/protocol/messages/errors.ts'
import type { Batch, Event, Feed, Position } from '../../../../src/replication/index.ts'
import { FeedInvariants } from './feed-invariants.ts'

export interface ReaderOptions {
  /** Whether each batch is acknowledged as soon as it is read. Default `each`. */
  readonly ack?: 'each' | 'never' | undefined
}

interface ReaderParts extends ReaderOptions {
  /** Ends the feed by its signal. */
  readonly leave?: AbortController | undefined
}

const patienceMs = 20_000

/**
 * Pulls a feed, keeps what came, and holds all of it to what every feed promises (see {@link FeedInvariants}).
 * A pull that came to nothing in time goes on, and its batch is the next pull's.
 */
export class FeedReader implements AsyncDisposable {
  readonly feed: Feed
  readonly batches: Batch[] = []
  readonly events: Event[] = []
  readonly #acknowledges: boolean
  readonly #leave: AbortController | undefined
  readonly #invariants = new FeedInvariants()
  #iterator: AsyncIterator<Batch, undefined> | undefined
  #pull: Promise<IteratorResult<Batch, undefined>> | undefined

  constructor(feed: Feed, { ack = 'each', leave }: ReaderParts = {}) {
    this.feed = feed
    this.#acknowledges = ack === 'each'
    this.#leave = leave
  }

  /** Of the last batch. */
  get position(): Position | undefined {
    return this.batches.at(-1)?.position
  }

  /** Of the last batch, read back from storage. */
  get stored(): Position {
    const stored: Position = JSON.parse(JSON.stringify(this.#delivered))
    return stored
  }

  /** Acknowledges everything that was read. */
  ack(position = this.#delivered): void {
    this.feed.ack(position)
  }

  get #delivered(): Position {
    if (this.position === undefined) throw new Error('nothing was delivered yet')
    return this.position
  }

  /** The next batch; undefined at the end of the feed. */
  async next(waitingFor = 'a batch', timeoutMs = patienceMs): Promise<Batch | undefined> {
    this.#iterator ??= this.feed[Symbol.asyncIterator]()
    this.#pull ??= this.#iterator.next()
    const result = await this.#inTime(this.#pull, waitingFor, timeoutMs)
    this.#pull = undefined
    if (result.done) return undefined
    const batch = result.value
    this.#invariants.check(batch)
    this.batches.push(batch)
    for (const event of batch.events) this.events.push(event)
    if (this.#acknowledges) this.ack()
    return batch
  }

  /** Pulls until the condition holds. */
  async until(what: string, condition: (reader: this) => boolean, timeoutMs = patienceMs): Promise<this> {
    const deadline = performance.now() + timeoutMs
    while (!condition(this)) {
      const batch = await this.next(what, deadline - performance.now())
      if (batch === undefined) throw new Error(`the feed ended while waiting for ${what}; ${this.#account()}`)
    }
    return this
  }

  /** Pulls until every table is copied, and answers what came. */
  async untilCopied(timeoutMs = patienceMs): Promise<Event[]> {
    await this.until('the copy to be over', ({ position }) => position?.phase === 'stream', timeoutMs)
    this.#told = this.events.length
    return [...this.events]
  }

  /** Pulls until the transaction of a mark was read, and answers what came since the copy or the last call, without the mark. */
  async untilMark(mark: string, timeoutMs = patienceMs): Promise<Event[]> {
    const start = this.#told
    const isMark = (event: Event) =>
      event.kind === 'message' && event.prefix === 'mark' && new TextDecoder().decode(event.content) === mark
    let found = -1
    await this.until(
      'the mark',
      ({ events }) => {
        if (found < 0) found = events.findIndex((event, index) => index >= start && isMark(event))
        return found >= 0 && events[found + 1]?.kind === 'commit'
      },
      timeoutMs,
    )
    this.#told = found + 2
    return this.events.slice(start, found - 1)
  }
  #told = 0

  /** Pulls until the feed ends by itself. */
  async untilEnd(timeoutMs = patienceMs): Promise<this> {
    const deadline = performance.now() + timeoutMs
    while (await this.next('the end of the feed', deadline - performance.now()));
    return this
  }

  /** Pulls until the feed throws, and answers what. */
  async failure(timeoutMs = patienceMs): Promise<WalwireError> {
    try {
      await this.untilEnd(timeoutMs)
    } catch (error) {
      if (error instanceof WalwireError) return error
      throw error
    }
    throw new Error(`the feed ended without an error; ${this.#account()}`)
  }

  /** Lets a pull wait in the background, as a loop does that is never late: batches are read as they come. */
  keepPulling(): Promise<void> {
    return this.untilEnd(600_000).then(
      () => {},
      () => {},
    )
  }

  close(): Promise<void> {
    return this.feed.close()
  }

  /** Ends the feed without waiting for an acknowledgement that will not come. */
  async abandon(): Promise<void> {
    this.#pull?.catch(() => {})
    this.#leave?.abort()
    await this.feed.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #inTime<T>(promise: Promise<T>, what: string, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const inVain = () => reject(new Error(`waited in vain for ${what}; ${this.#account()}`))
      timer = setTimeout(inVain, Math.max(0, timeoutMs))
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #account(): string {
    const kinds = this.events.slice(-20).map(({ kind }) => kind)
    return `${this.batches.length} batches came, the last events are: ${kinds.join(', ') || 'none'}`
  }
}
