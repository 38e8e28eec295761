import { type Queryable, queryRows, type TextRow } from '../catalog/queryable.ts'
import { commandWords } from './command-words.ts'

/** A transaction that a slot under creation waits for, or will wait for when its turn comes. */
export interface SlotBlocker {
  /** Undefined for a prepared transaction, which belongs to no session any more. */
  readonly pid: number | undefined
  /** The name of a prepared transaction. */
  readonly gid: string | undefined
  readonly database: string | undefined
  readonly user: string | undefined
  /** As in pg_stat_activity: `active`, `idle in transaction` … Undefined where the role may not see it. */
  readonly state: string | undefined
  /**
   * What kind of statement its latest one is: see {@link commandWords}. Undefined where that is not to be told, where the
   * role may not see it, and for a prepared transaction.
   */
  readonly command: string | undefined
  /** By which pg_stat_statements knows the statement; undefined where the server does not compute it. */
  readonly queryId: string | undefined
  /** Since the transaction began or was prepared. Undefined where the role may not see it. */
  readonly ageMs: number | undefined
}

/** What keeps a slot from being made. */
export interface BlockerReport {
  readonly blockers: readonly SlotBlocker[]
  /** On a standby the slot waits for a record of the primary, which need not come while that is idle. */
  readonly inRecovery: boolean
}

/**
 * Finds what a CREATE_REPLICATION_SLOT waits for: transactions with an xid, of any database, that are older than it.
 *
 * pg_locks, since every role sees it in full: a transaction holds an exclusive lock on its xid, and the walsender waits
 * for a share lock on one xid after the other. Those that it waits for now are named whatever their age; a transaction
 * that began after the command is waited for only if it got its xid before the snapshot builder's next step.
 *
 * @param pid the walsender that makes the slot
 * @param elapsedMs how long it has been at it
 * @see PG18: snapbuild.c SnapBuildWaitSnapshot
 */
export async function readSlotBlockers(connection: Queryable, pid: number, elapsedMs: number): Promise<BlockerReport> {
  const rows = await queryRows(connection, blockersSql(pid, elapsedMs))
  return parseBlockers(rows)
}

function blockersSql(pid: number, elapsedMs: number): string {
  const began = `clock_timestamp() - interval '${Math.round(elapsedMs)} milliseconds'`
  return `WITH xid_locks AS MATERIALIZED (
    SELECT l.pid, l.transactionid, l.granted FROM pg_catalog.pg_locks l WHERE l.locktype = 'transactionid'
  ), holders AS (
    SELECT h.pid, CASE WHEN h.pid IS NULL THEN h.transactionid END AS prepared,
      bool_or(EXISTS (SELECT FROM xid_locks w
        WHERE w.pid = ${pid} AND NOT w.granted AND w.transactionid = h.transactionid)) AS awaited
    FROM xid_locks h WHERE h.granted AND h.pid IS DISTINCT FROM ${pid} GROUP BY 1, 2
  ), blockers AS (
    SELECT h.pid, p.gid, coalesce(a.datname, p.database) AS datname, coalesce(a.usename, p.owner) AS username,
      a.state, CASE WHEN a.query <> '<insufficient privilege>' THEN a.query END AS query, a.query_id,
      coalesce(a.xact_start, p.prepared) AS began, h.awaited
    FROM holders h
      LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
      LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = h.prepared
    -- a prepared transaction's subtransactions hold locks of their own
    WHERE h.pid IS NOT NULL OR p.gid IS NOT NULL
  )
  SELECT pg_is_in_recovery(), pid, gid, datname, username, state, query, query_id,
    round(extract(epoch FROM clock_timestamp() - began) * 1000)
  FROM (SELECT 1) always LEFT JOIN blockers ON awaited OR began IS NULL OR began <= ${began}
  ORDER BY began NULLS LAST, pid`
}

function parseBlockers(rows: readonly TextRow[]): BlockerReport {
  const blockers: SlotBlocker[] = []
  for (const [, pid, gid, database, user, state, query, queryId, ageMs] of rows) {
    if (!pid && !gid) continue
    blockers.push({
      pid: pid ? Number(pid) : undefined,
      gid: gid ?? undefined,
      database: database ?? undefined,
      user: user ?? undefined,
      state: state ?? undefined,
      command: query ? commandWords(query) : undefined,
      queryId: queryId ?? undefined,
      ageMs: ageMs ? Number(ageMs) : undefined,
    })
  }
  return { blockers, inRecovery: rows[0]?.[0] === 't' }
}

const shownBlockers = 5

/** The sentence that names what a slot waits for. */
export function describeBlockers({ blockers, inRecovery }: BlockerReport): string {
  if (blockers.length === 0) {
    return inRecovery
      ? 'a standby makes a slot at the next record of running transactions, and the primary has written none'
      : 'no open transaction is to be seen any more'
  }
  const more = blockers.length - shownBlockers
  return (
    'it waits for transactions that were open before it: ' +
    blockers.slice(0, shownBlockers).map(describeBlocker).join('; ') +
    (more > 0 ? `; and ${more} more` : '')
  )
}

function describeBlocker(blocker: SlotBlocker): string {
  const who =
    blocker.gid === undefined ? `process ${blocker.pid}` : `prepared transaction '${blocker.gid}' (no process)`
  const facts = [
    blocker.user && `role ${blocker.user}`,
    blocker.database && `database ${blocker.database}`,
    blocker.ageMs !== undefined && `open for ${Math.round(blocker.ageMs / 1000)} s`,
    blocker.state,
    blocker.command && `latest command ${blocker.command}`,
    blocker.queryId && `query_id ${blocker.queryId}`,
    blocker.gid === undefined && blocker.state === undefined && 'its activity is not visible to this role',
  ].filter(Boolean)
  return `${who}, ${facts.join(', ')}`
}

/** What can be done about them. */
export function blockersHint({ blockers, inRecovery }: BlockerReport): string {
  const pids = blockers.flatMap((blocker) => (blocker.pid === undefined ? [] : [blocker.pid]))
  const gids = blockers.flatMap((blocker) => (blocker.gid === undefined ? [] : [blocker.gid]))
  const hidden = blockers.some((blocker) => blocker.gid === undefined && blocker.state === undefined)
  return [
    inRecovery && 'run SELECT pg_log_standby_snapshot() on the primary, when its open transactions have ended',
    pids.length > 0 && `end them, if need be with SELECT pg_terminate_backend(${pids[0]})`,
    gids.length > 0 && `COMMIT PREPARED or ROLLBACK PREPARED '${gids[0]?.replaceAll("'", "''")}'`,
    hidden && 'GRANT pg_read_all_stats to this role shows what they do',
    'try again, or wait longer (slotTimeoutMs)',
  ]
    .filter(Boolean)
    .join('; ')
}
