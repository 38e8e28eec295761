import { WalwireError } from '../protocol/messages/errors.ts'
import { backoffMs, type DelayRange } from './backoff.ts'
import type { Position } from './position.ts'

/** How often, and after which time, a feed that was cut off tries to go on. */
export interface ReconnectOptions {
  /** Most tries in a row that come to nothing, before the feed fails with the reason of the last. Default: without end. */
  readonly maxAttempts?: number | undefined
  /** The shortest wait before a try. In ms, default 250. */
  readonly minDelayMs?: number | undefined
  /** The longest. In ms, default 30,000. */
  readonly maxDelayMs?: number | undefined
  /** Whether the first connection of the feed is tried again, too: for what starts before its server. Default false. */
  readonly first?: boolean | undefined
}

/** {@link ReconnectOptions} with defaults in place. */
export interface ReconnectPolicy extends DelayRange {
  readonly maxAttempts: number
  readonly first: boolean
}

/** Without end, since the slot keeps what comes meanwhile: how much is what a server's owner watches. */
export const defaultReconnectPolicy: ReconnectPolicy = {
  maxAttempts: Number.POSITIVE_INFINITY,
  minDelayMs: 250,
  maxDelayMs: 30_000,
  first: false,
}

/** How a try at a feed came to an end. */
export interface TryFailure {
  readonly error: unknown
  /** Where the feed stands: the same object as long as nothing was delivered. */
  readonly standing: Position | undefined
  /** Whether the feed has ever had its slot. */
  readonly begun: boolean
  /** For how long the try had it; 0 for one that never had. In ms. */
  readonly servedMs: number
  /** The slot is lost, and the feed is to begin anew then: the next try does. */
  readonly renewable: boolean
  /** Whether the server was streaming. */
  readonly streamed: boolean
}

/**
 * Decides whether and when a feed that was cut off is tried again. Pure: the clock and chance are the caller's.
 *
 * What may pass is tried again for as long as the policy says; which that is, each error says itself (`retryable`, see
 * errorCodes, and server-error.ts by SQLSTATE). An error of the stream that the server calls neither passing nor known is
 * tried once more, since a change that the output plugin fails at fails again at the same place: then it is the change.
 */
export class Reconnection {
  readonly #policy: ReconnectPolicy | false
  #failures = 0
  #standing: Position | undefined
  /** The change that the server failed at last, where nothing was delivered since: see {@link changeOf}. */
  #ofChange: string | undefined

  /** @param policy false: never */
  constructor(policy: ReconnectPolicy | false) {
    this.#policy = policy
  }

  /** Failures in a row, without progress in between. */
  get failures(): number {
    return this.#failures
  }

  /**
   * @param random from 0 to below 1
   * @returns how long to wait before the next try, in ms; undefined: the feed fails
   */
  afterFailure(failure: TryFailure, random: number): number | undefined {
    const policy = this.#policy
    if (policy === false || !(failure.begun || policy.first)) return undefined
    const isFurther = failure.standing !== this.#standing
    if (isFurther || failure.servedMs >= policy.maxDelayMs) this.#failures = 0
    if (isFurther) this.#ofChange = undefined
    this.#standing = failure.standing
    const ofChange = changeOf(failure)
    const isRepeated = ofChange !== undefined && ofChange === this.#ofChange
    // whatever else happens in between, the change is met again
    this.#ofChange = ofChange ?? this.#ofChange
    const mayPass = failure.renewable || (failure.error instanceof WalwireError && failure.error.retryable)
    if (!mayPass && (ofChange === undefined || isRepeated)) return undefined
    if (++this.#failures > policy.maxAttempts) return undefined
    return backoffMs(policy, this.#failures, random)
  }
}

/**
 * What tells a failure in the middle of streaming, of which nothing is known, from another one: its SQLSTATE, and the LSN of
 * the change where the server says it.
 */
function changeOf({ error, streamed }: TryFailure): string | undefined {
  if (!streamed || !(error instanceof WalwireError) || error.code !== 'server_error' || error.retryable)
    return undefined
  return `${error.sqlstate} at ${error.lsn}`
}
