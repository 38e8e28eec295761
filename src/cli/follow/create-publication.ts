import { WalwireError } from '../../protocol/messages/errors.ts'
import { quoteIdentifier, quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows } from '../../replication/catalog/queryable.ts'
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
    const needsPath = tables !== 'all' && tables.some(({ schema }) => schema === undefined)
    const sql = createPublicationSql(name, tables)
    // one query is one transaction: the path is back to nothing when it ends
    await connection.query(needsPath ? `${searchPathSql}; ${sql}` : sql)
    return true
  } catch (error) {
    // another run was faster
    if (error instanceof WalwireError && error.sqlstate === duplicateObject) return false
    throw asPublicationError(error, name)
  }
}

/** SQLSTATE insufficient_privilege. */
const insufficientPrivilege = '42501'

function asPublicationError(error: unknown, name: string): unknown {
  if (!(error instanceof WalwireError) || error.sqlstate === undefined) return error
  return new WalwireError(error.code, {
    what: `publication ${name} could not be made`,
    why: error.why,
    hint:
      error.sqlstate === insufficientPrivilege
        ? 'a role needs CREATE on the database and must own each table, and for all tables be a superuser; or let who may do it make the publication'
        : 'check the tables of --create-publication: each as schema.table, in double quotes where it has capitals',
    sqlstate: error.sqlstate,
    retryable: error.retryable,
    cause: error,
  })
}

/**
 * walwire's connections have an empty search path, so that nothing of anybody's gets in the way of its own statements.
 * A table named without a schema is looked up where psql would: in the order in which the server applies what ALTER ROLE
 * and ALTER DATABASE have set (PG18: postinit.c, process_settings), else by the server's default.
 */
const searchPathSql = `SELECT set_config('search_path', coalesce((
  SELECT substr(entry, length('search_path=') + 1)
  FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS entry
  WHERE starts_with(entry, 'search_path=')
    AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
    AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1
), '"$user", public'), true)`

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
