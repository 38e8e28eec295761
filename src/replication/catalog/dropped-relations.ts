import type { Lsn } from '../../protocol/messages/lsn.ts'
import { type Queryable, queryRows } from './queryable.ts'
import { readWalEnd } from './wal-end.ts'

/** Which relations the catalog has no more. */
export interface DroppedRelations {
  readonly oids: readonly number[]
  /** They were dropped before the server's log came to here. */
  readonly before: Lsn
}

/**
 * Looks which of the relations that the stream has named were dropped.
 *
 * One that is not in the catalog may have been made by a transaction that was streamed already and is not seen yet, since
 * its commit waits for a synchronous standby. Until it has ended it locks what it made. So the locks are read first, and
 * then the catalog by a snapshot of its own: a transaction that held no lock by then has ended in that snapshot. One that
 * drops a table and is not seen yet leaves it in the catalog.
 *
 * @see PG18: src/backend/commands/tablecmds.c DefineRelation, src/backend/access/transam/xact.c CommitTransaction
 */
export async function readDropped(connection: Queryable, oids: readonly number[]): Promise<DroppedRelations> {
  const locks = await queryRows(
    connection,
    `SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
    WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'`,
  )
  const rows = await queryRows(
    connection,
    `SELECT known.oid FROM pg_catalog.unnest('{${oids.join(',')}}'::pg_catalog.oid[]) known(oid)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = known.oid)`,
  )
  const before = await readWalEnd(connection)
  const locked = new Set(locks.map(([oid]) => Number(oid)))
  return { oids: rows.map(([oid]) => Number(oid)).filter((oid) => !locked.has(oid)), before }
}
