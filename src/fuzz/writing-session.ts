import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type postgres from 'postgres'
import type { Endpoint, ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { sessionSettings } from '../protocol/connection/session-settings.ts'
import type { Cell } from './batch.ts'
import { type CopyFormat, copyRows } from './copy-rows.ts'

/** The driver `postgres`, which is loaded by whoever starts this. */
export type PostgresModule = typeof import('postgres')

/** Rows for one table. */
export interface WrittenTable {
  readonly name: string
  /** Their names, and their cells in the same order. */
  readonly columns: readonly string[]
  readonly cells: readonly (readonly Cell[])[]
  readonly format: CopyFormat
}

/** A session of the driver `postgres`, which writes what walwire reads: another's work, so that no mistake is made twice. */
export class WritingSession {
  readonly #sql: postgres.Sql
  readonly #session: postgres.ReservedSql

  private constructor(sql: postgres.Sql, session: postgres.ReservedSql) {
    this.#sql = sql
    this.#session = session
  }

  /** Connects to where a walwire connection would. */
  static async open(postgres: PostgresModule, resolved: ResolvedConnection): Promise<WritingSession> {
    const { user, dbname, hosts } = resolved
    const [{ endpoint, password, sslmode, tls }] = hosts
    if (endpoint.kind === 'custom') throw new Error('the driver postgres needs an address to connect to')
    const options: postgres.Options<Record<string, postgres.PostgresType>> & { socket: () => Promise<Socket> } = {
      socket: () => promptSocket(endpoint),
      ...(endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port }),
      user,
      database: dbname,
      password: async () => (await password()) ?? '',
      ssl: tls === undefined ? false : sslmode === 'prefer' ? 'prefer' : tls,
      max: 1,
      onnotice: () => {},
      connection: { ...sessionSettings, search_path: 'public', application_name: 'walwire fuzz' },
    }
    const sql = postgres(options)
    try {
      return new WritingSession(sql, await sql.reserve())
    } catch (error) {
      await sql.end({ timeout: 0 })
      throw error
    }
  }

  /** Runs a statement, or several without rows. */
  async run(statement: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return await this.#session.unsafe(statement)
  }

  /**
   * Writes rows in one transaction, which empties the tables first.
   *
   * @returns whether the server took them; if not, the tables are as they were
   */
  async write(tables: readonly WrittenTable[]): Promise<boolean> {
    if (tables.length === 0) return true
    return await this.#transaction(`BEGIN; TRUNCATE ${tables.map(({ name }) => name).join(', ')}`, tables, 'COMMIT')
  }

  /** Whether the server would take rows. The table stays as it is. */
  takes(table: WrittenTable): Promise<boolean> {
    return this.#transaction('BEGIN', [table], 'ROLLBACK')
  }

  async #transaction(begin: string, tables: readonly WrittenTable[], end: 'COMMIT' | 'ROLLBACK'): Promise<boolean> {
    await this.run(begin)
    for (const { name, columns, format, cells } of tables) {
      const list = ['row_number', ...columns].join(', ')
      if (!(await this.#copy(`COPY ${name} (${list}) FROM STDIN (FORMAT ${format})`, copyRows(format, cells)))) {
        await this.run('ROLLBACK')
        return false
      }
    }
    await this.run(end)
    return true
  }

  /**
   * The driver says nothing when a copy fails whose data are all sent. So a statement follows each, which fails in a
   * transaction that has failed; it must not be sent before the copy's end was. Nor may the next copy begin before that:
   * the driver sends a CopyFail after every copy, which must find none.
   */
  async #copy(statement: string, rows: Uint8Array): Promise<boolean> {
    const stream = await this.#session.unsafe(statement).writable()
    stream.on('error', () => {})
    await new Promise<void>((sent) => stream.write(rows, () => sent()))
    stream.end()
    await turn()
    try {
      await this.run('SELECT')
      return true
    } catch (error) {
      if (sqlstateOf(error) === transactionAborted) return false
      throw error
    }
  }

  /** Ends the session at once. */
  async close(): Promise<void> {
    await this.#sql.end({ timeout: 0 })
  }
}

/** The driver's own sockets gather what is small until the server has confirmed what went before: 40 ms for each copy. */
async function promptSocket(endpoint: Exclude<Endpoint, { kind: 'custom' }>): Promise<Socket> {
  const { kind } = endpoint
  const socket = connect(
    kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port, noDelay: true },
  )
  await once(socket, 'connect')
  return socket
}

/** SQLSTATE in_failed_sql_transaction. */
const transactionAborted = '25P02'

/** The SQLSTATE of an error of the driver's. */
export function sqlstateOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
