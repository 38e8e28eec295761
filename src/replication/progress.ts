import { WalwireError } from '../protocol/messages/errors.ts'
import type { Lsn } from '../protocol/messages/lsn.ts'
import { comparePositions, flushLsn, type Position, parsePosition } from './position.ts'

/**
 * What was delivered, and what of that is durable: two facts, of which the server is told the second alone. It is the one
 * account that feedback, idle batches and the end of a feed go by, and lasts as long as the feed, whatever becomes of its
 * connections: nothing but {@link acknowledge} and a position that the caller gave as its own makes anything durable.
 */
export class Progress {
  #start: Position | undefined
  #delivered: Position | undefined
  #acknowledged: Position | undefined
  /** Where the slot stood when the feed started. */
  #confirmedFlush: Lsn = 0n

  /** Where the feed stands: the position of the latest batch, or before the first one where it started. */
  get standing(): Position | undefined {
    return this.#delivered ?? this.#start
  }

  /** Position of the latest batch, of this run or of an earlier one whose position the caller gave. */
  get delivered(): Position | undefined {
    return this.#delivered
  }

  /** Up to here the caller has stored everything. */
  get acknowledged(): Position | undefined {
    return this.#acknowledged
  }

  /** Up to here the server may forget: where its slot stands already, until something was acknowledged. */
  get flush(): Lsn {
    return this.#acknowledged === undefined ? this.#confirmedFlush : flushLsn(this.#acknowledged)
  }

  /** Whether everything delivered is durable; so it is while nothing was delivered. */
  get allAcknowledged(): boolean {
    return this.#acknowledged === this.#delivered
  }

  /** The caller gave a position: it has stored this in an earlier run. Only a feed that stands nowhere yet can continue. */
  continueFrom(position: Position): void {
    if (this.standing !== undefined) return
    this.#delivered = position
    this.#acknowledged = position
  }

  /**
   * The feed starts at an LSN, which may be anybody's: nothing is known to be durable, so the slot stays where it is until
   * the first acknowledgement.
   */
  startAt(position: Position, confirmedFlush: Lsn): void {
    if (this.standing !== undefined) return
    this.#start = position
    this.#confirmedFlush = confirmedFlush
  }

  /** The feed never had its slot, and nothing was delivered: where it begins is settled anew. */
  withdraw(): void {
    this.#start = undefined
    this.#delivered = undefined
    this.#acknowledged = undefined
    this.#confirmedFlush = 0n
  }

  deliver(position: Position): void {
    this.#delivered = position
  }

  /**
   * @param given as the caller has it, perhaps read back from where it was stored, perhaps by an earlier release
   * @returns whether this is news
   * @throws {WalwireError} `ack_ahead` beyond the last delivered position, `position_incompatible` for one of another feed,
   * `position_malformed` for what is none
   */
  acknowledge(given: Position): boolean {
    const delivered = this.#delivered
    if (delivered !== undefined && given === delivered) {
      if (this.#acknowledged === delivered) return false
      this.#acknowledged = delivered
      return true
    }
    const position = parsePosition(given)
    const ahead = delivered === undefined ? 1 : comparePositions(position, delivered)
    // What the server is told counts in any case: a position from before the slot was known is ordered by a rule of its own.
    if (delivered === undefined || ahead > 0 || flushLsn(position) > flushLsn(delivered)) {
      throw new WalwireError('ack_ahead', {
        what: 'a position was acknowledged that was not delivered',
        why: `it is at ${position.lsn}, the last delivered one ${delivered ? `at ${delivered.lsn}` : 'does not exist'}`,
        hint: 'acknowledge the positions of batches, after what they hold was made durable',
        slot: position.slot,
        lsn: position.lsn,
      })
    }
    const known = this.#acknowledged ?? this.#start
    if (known !== undefined && comparePositions(position, known) <= 0) return false
    // the same place as the delivered one, though another object (read back from storage)
    this.#acknowledged = ahead === 0 ? delivered : position
    return true
  }
}
