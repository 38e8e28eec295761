import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { publish, type RunnableBinaries } from './binaries.ts'
import { cacheFolder, type ServerUser } from './temporary.ts'

const run = promisify(execFile)

/** Who owns the cluster from its first moment. */
export interface Superuser {
  readonly name: string
  readonly password: string
}

// macOS has no C.UTF-8; its UTF-8 character type with the C collation is the nearest.
const locale = process.platform === 'darwin' ? ['--locale=C', '--lc-ctype=UTF-8'] : ['--locale=C.UTF-8']
const initdbOptions = [...locale, '--encoding=UTF8', '--auth=scram-sha-256', '--no-sync', '--no-instructions']

/** What a server process may see of our environment: PG* variables and the machine's language stay outside. */
export const serverEnvironment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' }

/** A data folder fresh from initdb, to be copied: initdb takes longer than all that comes after it. */
export async function dataTemplate(
  binaries: RunnableBinaries,
  superuser: Superuser,
  user: ServerUser | undefined,
): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([binaries.fingerprint, initdbOptions, superuser, user]))
    .digest('hex')
    .slice(0, 16)
  const cache = await cacheFolder()
  const home = join(cache, `data-${key}`)
  if (existsSync(home)) return join(home, 'data')
  const draft = await mkdtemp(join(cache, 'draft-'))
  const passwordFile = join(draft, 'password')
  await writeFile(passwordFile, superuser.password, { mode: 0o600 })
  if (user) for (const path of [draft, passwordFile]) await chown(path, user.uid, user.gid)
  const target = [`--pgdata=${join(draft, 'data')}`, `--username=${superuser.name}`, `--pwfile=${passwordFile}`]
  await run(join(binaries.bin, 'initdb'), [...initdbOptions, ...target], { cwd: '/', env: serverEnvironment, ...user })
  await publish(draft, home)
  return join(home, 'data')
}
