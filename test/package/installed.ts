import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const execFileAsync = promisify(execFile)
export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** What somebody has who installed the packed package in an empty folder. */
export interface InstalledPackage extends AsyncDisposable {
  /** The folder that it was installed in. */
  readonly app: string
  /** The folder above, whose node_modules the compiler also looks into, and Node too. */
  readonly above: string
  readonly walwire: string
  /** What `walwire` runs. */
  readonly command: string
  readonly tarball: Buffer
}

/**
 * Packs the built package as it would be published, and installs the tarball in an empty folder. The registry is not
 * asked: beside walwire, npm is given the one package that it may need, and fails where it needs another.
 */
export async function installPacked(): Promise<InstalledPackage> {
  const above = await mkdtemp(join(tmpdir(), 'walwire-packed-'))
  const app = join(above, 'app')
  await mkdir(app)
  await writeFile(join(app, 'package.json'), '{"private":true,"type":"module"}')
  const dependency = join(repository, 'node_modules/pg-protocol')
  // no scripts: building is not for a test while others run what was built
  await npm(repository, 'pack', '--ignore-scripts', '--pack-destination', above, '.', dependency)
  const tarballs = (await readdir(above)).filter((name) => name.endsWith('.tgz')).map((name) => join(above, name))
  await npm(app, 'install', '--offline', '--cache', join(above, 'cache'), ...tarballs)
  const walwire = join(app, 'node_modules/walwire')
  const packed = tarballs.find((path) => path.startsWith(join(above, 'walwire-'))) ?? ''
  return {
    app,
    above,
    walwire,
    command: join(walwire, 'dist/cli/main.js'),
    tarball: await readFile(packed),
    [Symbol.asyncDispose]: () => rm(above, { recursive: true }),
  }
}

async function npm(cwd: string, ...args: string[]): Promise<void> {
  await execFileAsync('npm', [...args, '--no-audit', '--no-fund', '--no-update-notifier'], { cwd })
}
