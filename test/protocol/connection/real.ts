import { onTestFinished } from 'vitest'
import { Connection, type OpenOptions } from '../../../src/protocol/connection/connection.ts'
import type { ConnectionInput } from '../../../src/protocol/connection/connection-options.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { nowhere } from './connecting.ts'

/** Opens a connection that is closed when the test is over. */
export async function open(input: ConnectionInput, options?: OpenOptions): Promise<Connection> {
  const connection = await Connection.open(await resolveConnection(input, nowhere), options)
  onTestFinished(() => connection.close())
  return connection
}

/** For what must be cleaned up when the test's own connections are gone. */
export async function runOnce(url: string, sql: string): Promise<void> {
  const connection = await Connection.open(await resolveConnection(url, nowhere))
  await connection.query(sql)
  await connection.close()
}

/** The one value of a query. */
export async function value(connection: Connection, sql: string): Promise<string | null | undefined> {
  return (await connection.query(sql))[0]?.rows[0]?.[0]
}
