import { WalwireError } from '../../protocol/messages/errors.ts'

/** When a part of an output is complete, and the next one begins: whichever comes first. */
export interface RotatePolicy {
  /** Bytes that complete it. It is larger by what the batch that reached them has, or the transaction. */
  readonly maxBytes?: number | undefined
  /** Time since its first line was written, in ms, over all runs. */
  readonly maxAgeMs?: number | undefined
}

/** What a part has so far. */
export interface PartSoFar {
  readonly length: number
  /** When its first line was written, in ms since 1970. */
  readonly begunMs: number | undefined
}

/** How long until a part is complete if nothing more comes: 0, it is; infinite, it will not be. One without a line never is. */
export function completeInMs(policy: RotatePolicy, { length, begunMs }: PartSoFar, nowMs: number): number {
  if (length === 0) return Number.POSITIVE_INFINITY
  if (length >= (policy.maxBytes ?? Number.POSITIVE_INFINITY)) return 0
  return Math.max(0, (policy.maxAgeMs ?? Number.POSITIVE_INFINITY) - (nowMs - (begunMs ?? nowMs)))
}

/** @throws {WalwireError} `bad_option` */
export function checkRotatePolicy(policy: RotatePolicy): void {
  const limits = Object.entries(policy).filter(([, limit]) => limit !== undefined)
  const wrong = limits.find(
    ([name, limit]) => !(name === 'maxBytes' || name === 'maxAgeMs') || typeof limit !== 'number' || !(limit > 0),
  )
  if (limits.length > 0 && wrong === undefined) return
  throw new WalwireError('bad_option', {
    what: "the option 'rotate' cannot be used",
    why: wrong === undefined ? 'it has no limit' : `its ${wrong[0]} is ${String(wrong[1])}`,
    hint: 'give maxBytes, maxAgeMs or both, each a number above 0',
  })
}
