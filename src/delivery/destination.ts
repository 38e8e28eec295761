import type { Batch } from '../replication/batch.ts'
import type { AnyTables } from '../replication/events.ts'
import type { Position } from '../replication/position.ts'

/**
 * A place that changes are delivered to. One delivery calls one method at a time, but for this: {@link write} may be
 * called while {@link commit} is pending.
 *
 * A method that fails may call its failure passing: by an error with `retryable: true`, as a `WalwireError` may have it.
 * Then the destination is opened again, and the feed with it, at what {@link open} says. Any other failure ends the
 * delivery.
 */
export interface Destination<T extends object = AnyTables> {
  /** What it is called in logs and errors: `the output /data/shop.jsonl`. */
  readonly description?: string | undefined
  /**
   * Takes possession, so that an older run can no longer write here, and says where it stands: what was committed last,
   * and nothing of what was written after that. Called again after a passing failure, never while another call is pending.
   *
   * @returns undefined where nothing was ever committed, or where positions are not kept: then what was committed since
   * may come again after the next start of the process
   */
  open(feed: DeliveredFeed): Promise<Standing | undefined>
  /**
   * Takes a batch, which has at least one event. Resolves when more may be given, and that is the back-pressure: a
   * destination that cannot take more, or not while a commit is pending, lets it wait. Nothing need be durable yet.
   *
   * It counts from when it resolves: a commit that begins while it waits must leave out what it has taken.
   */
  write(batch: Batch<T>): Promise<void>
  /**
   * Makes durable, together, all that was written and the position that it led to: exactly the writes that had resolved
   * when this was called, and none that came later. One at a time. The server may forget only after it has resolved.
   */
  commit(position: Position): Promise<void>
  /** Lets go of everything. Nothing is written after it has resolved. */
  close(): Promise<void>
}

/** Whose changes a destination is to hold. */
export interface DeliveredFeed {
  /** In alphabetical order, each once. */
  readonly publications: readonly string[]
  /** Undefined for a temporary slot without a name. */
  readonly slot: string | undefined
  readonly snapshot: 'initial' | 'never' | 'only'
  /** Where the feed begins if the destination holds nothing yet; an LSN is text. */
  readonly start: Position | string | undefined
  /** A function says that, which is asked when the slot is this delivery's: `start` is undefined here. */
  readonly startIsAsked?: boolean | undefined
  /** Aborted when the delivery is to end. */
  readonly signal: AbortSignal
}

/** Where a destination stands. */
export interface Standing {
  /** Where to go on. An LSN or `slot` where a run was begun with one, and ended before anything was committed. */
  readonly start: Position | string
}
