import { constants, existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { stringField } from './string-field.ts'

/**
 * Copies installed binaries to where they can be run. They are never run in place, for two reasons: the server's user
 * may not be able to enter the folder that npm installed into (root's clone in a folder of its own), and the links that
 * the package lacks are not to be made in node_modules, where two runs could meet.
 */
export async function copyBinaries(native: string, target: string): Promise<void> {
  await cp(native, target, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE })
  await makeMissingLinks(target)
}

/** npm packages cannot hold links: the package makes them in a postinstall script, which npm need not have run. */
async function makeMissingLinks(native: string): Promise<void> {
  const file = join(native, 'pg-symlinks.json')
  if (!existsSync(file)) return
  const links: unknown = JSON.parse(await readFile(file, 'utf8'))
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
