import type { Connection } from '../../protocol/connection/connection.ts'
import type { Queryable } from '../catalog/queryable.ts'
import { statusIntervalMs } from '../stream/liveness.ts'

/** At least this often something goes over each connection while tables are copied. */
const longestIntervalMs = 30_000
/** Where the server gives its clients no time in which to show themselves, it has this long itself. */
const defaultLimitMs = 60_000

/** Connections that wait while others work. */
export interface WaitingConnections {
  /** Those that take a query at any time. */
  readonly idle: readonly Queryable[]
  /** Those in the middle of a copy that the consumer may hold up. */
  readonly copying: readonly Connection[]
}

/**
 * Has something go over connections that a copy leaves silent, so that nothing in between takes them for dead: as often
 * as the stream would report, since what lets a stream live should let a copy live. One over which no answer comes within
 * wal_sender_timeout is given up, as that of a stream is.
 *
 * @returns ends it
 */
export function keepAlive({ idle, copying }: WaitingConnections, walSenderTimeoutMs: number): () => void {
  const intervalMs = Math.min(longestIntervalMs, statusIntervalMs(walSenderTimeoutMs))
  const limitMs = walSenderTimeoutMs > 0 ? walSenderTimeoutMs : defaultLimitMs
  const asked = new Set<Queryable>()
  const timer = setInterval(() => {
    for (const connection of copying) connection.nudge()
    for (const connection of idle) {
      // its failure is told by `ended`, to whom it concerns
      if (asked.has(connection)) continue
      asked.add(connection)
      const answered = () => void asked.delete(connection)
      connection.query('SELECT 1', { limitMs }).then(answered, answered)
    }
  }, intervalMs)
  return () => clearInterval(timer)
}
