/** What is known of a replication connection's health. Times are in ms on one monotonic clock. */
export interface LivenessState {
  readonly nowMs: number
  /** When the server was last heard. */
  readonly heardAtMs: number
  /** When it was asked for a reply since then; undefined when it was not. */
  readonly askedAtMs: number | undefined
  /** Whether the socket is being read: while the consumer holds back, silence says nothing. */
  readonly reading: boolean
  /** The server's wal_sender_timeout; 0 when it has none. */
  readonly walSenderTimeoutMs: number
}

/** Without a timeout of the server's own, a link is given this long. */
const defaultTimeoutMs = 60_000
/** The server may lower its timeout while a stream runs, and says so nowhere; a report has 39 bytes. */
const longestStatusIntervalMs = 1_000
const shortestStatusIntervalMs = 50

/**
 * How often to send a status update. The server ends a connection from which it has not heard for wal_sender_timeout,
 * and its own request for a reply may wait behind data that the consumer has not taken yet.
 */
export function statusIntervalMs(walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs <= 0) return longestStatusIntervalMs
  return Math.max(shortestStatusIntervalMs, Math.min(longestStatusIntervalMs, Math.floor(walSenderTimeoutMs / 3)))
}

/**
 * What to do about silence: after half the timeout ask for a reply, and when another whole timeout passes after that
 * while the socket is read, the link is dead. An idle server says nothing by itself as long as it hears from us, and
 * one that decodes a long transaction may be silent too.
 */
export function liveness(state: LivenessState): 'alive' | 'ask' | 'dead' {
  const timeoutMs = state.walSenderTimeoutMs > 0 ? state.walSenderTimeoutMs : defaultTimeoutMs
  if (state.askedAtMs === undefined) return state.nowMs - state.heardAtMs >= timeoutMs / 2 ? 'ask' : 'alive'
  return state.reading && state.nowMs - state.askedAtMs >= timeoutMs ? 'dead' : 'alive'
}
