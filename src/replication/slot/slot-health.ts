import { formatLsn, type Lsn } from '../../protocol/messages/lsn.ts'
import type { Position } from '../position.ts'
import type { SlotLook } from './slot-watch.ts'

/**
 * A consumer that stores and acknowledges has an idle batch every 10 s, so its slot moves that often. For so long it may stand
 * still: a large transaction takes minutes, and so does a destination that is restarted.
 */
export const standstillMs = 5 * 60_000
/** What the server has written meanwhile: a segment of WAL, below which a slot keeps no more than it does anyway. */
export const standstillBytes = 16n * 1024n * 1024n
/** Of what a slot may keep, this part must be left; */
const nearShare = 0.2
/** and once this part is left again, the next time is another one. */
const farShare = 0.4

/** What a feed knows when the server has said how its slot is. */
export interface SlotHealthFacts {
  readonly slot: string
  readonly look: Pick<SlotLook, 'walEnd' | 'retainedBytes' | 'safeBytes' | 'walStatus'>
  /** What the server may forget; 0 while nothing was acknowledged. */
  readonly acknowledged: Lsn
  readonly allAcknowledged: boolean
  readonly delivered: Position | undefined
  readonly nowMs: number
}

/** A line for the log. */
export interface SlotWarning {
  readonly data: object
  readonly message: string
}

type StandstillCause = 'not acknowledged' | 'transaction' | 'nothing comes'

/**
 * Notices when a slot is on the way to be lost, or to fill the server's disk: each cause is said once, and again only after it
 * had passed. Pure: the clock is the caller's.
 */
export class SlotHealth {
  #stoodAt: Lsn | undefined
  #sinceMs = 0
  #walEndThen: Lsn = 0n
  readonly #saidOfStandstill = new Set<StandstillCause>()
  #saidNear = false

  /** Looks at what the server said. */
  review(facts: SlotHealthFacts): SlotWarning[] {
    return [this.#standstill(facts), this.#near(facts)].filter((warning) => warning !== undefined)
  }

  #standstill(facts: SlotHealthFacts): SlotWarning | undefined {
    const { slot, look, acknowledged, nowMs } = facts
    if (this.#stoodAt !== acknowledged) {
      this.#stoodAt = acknowledged
      this.#sinceMs = nowMs
      this.#walEndThen = look.walEnd
      this.#saidOfStandstill.clear()
      return undefined
    }
    const forMs = nowMs - this.#sinceMs
    const written = look.walEnd - this.#walEndThen
    if (forMs < standstillMs || written < standstillBytes) return undefined
    const cause = causeOf(facts)
    if (this.#saidOfStandstill.has(cause)) return undefined
    this.#saidOfStandstill.add(cause)
    const { retainedBytes } = look
    const minutes = Math.floor(forMs / 60_000)
    return {
      data: { slot, acknowledged: formatLsn(acknowledged), retainedBytes },
      message: `slot ${slot} has not moved for ${minutes} min, in which the server wrote ${mebibytes(Number(written))}: ${whyStill(cause, facts)}. The server keeps ${mebibytes(retainedBytes)} for it`,
    }
  }

  #near({ slot, look }: SlotHealthFacts): SlotWarning | undefined {
    const { retainedBytes, safeBytes, walStatus } = look
    const isUnreserved = walStatus === 'unreserved' || walStatus === 'lost'
    const left = safeBytes === undefined ? 1 : safeBytes / Math.max(1, safeBytes + retainedBytes)
    if (!isUnreserved && left > farShare) this.#saidNear = false
    if (this.#saidNear || !(isUnreserved || left < nearShare)) return undefined
    this.#saidNear = true
    const until =
      isUnreserved || safeBytes === undefined
        ? 'it is lost at one of the next checkpoints'
        : `it is lost when ${mebibytes(safeBytes)} more are written`
    return {
      data: { slot, retainedBytes, safeBytes, walStatus },
      message: `slot ${slot} nears max_slot_wal_keep_size: the server keeps ${mebibytes(retainedBytes)} for it, and ${until}. Acknowledge faster, or raise the setting`,
    }
  }
}

function causeOf({ allAcknowledged, delivered }: SlotHealthFacts): StandstillCause {
  if (!allAcknowledged) return 'not acknowledged'
  return delivered?.tx === undefined ? 'nothing comes' : 'transaction'
}

function whyStill(cause: StandstillCause, { delivered }: SlotHealthFacts): string {
  switch (cause) {
    case 'not acknowledged':
      return `what was delivered up to ${delivered?.lsn ?? 'now'} is not acknowledged`
    case 'transaction':
      return `${delivered?.tx?.seq ?? 0} changes of one transaction were delivered, and its end has not come`
    case 'nothing comes':
      return 'all that was delivered is acknowledged, and the next batch is not asked for, or the server decodes a long transaction'
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`
}
