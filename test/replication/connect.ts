import { Connection } from '../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../src/protocol/connection/resolve-connection.ts'
import { queryRows } from '../../src/replication/catalog/queryable.ts'

/** A connection that is dropped at the end of its block. */
export type TestConnection = Connection & Disposable

export async function connect(url: string): Promise<TestConnection> {
  return disposable(await Connection.open(await resolveConnection(url)))
}

/** A connection that takes replication commands too. */
export async function connectForReplication(url: string): Promise<TestConnection> {
  return disposable(await Connection.open(await resolveConnection(url), { replication: 'database' }))
}

function disposable(connection: Connection): TestConnection {
  return Object.assign(connection, { [Symbol.dispose]: () => connection.destroy() })
}

/** The first value of the last statement, which must be there. */
export async function firstValue(connection: Connection, sql: string): Promise<string> {
  const [[value] = []] = await queryRows(connection, sql)
  if (value === undefined || value === null) throw new Error(`no value comes of: ${sql}`)
  return value
}
