import { longestTimerMs } from '../protocol/connection/within.ts'

/** Between which times to wait before something is tried again. In ms. */
export interface DelayRange {
  readonly minDelayMs: number
  readonly maxDelayMs: number
}

/** The longest wait: it doubles with each failure, up to its limit. In ms. */
export function longestDelayMs({ minDelayMs, maxDelayMs }: DelayRange, doublings: number): number {
  return Math.min(maxDelayMs, longestTimerMs, minDelayMs * 2 ** Math.min(doublings, 40))
}

/**
 * How long to wait after a number of failures in a row: from the least to what doubles with each of them, by chance alone,
 * so that many that failed together do not come back together.
 *
 * @param doublings how often the longest wait has doubled
 * @param random from 0 to below 1
 */
export function backoffMs(range: DelayRange, doublings: number, random: number): number {
  const longest = longestDelayMs(range, doublings)
  const shortest = Math.min(range.minDelayMs, longest)
  return shortest + random * (longest - shortest)
}
