import type { Lsn } from '../../protocol/messages/lsn.ts'

/** What the server is told: how far the stream was received, and what is durable. */
export interface FeedbackState {
  /** The highest LSN that the server has named in this connection. */
  readonly received: Lsn
  /** LSN of the last acknowledged position; while nothing was, where the slot stood, or 0. */
  readonly acknowledged: Lsn
}

/** The three LSNs of a standby status update. */
export interface Feedback {
  readonly write: Lsn
  readonly flush: Lsn
  readonly apply: Lsn
}

/**
 * What to report. Only `flush` moves a slot, and the server believes whatever it is told: what is above the last
 * acknowledgement would be lost after a restart, and what is above the server's own end would make it skip commits that
 * are still to come. So neither is ever sent.
 */
export function feedback({ received, acknowledged }: FeedbackState): Feedback {
  const flush = acknowledged < received ? acknowledged : received
  return { write: received, flush, apply: flush }
}
