import { setTimeout as delay } from 'node:timers/promises'
import { patienceMs, reminderMs } from '../../protocol/connection/within.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn } from '../../protocol/messages/lsn.ts'
import type { Logger } from '../logger.ts'
import type { SayWait } from '../waits.ts'
import type { CommandConnection, Queryable } from './queryable.ts'
import { reached, readServerFacts } from './server-facts.ts'

/** How {@link waitForLsn} waits. */
export interface LsnWait {
  /** How long a primary may take to flush what it has written. A standby may be hours behind: there is no limit for it. */
  readonly primaryTimeoutMs: number
  readonly logger: Logger
  /** Called when it takes long, with what is waited for. */
  readonly onWait?: SayWait | undefined
  readonly signal?: AbortSignal | undefined
}

const pollIntervalMs = 200

/**
 * Waits until the server can send up to an LSN. Where it cannot, it would start the stream all the same, and skip what
 * is committed below the LSN later on.
 *
 * @throws {WalwireError} `position_ahead` when a primary does not get there in time
 * @throws the signal's reason
 */
export async function waitForLsn(replication: CommandConnection, lsn: Lsn, options: LsnWait): Promise<void> {
  const { primaryTimeoutMs, logger, signal, onWait } = options
  const startedAt = performance.now()
  let sayAtMs = patienceMs
  for (;;) {
    signal?.throwIfAborted()
    const server = await readServerFacts(replication)
    if (reached(server) >= lsn) return
    const elapsedMs = performance.now() - startedAt
    if (!server.inRecovery && elapsedMs >= primaryTimeoutMs) throw positionAhead(lsn, reached(server))
    if (elapsedMs >= sayAtMs) {
      sayAtMs = elapsedMs + reminderMs
      onWait?.(`the server to come as far as ${formatLsn(lsn)}, from ${formatLsn(reached(server))}`)
      logger.warn(
        { lsn: formatLsn(lsn), reached: formatLsn(reached(server)) },
        'waiting until the server has come as far',
      )
    }
    if (!server.inRecovery) await flushWritten(replication)
    await delay(pollIntervalMs, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

/**
 * Has a primary flush what it has written. By itself it flushes what commits, and full pages: the records of a
 * transaction that stays open can lie in memory for ever. The commit of a transaction that only took an xid is written
 * behind them and flushed by the WAL writer within moments; it changes nothing, and is not in the stream.
 *
 * @see PG18: xact.c RecordTransactionCommit, xlog.c XLogBackgroundFlush
 */
export async function flushWritten(connection: Queryable): Promise<void> {
  await connection.query('SELECT pg_catalog.pg_current_xact_id()')
}

/** The server's WAL ends before a start LSN. */
export function positionAhead(lsn: Lsn, end: Lsn): WalwireError {
  return new WalwireError('position_ahead', {
    what: `the stream cannot start at ${formatLsn(lsn)}`,
    why: `the server's WAL ends at ${formatLsn(end)}: it would start all the same, and skip every commit up to there`,
    hint: 'check that the position is of this server, and that the server was not restored from a backup; or start over with a new slot and snapshot',
    lsn: formatLsn(lsn),
  })
}
