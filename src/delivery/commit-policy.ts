/**
 * When what was written is made durable and acknowledged. Each time costs three waits for the disk, so under load
 * several batches share one; a batch that comes after a pause is committed at once.
 */
export interface CommitPolicy {
  /** Least time between two commits while more is coming. */
  readonly intervalMs: number
  /** Most bytes that wait, whatever the time. */
  readonly maxBytes: number
}

/** For a feed without an end. */
export const defaultCommitPolicy: CommitPolicy = { intervalMs: 100, maxBytes: 16 * 1024 * 1024 }

/**
 * For a feed that ends by itself: nobody knows which batch is the last, and after the last one there is no feed that
 * could tell the server what is durable. So each batch is committed before the next is asked for.
 */
export const boundedCommitPolicy: CommitPolicy = { intervalMs: 0, maxBytes: 0 }

/** What waits to be committed. */
export interface Uncommitted {
  readonly bytes: number
  readonly sinceCommitMs: number
}

/** How long the next batch is waited for before committing; 0: commit now, before it is asked for. */
export function commitDelayMs(policy: CommitPolicy, { bytes, sinceCommitMs }: Uncommitted): number {
  return bytes >= policy.maxBytes ? 0 : Math.max(0, policy.intervalMs - sinceCommitMs)
}
