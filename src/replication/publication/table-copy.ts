import { type Queryable, queryRows } from '../catalog/queryable.ts'
import { copyCommand } from './copy-command.ts'
import type { PublishedTable } from './publication.ts'

/** What is known of a table only once it is locked. */
export interface TableCopy {
  /** The condition on the rows, as SQL; null where all rows are published. */
  readonly rowFilter: string | null
  /** On disk, without indexes. */
  readonly estimatedBytes: number
  /** `COPY … TO STDOUT` in text format, with the columns in the relation's order. */
  readonly copySql: string
}

/**
 * Reads how a table is copied, in a transaction that has it locked: the functions that print a condition and that tell a
 * size open the table, and would wait for whoever wants to have it alone.
 *
 * @see PG18: ruleutils.c pg_get_expr_worker, dbsize.c pg_table_size
 */
export async function readTableCopy(connection: Queryable, table: PublishedTable): Promise<TableCopy> {
  const { oid, relation, filteredBy, partitioned, leaves, unpublishedLeaves, hasGenerated } = table
  const filters =
    filteredBy.length === 0
      ? 'NULL'
      : `(SELECT string_agg(DISTINCT '(' || pg_catalog.pg_get_expr(prqual, prrelid) || ')', ' OR ')
        FROM pg_catalog.pg_publication_rel WHERE prrelid = ${oid} AND prpubid IN (${filteredBy.join(', ')}))`
  const [[rowFilter, bytes] = []] = await queryRows(
    connection,
    `SELECT ${filters}, (SELECT sum(pg_catalog.pg_table_size(leaf))
      FROM pg_catalog.unnest('{${leaves.map((leaf) => leaf.oid).join(',')}}'::oid[]) AS leaf)`,
  )
  return {
    rowFilter: rowFilter ?? null,
    estimatedBytes: Number(bytes ?? 0),
    copySql: copyCommand({
      table: { schema: relation.schema, name: relation.name, kind: partitioned ? 'p' : 'r' },
      columns: relation.columns.map(({ name }) => name),
      rowFilter: rowFilter ?? null,
      hasGenerated,
      leaves: unpublishedLeaves ? leaves : undefined,
    }),
  }
}
