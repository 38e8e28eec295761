import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../protocol/connection/within.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn } from '../protocol/messages/lsn.ts'
import { feedEnded } from './abortable.ts'
import type { Batch } from './batch.ts'
import { tell, tellOfCopies } from './feed-messages.ts'
import { FeedState } from './feed-state.ts'
import { FeedTry } from './feed-try.ts'
import type { FollowSettings } from './follow-options.ts'
import type { Position } from './position.ts'
import { Reconnection } from './reconnection.ts'
import { asReplicationError, isConnectionLoss } from './replication-error.ts'
import { isSlotLoss } from './slot/slot-check.ts'
import type { Copying } from './snapshot/copying.ts'
import type { ReplicationStream } from './stream/replication-stream.ts'

/** At the end, the acknowledgement of the batch in hand may come until then. */
const lastAckMs = 600

/**
 * One run of a feed from its first connection to its end: one try after the other, for as long as what ends them may pass.
 * Between two pulls nothing happens but status updates.
 */
export class Run {
  readonly state = new FeedState()
  readonly #settings: FollowSettings
  readonly #reconnection: Reconnection
  readonly #abort = new AbortController()
  #try: FeedTry | undefined
  /** Why the last try ended. */
  #why: string | undefined
  #acknowledgedAll: (() => void) | undefined
  #ending = false
  /** On the clock of `performance.now()`. */
  #endBegunMs = 0

  constructor(settings: FollowSettings) {
    this.#settings = settings
    this.#reconnection = new Reconnection(settings.reconnect)
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
    tell('walwire:ack', () => ({ slot: this.#settings.slot, lsn: formatLsn(progress.flush) }))
    if (progress.allAcknowledged) this.#acknowledgedAll?.()
  }

  /** The caller gets this batch. */
  handOver(batch: Batch): void {
    const { slot } = this.#settings
    const { events, atCommit, position } = batch
    this.state.handOver(batch)
    tell('walwire:batch', () => {
      const { phase, lsn } = position
      return { slot, phase, lsn, events: events.length, atCommit, lagMs: this.stream?.lagMs }
    })
    tellOfCopies(slot, events)
  }

  /** The next batch, to be given to the caller by {@link handOver}; undefined when the feed is over. */
  async next(): Promise<Batch | undefined> {
    while (!this.#ending) {
      try {
        this.#try ??= await this.#begin()
        return await this.#try?.next()
      } catch (error) {
        await this.#goOnAfter(await this.#explain(error))
      }
    }
    return undefined
  }

  async #begin(): Promise<FeedTry | undefined> {
    const begun = await FeedTry.open(this.#settings, this.state, this.#abort.signal)
    if (!this.#ending) return begun
    await begun.end(this.#endBegunMs)
    return undefined
  }

  async #explain(error: unknown): Promise<unknown> {
    const { slot } = this.#settings
    const why = (await this.#try?.explain(error)) ?? error
    if (this.state.ownership.temporary && isConnectionLoss(error)) return temporarySlotLost(why, slot)
    return asReplicationError(why, slot, {
      last: this.#try?.lastTable,
      isOfWalsender: this.#try?.isOfWalsender(error) === true,
    })
  }

  /** Waits until it is time for another try. @throws the error, when there is to be none */
  async #goOnAfter(error: unknown): Promise<void> {
    const { state } = this
    const failed = this.#try
    if (!this.#ending) state.failed(error)
    // a temporary slot went with the try, and another one would begin later
    if (this.#ending || state.ownership.temporary) throw error
    const { begun, servedMs } = state
    // before it has its slot it stands nowhere: its start is another object at each try
    const standing = begun ? state.progress.standing : undefined
    const streamed = failed?.stream !== undefined
    const renewable = this.#settings.onLostSlot === 'resnapshot' && isSlotLoss(error)
    const failure = { error, standing, begun, servedMs, renewable, streamed }
    const waitMs = this.#reconnection.afterFailure(failure, Math.random())
    if (waitMs === undefined) throw error
    this.#say(error, waitMs)
    await failed?.giveUp()
    this.#try = undefined
    const at = new Date(Date.now() + waitMs).toISOString()
    await state.waits.during(async (say) => {
      say(`its next try to go on, number ${this.#reconnection.failures}, at ${at}`)
      // the end cuts it short
      await delay(waitMs, undefined, { signal: this.#abort.signal }).catch(() => {})
    })
  }

  /** The same reason is said as a warning once for each time that the feed is away, and not at every try. */
  #say(error: unknown, waitMs: number): void {
    const { slot, logger } = this.#settings
    const { failures } = this.#reconnection
    const why = error instanceof Error ? error.message : String(error)
    const log = failures > 1 && why === this.#why ? logger.info : logger.warn
    this.#why = why
    const code = error instanceof WalwireError ? error.code : undefined
    tell('walwire:reconnect', () => ({ slot, code, message: why, attempt: failures, delayMs: waitMs }))
    log.call(
      logger,
      { slot, code, try: failures, waitMs: Math.round(waitMs) },
      `slot ${slot} is not followed: ${why}. Try ${failures} to go on begins in ${(waitMs / 1000).toFixed(1)} s`,
    )
  }

  /**
   * Ends the run: everything is closed when this resolves, within a second.
   *
   * @param awaitAck whether the batch in hand may still be acknowledged
   */
  async end(awaitAck: boolean): Promise<void> {
    const begunMs = performance.now()
    this.#endBegunMs = begunMs
    this.#ending = true
    if (awaitAck && !this.state.progress.allAcknowledged) {
      const acknowledged = new Promise<void>((resolve) => {
        this.#acknowledgedAll = resolve
      })
      await within(acknowledged, lastAckMs)
    }
    this.#abort.abort(feedEnded())
    const left = this.state.ownership.toDrop
    if (this.#try === undefined && left !== undefined) {
      const { slot, logger } = this.#settings
      logger.warn({ slot }, `slot ${slot} was made by this run, and no server is there to drop it: drop it by hand`)
    }
    await this.#try?.end(begunMs)
  }
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
