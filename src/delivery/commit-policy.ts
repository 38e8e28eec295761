/**
 * When what was written is made durable and acknowledged. Each time costs waits for a disk or a network, so under load
 * several batches share one; a batch that comes after a pause is committed at once.
 */
export interface CommitPolicy {
  /** Least time from the end of a commit to the next, while more is coming. In ms, default 100. */
  readonly intervalMs: number
  /** Most events that wait, whatever the time. Default 100,000. */
  readonly maxEvents: number
}

/** What holds where nothing else is said. */
export const defaultCommitPolicy: CommitPolicy = { intervalMs: 100, maxEvents: 100_000 }

/** What waits to be committed. */
export interface Uncommitted {
  readonly events: number
  readonly sinceCommitMs: number
}

/** How long the next commit is put off, for what may still come; 0: it is due. */
export function commitDelayMs(policy: CommitPolicy, { events, sinceCommitMs }: Uncommitted): number {
  return events >= policy.maxEvents ? 0 : Math.max(0, policy.intervalMs - sinceCommitMs)
}
