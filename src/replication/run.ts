import { within } from '../protocol/connection/within.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import type { Batch } from './batch.ts'
import { FeedState } from './feed-state.ts'
import { FeedTry } from './feed-try.ts'
import type { FollowSettings } from './follow-options.ts'
import type { Position } from './position.ts'
import { asReplicationError, isConnectionLoss } from './replication-error.ts'
import type { Copying } from './snapshot/copying.ts'
import type { ReplicationStream } from './stream/replication-stream.ts'

/** At the end, the acknowledgement of the batch in hand may come until then. */
const lastAckMs = 600

/**
 * One run of a feed from its first connection to its end: what is delivered and acknowledged, why it failed, and how it
 * ends. Between two pulls nothing happens but status updates.
 */
export class Run {
  readonly state = new FeedState()
  readonly #settings: FollowSettings
  readonly #abort = new AbortController()
  #try: FeedTry | undefined
  #acknowledgedAll: (() => void) | undefined
  #ending = false

  constructor(settings: FollowSettings) {
    this.#settings = settings
  }

  /** How far the copy has come; undefined while none runs. */
  get copied(): Copying['progress'] {
    return this.#try?.copied
  }

  /** There while changes are followed. */
  get stream(): ReplicationStream | undefined {
    return this.#try?.stream
  }

  /** Bytes that were read ahead. */
  get bufferedBytes(): number {
    return this.#try?.bufferedBytes ?? 0
  }

  /** The caller stored a position. @throws {WalwireError} as {@link Progress.acknowledge} */
  acknowledge(position: Position): void {
    const { progress, ownership } = this.state
    if (!progress.acknowledge(position)) return
    ownership.acknowledged(position)
    this.stream?.acknowledged()
    if (progress.allAcknowledged) this.#acknowledgedAll?.()
  }

  /** The next batch, to be given to the caller by {@link handOver}; undefined when the feed is over. */
  async next(): Promise<Batch | undefined> {
    try {
      this.#try ??= await this.#begin()
      return await this.#try?.next()
    } catch (error) {
      throw await this.#explain(error)
    }
  }

  /** The caller gets this batch: it counts as delivered, and may be stored. */
  handOver({ position }: Batch): void {
    this.state.progress.deliver(position)
    this.state.ownership.handedOver(position)
  }

  async #begin(): Promise<FeedTry | undefined> {
    const begun = await FeedTry.open(this.#settings, this.state, this.#abort.signal)
    if (!this.#ending) return begun
    await begun.end()
    return undefined
  }

  async #explain(error: unknown): Promise<unknown> {
    const { slot } = this.#settings
    const why = (await this.#try?.explain(error)) ?? error
    if (this.state.ownership.temporary && isConnectionLoss(error)) return temporarySlotLost(why, slot)
    return asReplicationError(why, slot, this.#try?.lastTable)
  }

  /**
   * Ends the run: everything is closed when this resolves, within a second.
   *
   * @param awaitAck whether the batch in hand may still be acknowledged
   */
  async end(awaitAck: boolean): Promise<void> {
    const begunMs = performance.now()
    this.#ending = true
    if (awaitAck && !this.state.progress.allAcknowledged) {
      const acknowledged = new Promise<void>((resolve) => {
        this.#acknowledgedAll = resolve
      })
      await within(acknowledged, lastAckMs)
    }
    this.#abort.abort(ended())
    await this.#try?.end(begunMs)
  }
}

function ended(): WalwireError {
  return new WalwireError('cancelled', {
    what: 'the feed ended',
    why: 'it was closed',
    hint: 'begin another feed at the position that was stored last',
  })
}

/** A new temporary slot would begin later: a gap that nobody sees. */
function temporarySlotLost(cause: unknown, slot: string): WalwireError {
  return new WalwireError('temporary_slot_lost', {
    what: `the temporary slot ${slot} is lost`,
    why: `it lived as long as its connection, which ended: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'begin again with a snapshot; use a slot that is not temporary to continue after such a failure',
    slot,
    cause,
  })
}
