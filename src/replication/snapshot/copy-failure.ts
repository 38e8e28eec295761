import { WalwireError } from '../../protocol/messages/errors.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
import type { PublishedTable } from '../publication/publication.ts'

/**
 * A table is not what it was when the snapshot was made: rewritten, truncated, altered or dropped since. Its rows in
 * the snapshot can no longer be read, and what changed them is not in the stream as rows.
 */
export class TableChanged extends Error {
  readonly table: string
  constructor(table: string, cause?: unknown) {
    super(`table ${table} was changed after the snapshot was made`, { cause })
    this.table = table
  }
}

/** SQLSTATEs with which a copy fails when its table was dropped or altered after the snapshot. */
const changedTableStates = new Set(['42P01', '42703', '42704', '42809', '3F000'])

/** SQLSTATE insufficient_privilege. */
export const insufficientPrivilege = '42501'
/** SQLSTATE untranslatable_character: one that UTF-8 has no equivalent of. */
const untranslatable = '22P05'
/** SQLSTATE out_of_memory: of a process, or of what all share. */
const outOfMemory = '53200'

/** What an error of the server means for the copy of a table: {@link TableChanged}, an error that names it, or itself. */
export function asCopyFailure(error: unknown, table: PublishedTable): unknown {
  const fields = errorFieldsOf(error)
  if (fields === undefined || !(error instanceof WalwireError)) return error
  const { table: label } = table.relation
  if (changedTableStates.has(fields.code)) return new TableChanged(label, error)
  const parts = {
    what: `table ${label} could not be copied`,
    why: error.why,
    table: label,
    sqlstate: fields.code,
    cause: error,
  }
  if (fields.code === insufficientPrivilege) {
    return fields.routine === 'check_enable_rls'
      ? new WalwireError('row_security', {
          ...parts,
          hint: 'let a role copy that is not subject to the policies: the owner of the table, or ALTER ROLE … BYPASSRLS',
        })
      : new WalwireError('not_permitted', { ...parts, hint: grantHint(table) })
  }
  // The memory of a process runs out in other places (mcxt.c, aset.c).
  if (fields.code === outOfMemory && fields.file === 'lock.c') {
    return new WalwireError('locks_exhausted', {
      ...parts,
      why: `${locksWanted(table)}, and the server has no room for more locks: ${error.why}`,
      hint: 'raise max_locks_per_transaction and restart the server; or publish fewer partitions',
    })
  }
  if (fields.code === untranslatable) {
    return new WalwireError('invalid_text', {
      ...parts,
      why: `${error.why}${fields.where === undefined ? '' : ` (${fields.where})`}`,
      hint: 'correct the value, or leave its column out of the publication',
    })
  }
  return error
}

function grantHint({ relation, filteredBy }: PublishedTable): string {
  const columns = relation.columns.map(({ name }) => name).join(', ')
  const filter = filteredBy.length === 0 ? '' : ', and those of its row filter'
  return `GRANT SELECT ON ${relation.table} TO the role of this connection, and USAGE on its schema; of its columns those that are published are enough (${columns}${filter})`
}

function locksWanted({ partitioned, leaves }: PublishedTable): string {
  return partitioned ? `its copy locks all of its ${leaves.length} partitions` : 'its copy locks it'
}
