/** A row as the simple query protocol gives it: every value as the server's text. */
export type TextRow = readonly (string | null)[]

/** What reading the catalogs needs of a connection: SQL in, text rows out, one result for each statement. */
export interface Queryable {
  query(sql: string): Promise<readonly { readonly rows: readonly TextRow[] }[]>
}

/** The rows of the last statement. */
export async function queryRows(connection: Queryable, sql: string): Promise<readonly TextRow[]> {
  const results = await connection.query(sql)
  return results.at(-1)?.rows ?? []
}
