import type { Superuser } from '../../src/cli/embedded/data-folder.ts'
import type { Settings } from '../../src/cli/embedded/server-files.ts'
import { type ServerHost, type ServerPlan, stopSignals } from './host.ts'
import { queryOnce, quoteName } from './sql.ts'
import { waitUntil } from './wait.ts'

/** Parts of a connection URI to replace; every other key becomes a parameter, such as `sslmode`. */
export type UriOverrides = Readonly<Record<string, string | number>>

export interface DatabaseOptions {
  /** Made up where it is not given. */
  readonly name?: string
  /** The database's encoding; the server's is UTF8. */
  readonly encoding?: string
  /** Further words for CREATE DATABASE, such as `CONNECTION LIMIT 1`. */
  readonly clauses?: string
}

/** What the tests of one run share, and may not stop, reconfigure or hold a transaction open on. */
export interface SharedServer {
  /** The major version. */
  readonly version: number
  /** As `server_version_num`: 170010. */
  readonly versionNum: number
  readonly host: string
  readonly port: number
  readonly superuser: string
  readonly password: string
  /** A URI as superuser. `host` as override may be a socket folder. */
  uri(dbname?: string, overrides?: UriOverrides): string
  /** Makes an empty database and answers its URI. */
  createDatabase(options?: DatabaseOptions): Promise<string>
}

export type StopMode = keyof typeof stopSignals

/** A server of one's own. */
export interface TestServer extends SharedServer, AsyncDisposable {
  /** The folder of the unix socket. @throws Error in a container. */
  readonly socketDir: string
  /** @throws Error in a container. */
  readonly dataDir: string
  /** True where the server takes TLS connections; `tlsFixtures.ca` is their authority. */
  readonly ssl: boolean
  /** The lines of pg_hba.conf, without the provider's own first line. */
  readonly hbaLines: readonly string[]
  /** Stops the server, and waits until it has ended. Default: fast. */
  stop(mode?: StopMode): Promise<void>
  /** Starts the stopped server on the same port and data. */
  start(): Promise<void>
  restart(mode?: StopMode): Promise<void>
  /** Changes settings (`null`: back to the default) and waits until a new session sees them. On a stopped server: for its next start. */
  reload(settings: Settings): Promise<void>
  /** Replaces pg_hba.conf and waits until it holds. @throws Error where the server refuses a line. */
  writeHba(lines: readonly string[]): Promise<void>
  /** The server's log so far. */
  readLog(): Promise<string>
}

/** How a server is reached, without the means to change it: plain data. */
export interface ServerAddress extends Superuser {
  readonly version: number
  readonly versionNum: number
  readonly host: string
  readonly port: number
  /** Further parameters of the URI. */
  readonly parameters: Readonly<Record<string, string>>
}

export function sharedServerAt(address: ServerAddress, query?: (sql: string) => Promise<string>): SharedServer {
  const { version, versionNum, host, port, name: superuser, password, parameters } = address
  const uri = (dbname = 'postgres', overrides: UriOverrides = {}): string =>
    connectionUri(dbname, { user: superuser, password, host, port, ...parameters, ...overrides })
  const run = query ?? ((sql) => queryOnce(uri(), sql))
  return {
    version,
    versionNum,
    host,
    port,
    superuser,
    password,
    uri,
    async createDatabase({ name = uniqueName(), encoding, clauses = '' } = {}) {
      const encoded = encoding === undefined ? '' : `ENCODING '${encoding}' LOCALE 'C'`
      await run(`CREATE DATABASE ${quoteName(name)} TEMPLATE template0 ${encoded} ${clauses}`)
      return uri(name)
    },
  }
}

/** A URI in libpq's form. A host that is a folder goes into the parameters, where its slashes are allowed. */
function connectionUri(dbname: string, parts: UriOverrides): string {
  const { user = '', password = '', host = '', port = '', ...parameters } = parts
  const isFolder = String(host).startsWith('/')
  const query = new URLSearchParams()
  if (isFolder) {
    query.set('host', String(host))
    query.set('port', String(port))
  }
  for (const [name, value] of Object.entries(parameters)) query.set(name, String(value))
  const authority = isFolder ? '' : `${host}:${port}`
  // libpq does not take a plus sign for a space.
  const search = query.toString().replaceAll('+', '%20')
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  return `postgres://${credentials}@${authority}/${encodeURIComponent(dbname)}${search && `?${search}`}`
}

let databases = 0

function uniqueName(): string {
  databases += 1
  return `test_${process.pid}_${databases}_${Math.random().toString(36).slice(2, 8)}`
}

export async function testServerOn(host: ServerHost, plan: ServerPlan): Promise<TestServer> {
  const versionNum = Number(await host.query('SHOW server_version_num'))
  const address = { ...plan.superuser, version: plan.version, versionNum, host: host.host, port: host.port }
  const shared = sharedServerAt({ ...address, parameters: {} }, (sql) => host.query(sql))
  let settings = plan.settings
  let hbaLines = plan.hba

  async function applied(change: () => Promise<void>): Promise<void> {
    if (!host.running) return await change()
    const loaded = "SELECT extract(epoch FROM pg_conf_load_time())::text || ''"
    const before = await host.query(loaded)
    await change()
    await host.signal('SIGHUP')
    // A session inherits the time from the process that takes connections: a newer one means that the reload is over.
    await waitUntil('the configuration to be reloaded', async () => (await host.query(loaded)) !== before)
  }

  async function stop(mode: StopMode = 'fast'): Promise<void> {
    if (!host.running) return
    const ended = host.ended()
    await host.signal(stopSignals[mode])
    await ended
  }

  return {
    ...shared,
    ssl: plan.tls !== undefined,
    get socketDir() {
      return host.socketDir
    },
    get dataDir() {
      return host.dataDir
    },
    get hbaLines() {
      return hbaLines
    },
    stop,
    async start() {
      if (!host.running) await host.start()
    },
    async restart(mode) {
      await stop(mode)
      await host.start()
    },
    async reload(changes) {
      settings = { ...settings, ...changes }
      await applied(() => host.writeSettings(settings))
    },
    async writeHba(lines) {
      hbaLines = lines
      await applied(() => host.writeHba(lines))
      if (!host.running) return
      const problem = await host.query("SELECT string_agg(error, '; ') FROM pg_hba_file_rules WHERE error IS NOT NULL")
      if (problem) throw new Error(`the server does not take these lines of pg_hba.conf: ${problem}`)
    },
    readLog: () => host.readLog(),
    async [Symbol.asyncDispose]() {
      await host.remove()
    },
  }
}
