import { type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { type Queryable, queryRows } from './queryable.ts'

/** Where the server's log ends: everything that it can send committed before. */
export async function readWalEnd(connection: Queryable): Promise<Lsn> {
  const [[lsn] = []] = await queryRows(
    connection,
    `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
      ELSE pg_catalog.pg_current_wal_insert_lsn() END`,
  )
  return parseLsn(lsn ?? '')
}
