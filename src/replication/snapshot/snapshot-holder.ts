import type { Connection } from '../../protocol/connection/connection.ts'
import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { queryRows } from '../catalog/queryable.ts'

/**
 * Takes over a snapshot that another session exported, in a transaction of its own that stays open, and exports it again.
 *
 * The snapshot of a slot lives until the next command on the connection that made it, so that connection would have to be
 * silent for as long as a copy takes; and what lies in between closes silent connections. The holder may say something
 * as often as it likes, and when it has the snapshot, so may the other one.
 *
 * @returns the name under which others find the snapshot from then on
 * @see PG18: src/backend/replication/logical/snapbuild.c SnapBuildClearExportedSnapshot, snapmgr.c ExportSnapshot
 */
export async function holdSnapshot(holder: Connection, snapshotName: string): Promise<string> {
  const [[name] = []] = await queryRows(
    holder,
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)};
    SELECT pg_catalog.pg_export_snapshot()`,
  )
  return name ?? ''
}
