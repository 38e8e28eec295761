import { WalwireError } from '../../protocol/errors.ts'
import { quoteIdentifier, quoteLiteral } from '../../protocol/quote.ts'
import { type Queryable, queryRows } from '../../replication/queryable.ts'
import type { TableName } from './table-list.ts'

/** SQLSTATE duplicate_object. */
const duplicateObject = '42710'

/**
 * Makes a publication if there is none of that name. One that exists is used as it is: it may have been made by the run
 * before, and what it publishes is its owner's decision.
 *
 * @returns whether it was made
 */
export async function createPublication(
  connection: Queryable,
  name: string,
  tables: 'all' | readonly TableName[],
): Promise<boolean> {
  const existing = await queryRows(
    connection,
    `SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = ${quoteLiteral(name)}`,
  )
  if (existing.length > 0) return false
  try {
    await connection.query(createPublicationSql(name, tables))
    return true
  } catch (error) {
    // another run was faster
    if (error instanceof WalwireError && error.sqlstate === duplicateObject) return false
    throw error
  }
}

/** The statement. A name without a schema is left to the search path, as psql leaves it. */
export function createPublicationSql(name: string, tables: 'all' | readonly TableName[]): string {
  const what =
    tables === 'all'
      ? 'ALL TABLES'
      : `TABLE ${tables.map(({ schema, name }) => [schema, name].flatMap(quotedIfGiven).join('.')).join(', ')}`
  return `CREATE PUBLICATION ${quoteIdentifier(name)} FOR ${what}`
}

function quotedIfGiven(name: string | undefined): string[] {
  return name === undefined ? [] : [quoteIdentifier(name)]
}
