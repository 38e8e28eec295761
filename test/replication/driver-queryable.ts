import postgres from 'postgres'
import { WalwireError } from '../../src/protocol/errors.ts'
import type { Queryable, TextRow } from '../../src/replication/queryable.ts'

/** A connection of the `postgres` driver in the shape that the code under test takes. */
export interface DriverConnection extends Queryable, AsyncDisposable {
  /** The values of one column of the last statement. */
  column(sql: string): Promise<(string | null)[]>
  cancel(): Promise<void>
}

/** @param replication with `replication=database`, for replication commands */
export function driverConnection(url: string, replication = false): DriverConnection {
  const client = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    database: decodeURIComponent(new URL(url).pathname.slice(1)),
    connection: { search_path: '', ...(replication ? { replication: 'database' } : {}) },
  })
  let running: { cancel(): void } | undefined
  const run = async (sql: string): Promise<{ rows: TextRow[] }[]> => {
    const query = client.unsafe(sql).simple().raw()
    running = query
    try {
      const results: unknown = await query
      const list = Array.isArray(results) && results.every(isResult) ? results : [results]
      return list.map((rows) => ({ rows: Array.isArray(rows) ? rows.map(asText) : [] }))
    } catch (error) {
      throw error instanceof postgres.PostgresError ? asWalwireError(error) : error
    }
  }
  return {
    query: run,
    async column(sql) {
      const results = await run(sql)
      return (results.at(-1)?.rows ?? []).map((row) => row[0] ?? null)
    },
    async cancel() {
      running?.cancel()
    },
    async [Symbol.asyncDispose]() {
      await client.end({ timeout: 0 })
    },
  }
}

/** Several statements give an array of results, one gives its result: an array of rows that has `count`. */
function isResult(value: unknown): boolean {
  return Array.isArray(value) && 'command' in value
}

function asText(row: unknown): TextRow {
  if (!Array.isArray(row)) return []
  return row.map((value: unknown) =>
    value === null ? null : Buffer.isBuffer(value) ? value.toString() : String(value),
  )
}

function asWalwireError(error: postgres.PostgresError): WalwireError {
  return new WalwireError('server_error', {
    what: 'a query failed',
    why: `${error.code}: ${error.message}`,
    hint: '',
    sqlstate: error.code,
    cause: error,
  })
}
