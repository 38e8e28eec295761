import { Progress } from './progress.ts'
import { SlotOwnership } from './slot/slot-ownership.ts'
import { HeldTables } from './snapshot/held-tables.ts'
import { AnnouncedRelations } from './stream/announced-relations.ts'

/**
 * What a feed knows of itself, whichever connections it runs over: all that must outlive them for the consumer to see
 * one feed.
 */
export class FeedState {
  /** What was delivered, and what of that acknowledged. */
  readonly progress = new Progress()
  /** The schema of each table as the consumer was last told. */
  readonly announced = new AnnouncedRelations()
  /** What the consumer may have of tables whose copy came to nothing. */
  readonly held = new HeldTables()
  /** What was logged and is not to be logged again. */
  readonly said = new Set<string>()
  /** Who drops the slot. */
  readonly ownership = new SlotOwnership()
  /** How often other connections took the place of lost ones. */
  readonly reconnects = 0
}
