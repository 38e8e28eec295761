import { quoteIdentifier } from '../../protocol/messages/quote.ts'

/** What of a table is copied. */
export interface CopyScope {
  readonly table: QualifiedName & { readonly kind: string }
  /** In the order of the copy; may be none. */
  readonly columns: readonly string[]
  readonly rowFilter: string | null
  /** Some of the columns are generated. */
  readonly hasGenerated: boolean
  /** The partitions to copy, where that is not all of them. */
  readonly leaves: readonly QualifiedName[] | undefined
}

interface QualifiedName {
  readonly schema: string
  readonly name: string
}

/**
 * The command that copies a table's published rows and columns in text format.
 *
 * A table is copied as such where the server lets it be. It does not with a row filter, with generated columns, with
 * partitions, or with an empty column list: then a query is copied. ONLY keeps the rows of tables that inherit from
 * this one out: they are published on their own, if at all.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html
 */
export function copyCommand(scope: CopyScope): string {
  const { table, columns, rowFilter, hasGenerated, leaves } = scope
  const list = columns.map(quoteIdentifier).join(', ')
  const isPlain = table.kind === 'r' && rowFilter === null && !hasGenerated && columns.length > 0
  if (isPlain) return `COPY ${qualified(table)} (${list}) TO STDOUT`
  const where = rowFilter === null ? '' : ` WHERE ${rowFilter}`
  const select = (from: string) => `SELECT ${list} FROM ${from}${where}`
  if (leaves !== undefined && leaves.length > 0) {
    return `COPY (${leaves.map((leaf) => select(`ONLY ${qualified(leaf)}`)).join(' UNION ALL ')}) TO STDOUT`
  }
  // Of a partitioned table, ONLY takes no rows at all: right where none of its partitions is published.
  const only = table.kind === 'r' || leaves !== undefined ? 'ONLY ' : ''
  return `COPY (${select(only + qualified(table))}) TO STDOUT`
}

/** A table's name as SQL. */
export function qualified({ schema, name }: QualifiedName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}
