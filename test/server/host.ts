import type { Superuser } from '../../src/cli/embedded/data-folder.ts'
import type { Settings } from '../../src/cli/embedded/server-files.ts'

/** What is asked of a server before it first runs. */
export interface ServerPlan {
  readonly version: number
  readonly superuser: Superuser
  readonly settings: Settings
  readonly hba: readonly string[]
  /** PEM texts; undefined is a server without TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | undefined
}

/** How Postgres is asked to end: smart waits for clients, fast rolls back, immediate leaves a crash recovery. */
export const stopSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** Where a server lives: the part in which local processes and containers differ. */
export interface ServerHost {
  readonly host: string
  readonly port: number
  /** @throws Error where the socket or the data is out of reach of this process. */
  readonly socketDir: string
  readonly dataDir: string
  readonly running: boolean
  /** Both write a file that the server reads when it starts or reloads. */
  writeSettings(settings: Settings): Promise<void>
  writeHba(lines: readonly string[]): Promise<void>
  /** Starts the server and waits until it takes connections. */
  start(): Promise<void>
  signal(name: 'SIGHUP' | (typeof stopSignals)[keyof typeof stopSignals]): Promise<void>
  /** Resolves when no server runs any more. */
  ended(): Promise<void>
  /** Runs one statement as superuser, whatever pg_hba.conf says of others; answers the first value of the first row. */
  query(sql: string): Promise<string>
  readLog(): Promise<string>
  /** Ends the server at once and removes all that it left. */
  remove(): Promise<void>
}
