import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { initdbOptions, makeDataFolder, type Superuser } from '../../src/cli/embedded/data-folder.ts'
import type { ServerUser } from '../../src/cli/embedded/server-user.ts'
import { publish, type RunnableBinaries } from './binaries.ts'
import { cacheFolder } from './folders.ts'

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
  if (user) await chown(draft, user.uid, user.gid)
  await makeDataFolder({ bin: binaries.bin, folder: draft, superuser, user })
  await publish(draft, home)
  return join(home, 'data')
}
