import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { oneLine } from '../../protocol/messages/one-line.ts'
import { CommandError } from '../command-error.ts'
import { borrowBinaries } from './binaries-copy.ts'
import { makeDataFolder, type Superuser } from './data-folder.ts'
import type { InstalledBinaries } from './installed-binaries.ts'
import { bootIn, LocalServer, ServerDidNotStart } from './local-server.ts'
import { type Settings, scramHba } from './server-files.ts'
import { serverUser } from './server-user.ts'
import { enterableTmpdir } from './temporary-folder.ts'

/** Settings of a server whose data live as long as the command that booted it. */
export const passingSettings: Settings = {
  wal_level: 'logical',
  max_connections: 30,
  max_wal_senders: 10,
  max_replication_slots: 10,
  fsync: false,
  full_page_writes: false,
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/** What a command's own server is to be. */
export interface EmbeddedPlan {
  readonly binaries: InstalledBinaries
  /** What the name of its folder begins with. */
  readonly prefix: string
  readonly settings: Settings
  /** Undefined: any that is free. */
  readonly port?: number | undefined
  readonly signal: AbortSignal
}

/** A server of one's own. It ends with `remove`, and with this process however that ends. */
export interface EmbeddedServer {
  readonly server: LocalServer
  readonly superuser: Superuser
}

/**
 * Boots a server for a command, in a temporary folder.
 *
 * @throws ServerDidNotStart; the signal's reason
 */
export async function bootEmbedded({
  binaries,
  prefix,
  settings,
  port,
  signal,
}: EmbeddedPlan): Promise<EmbeddedServer> {
  const superuser = { name: 'postgres', password: newPassword() }
  const [parent, user] = await Promise.all([enterableTmpdir(), serverUser()])
  const { version } = binaries
  const server = await bootIn({
    parent,
    prefix,
    user,
    port,
    signal,
    async furnish(folder) {
      const native = join(folder, 'native')
      await mkdir(native)
      await borrowBinaries({ native: binaries.native, target: native, folder, signal })
      signal.throwIfAborted()
      await makeDataFolder({ bin: join(native, 'bin'), folder, superuser, user, signal })
      return join(native, 'bin')
    },
    server: (place) =>
      new LocalServer({ version, superuser: superuser.name, settings, hba: scramHba, tls: undefined }, place),
  })
  return { server, superuser }
}

/** A password that nobody has to remember. */
export function newPassword(): string {
  return randomBytes(9).toString('hex')
}

/** A server that does not start is no riddle: its log says why. Any other failure is given back as it is. */
export function inServerWords(error: unknown, command: string): unknown {
  if (!(error instanceof ServerDidNotStart)) return error
  const said = error.log.split('\n').filter((line) => /FATAL|ERROR|could not/.test(line))
  return new CommandError('server_failed', {
    what: `the server of the ${command} did not start`,
    why: oneLine(said.at(-1) ?? error.log) || 'it said nothing',
    hint: 'mend this and run it again',
    cause: error,
  })
}
