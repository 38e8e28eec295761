import type { Lsn } from '../../protocol/messages/lsn.ts'

/** What decides whether a batch without events is due. */
export interface IdleState {
  /** Everything below this was received, and nothing received is waiting to be delivered. */
  readonly received: Lsn
  /** LSN of the last delivered position, or of where the feed started. */
  readonly delivered: Lsn
  /** Whether everything delivered was acknowledged. */
  readonly allAcknowledged: boolean
  /** Whether the server waits for an answer. It does when it is stopping, until it hears that all was flushed. */
  readonly replyRequested: boolean
  /** Whether commits wait for this stream, those of which it carries nothing too. */
  readonly synchronous: boolean
  /** Since the last batch, with or without events. */
  readonly sinceBatchMs: number
}

/** Idle progress is delivered this often, */
export const idleIntervalMs = 10_000
/** or when this much WAL has passed. */
export const idleIntervalBytes = 16n * 1024n * 1024n

/**
 * Whether to deliver a batch that only moves the position, so that a quiet table does not hold back WAL. The slot is
 * not moved by walwire itself: it would get ahead of the position that the caller has stored, and every restart would
 * look like a gap.
 */
export function idleBatchDue(state: IdleState): boolean {
  if (state.received <= state.delivered || !state.allAcknowledged) return false
  return (
    state.replyRequested ||
    state.synchronous ||
    state.sinceBatchMs >= idleIntervalMs ||
    state.received - state.delivered >= idleIntervalBytes
  )
}
