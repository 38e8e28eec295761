import { Connection } from '../../protocol/connection/connection.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'
import { orAbort } from '../../replication/abortable.ts'
import { bootEmbedded, newPassword, passingSettings } from '../embedded/boot-embedded.ts'
import type { InstalledBinaries } from '../embedded/installed-binaries.ts'
import type { LocalServer } from '../embedded/local-server.ts'
import type { Settings } from '../embedded/server-files.ts'
import { shopRows, shopSchema, shopTables } from './shop-schema.ts'

const settings: Settings = {
  ...passingSettings,
  // a slot that is made from a second terminal and forgotten must not fill the disk
  max_slot_wal_keep_size: '1GB',
  max_wal_size: '512MB',
}

/** How the shop's owner connects: no superuser, but with REPLICATION. */
export interface ShopConnection {
  readonly host: string
  readonly port: string
  readonly user: string
  readonly password: string
  readonly dbname: string
  readonly sslmode: 'disable'
}

/** A server with a shop on it. */
export interface ShopServer extends AsyncDisposable {
  readonly server: LocalServer
  readonly connection: ShopConnection
  /** The same as one text, for a second terminal. */
  readonly uri: string
}

/**
 * Boots a server and makes the shop on it. Both end with `await using`, and with this process however that ends.
 *
 * @throws ServerDidNotStart; the signal's reason
 */
export async function openShop(
  binaries: InstalledBinaries,
  options: { seed: number; port: number | undefined; signal: AbortSignal; onBooted: () => Promise<void> },
): Promise<ShopServer> {
  const { seed, port, signal } = options
  const { server, superuser } = await bootEmbedded({ binaries, prefix: 'walwire-demo-', settings, port, signal })
  const connection: ShopConnection = {
    host: server.host,
    port: String(server.port),
    user: 'shop',
    password: newPassword(),
    dbname: 'shop',
    sslmode: 'disable',
  }
  const { host, user: role, password, dbname } = connection
  const remove = () => server.remove()
  try {
    await options.onBooted()
    const root = { ...connection, user: superuser.name, password: superuser.password, dbname: 'template1' }
    const owner = `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD '${password}'`
    // one that is there already: to make another takes as long as all its tables
    const database = [`ALTER DATABASE postgres RENAME TO ${dbname}`, `ALTER DATABASE ${dbname} OWNER TO ${role}`]
    await runAs(root, [owner, ...database], signal)
    const publication = `CREATE PUBLICATION ${dbname} FOR TABLE ${shopTables.join(', ')}`
    await runAs(connection, [shopSchema, shopRows(seed), publication], signal)
  } catch (error) {
    await remove()
    throw error
  }
  return {
    server,
    connection,
    uri: `postgres://${role}:${password}@${host}:${server.port}/${dbname}`,
    [Symbol.asyncDispose]: remove,
  }
}

/** Connects to the shop as whoever works in it. */
export async function connectTo(connection: ShopConnection, signal: AbortSignal): Promise<Connection> {
  const settings = { search_path: 'public' }
  return await Connection.open(await resolveConnection(connection), {
    settings,
    signal,
    applicationName: 'walwire demo',
  })
}

async function runAs(connection: ShopConnection, statements: readonly string[], signal: AbortSignal): Promise<void> {
  const session = await connectTo(connection, signal)
  try {
    for (const statement of statements) await orAbort(session.query(statement), signal)
  } finally {
    session.destroy()
  }
}
