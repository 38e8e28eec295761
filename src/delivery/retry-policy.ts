import { longestDelayMs } from '../replication/backoff.ts'

/** How a destination whose failure is passing is tried again. */
export interface RetryPolicy {
  /** Most failures in a row before the last of them ends the delivery. A commit ends the row, one of a copy only when the copy is complete. Default: without end. */
  readonly maxFailures: number
  /** How long to wait after the first. In ms, default 100; it doubles with each more. */
  readonly firstDelayMs: number
  /** How long to wait at most. In ms, default 30,000. */
  readonly maxDelayMs: number
}

/** Without end, since the slot keeps the data: how much is what a server's owner watches. */
export const defaultRetryPolicy: RetryPolicy = {
  maxFailures: Number.POSITIVE_INFINITY,
  firstDelayMs: 100,
  maxDelayMs: 30_000,
}

/** Whether the destination calls a failure passing. */
export function isPassing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true
}

/**
 * How long to wait after a number of failures in a row; undefined: not again. A part of it is chance, so that many that
 * failed together do not come back together.
 *
 * @param random from 0 to below 1
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, random: number): number | undefined {
  if (failures >= policy.maxFailures) return undefined
  const { firstDelayMs: minDelayMs, maxDelayMs } = policy
  return longestDelayMs({ minDelayMs, maxDelayMs }, failures - 1) * (0.5 + random / 2)
}
