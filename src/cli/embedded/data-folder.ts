import { chown, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerUser } from './server-user.ts'
import { runWatched } from './watchdog.ts'

/** Who owns the cluster from its first moment. */
export interface Superuser {
  readonly name: string
  readonly password: string
}

// macOS has no C.UTF-8; its UTF-8 character type with the C collation is the nearest.
const locale = process.platform === 'darwin' ? ['--locale=C', '--lc-ctype=UTF-8'] : ['--locale=C.UTF-8']

/** How data folders are made; whoever keeps one must make another when this changes. */
export const initdbOptions: readonly string[] = [
  ...locale,
  '--encoding=UTF8',
  '--auth=scram-sha-256',
  '--no-sync',
  '--no-instructions',
]

/** What a server process may see of our environment: PG* variables and the machine's language stay outside. */
export const serverEnvironment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' }

/** How {@link makeDataFolder} makes one. */
export interface DataFolderPlan {
  /** The folder of `initdb` and `postgres`. */
  readonly bin: string
  /** Holds the data folder `data` afterwards; it belongs to the server's user. */
  readonly folder: string
  readonly superuser: Superuser
  readonly user: ServerUser | undefined
  readonly signal?: AbortSignal | undefined
}

/** Runs initdb. */
export async function makeDataFolder({ bin, folder, superuser, user, signal }: DataFolderPlan): Promise<void> {
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, superuser.password, { mode: 0o600 })
  if (user) await chown(passwordFile, user.uid, user.gid)
  const target = [`--pgdata=${join(folder, 'data')}`, `--username=${superuser.name}`, `--pwfile=${passwordFile}`]
  const command = [join(bin, 'initdb'), ...initdbOptions, ...target]
  await runWatched(folder, command, { cwd: '/', env: serverEnvironment, ...(signal && { signal }), ...user })
  await rm(passwordFile)
}
