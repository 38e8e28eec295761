import type { Lsn } from '../../protocol/messages/lsn.ts'
import type { Position } from '../position.ts'

/** The slot that a run made. */
export interface MadeSlot {
  /** Tells it from another one that is given the name later. */
  readonly consistentPoint: Lsn
  /** It goes with the connection that made it. */
  readonly temporary: boolean
}

/**
 * Whose a slot is: a run that made it and ends takes it along, unless somebody may hold a position that continues it.
 * Left behind it would keep WAL until the disk is full; dropped too early it would be a gap.
 */
export class SlotOwnership {
  #made: MadeSlot | undefined
  #claimed = false

  /** This run made the slot, perhaps in place of one that it made before. */
  made(slot: MadeSlot): void {
    this.#made = slot
  }

  /** This run dropped it again. */
  dropped(): void {
    this.#made = undefined
  }

  /** The feed begins anew: what was stored of it continues no slot any more. */
  renewed(): void {
    this.#made = undefined
    this.#claimed = false
  }

  /** Whether a slot that stands there can be the one that this run made, as far as it knows of one. */
  mayBeOurs(confirmedFlush: Lsn | undefined): boolean {
    return this.#made === undefined || this.#made.consistentPoint === confirmedFlush
  }

  /** The caller has stored a position. Of phase `new` it names no slot: the next run makes one. */
  acknowledged({ phase }: Pick<Position, 'phase'>): void {
    if (phase !== 'new') this.#claimed = true
  }

  /** The caller has a position in hand, and may be storing it. What lies before the stream begins anew by itself. */
  handedOver({ phase }: Pick<Position, 'phase'>): void {
    if (phase === 'stream') this.#claimed = true
  }

  /** Whether the slot of this run goes with its connection. */
  get temporary(): boolean {
    return this.#made?.temporary ?? false
  }

  /** The slot that is to be dropped when the run ends now; undefined when none is. */
  get toDrop(): MadeSlot | undefined {
    return this.#claimed || this.temporary ? undefined : this.#made
  }
}
