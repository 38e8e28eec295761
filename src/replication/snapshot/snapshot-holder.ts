import type { Connection } from '../../protocol/connection/connection.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
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

/**
 * The loss behind a snapshot that is not there any more: whoever exported it is gone, which its own connection may tell later
 * than the server does to the next user.
 *
 * @returns undefined for every other error
 * @see PG18: src/backend/utils/time/snapmgr.c ImportSnapshot
 */
export function asSnapshotLoss(error: unknown): WalwireError | undefined {
  const fields = errorFieldsOf(error)
  if (!(error instanceof WalwireError) || fields?.routine !== 'ImportSnapshot') return undefined
  return new WalwireError('connection_lost', {
    what: 'the snapshot of the copy is gone',
    why: `the session that exported it has ended: ${error.why}`,
    hint: 'begin again at the stored position: the copy is made anew',
    sqlstate: error.sqlstate,
    cause: error,
  })
}
