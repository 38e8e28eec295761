import type { AnyTables, Event } from './events.ts'
import type { Position } from './position.ts'

/** What one pull delivers. */
export interface Batch<T extends object = AnyTables> {
  /** In the order of the commits; empty when only the position moved on. */
  readonly events: readonly Event<T>[]
  /** Where the feed stands after these events: store it with what you made of them, then acknowledge it. */
  readonly position: Position
  /** Whether the batch ends between two transactions. False inside one that alone exceeds the batch limits, and inside a snapshot. */
  readonly atCommit: boolean
}
