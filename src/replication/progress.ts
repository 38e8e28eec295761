import { WalwireError } from '../protocol/messages/errors.ts'
import { comparePositions, type Position, parsePosition } from './position.ts'

/** What was delivered and what of that is durable: the one account that feedback, idle batches and the end of a feed go by. */
export class Progress {
  #delivered: Position | undefined
  #acknowledged: Position | undefined

  /** Position of the latest batch. */
  get delivered(): Position | undefined {
    return this.#delivered
  }

  /** Up to here the caller has stored everything. */
  get acknowledged(): Position | undefined {
    return this.#acknowledged
  }

  /** Whether everything delivered is durable. */
  get allAcknowledged(): boolean {
    return this.#acknowledged === this.#delivered
  }

  /** The caller has stored this in an earlier run. */
  continueFrom(position: Position): void {
    this.#delivered = position
    this.#acknowledged = position
  }

  deliver(position: Position): void {
    this.#delivered = position
  }

  /**
   * @returns whether this is news
   * @throws {WalwireError} `ack_ahead` beyond the last delivered position, `position_incompatible` for one of another feed,
   * `position_malformed` for what is none
   */
  acknowledge(position: Position): boolean {
    const delivered = this.#delivered
    if (position === delivered) {
      if (this.#acknowledged === delivered) return false
      this.#acknowledged = delivered
      return true
    }
    // read back from storage, so perhaps not what was stored
    parsePosition(position)
    const ahead = delivered === undefined ? 1 : comparePositions(position, delivered)
    if (ahead > 0) {
      throw new WalwireError('ack_ahead', {
        what: 'a position was acknowledged that was not delivered',
        why: `it is at ${position.lsn}, the last delivered one ${delivered ? `at ${delivered.lsn}` : 'does not exist'}`,
        hint: 'acknowledge the positions of batches, after what they hold was made durable',
        slot: position.slot,
        lsn: position.lsn,
      })
    }
    if (this.#acknowledged !== undefined && comparePositions(position, this.#acknowledged) <= 0) return false
    // the same place as the delivered one, though another object (read back from storage)
    this.#acknowledged = ahead === 0 ? delivered : position
    return true
  }
}
