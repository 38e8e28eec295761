import type { QueryLimit } from '../../protocol/connection/connection.ts'
import type { CommandResult } from '../../protocol/messages/replication-commands.ts'

/** A row as the simple query protocol gives it: every value as the server's text. */
export type TextRow = readonly (string | null)[]

/** What reading the catalogs needs of a connection: SQL in, text rows out, one result for each statement. */
export interface Queryable {
  query(sql: string, limit?: QueryLimit): Promise<readonly Pick<CommandResult, 'rows'>[]>
}

/** A connection with `replication=database`, which takes replication commands too. Their columns are known by name. */
export interface CommandConnection extends Queryable {
  query(sql: string, limit?: QueryLimit): Promise<readonly CommandResult[]>
}

/** The rows of the last statement. */
export async function queryRows(connection: Queryable, sql: string, limit?: QueryLimit): Promise<readonly TextRow[]> {
  const results = await connection.query(sql, limit)
  return results.at(-1)?.rows ?? []
}
