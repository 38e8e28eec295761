import { constants, existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { stringField } from './string-field.ts'
import { othersMayEnter } from './temporary-folder.ts'
import { runWatched } from './watchdog.ts'

/** Lists the links that the package would have, if npm packages could have any. */
const linksFile = 'pg-symlinks.json'

/** From where to where binaries are copied. */
export interface BinariesCopy {
  /** The package's folder. */
  readonly native: string
  /** An empty folder. */
  readonly target: string
  /** The folder that is watched while this goes on, which holds the target or is it. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Copies installed binaries to where they can be run. They are never run in place, for two reasons: the server's user
 * may not be able to enter the folder that npm installed into (root's clone in a folder of its own), and the links that
 * the package lacks are not to be made in node_modules, where two runs could meet.
 */
export async function copyBinaries({ native, target, folder, signal }: BinariesCopy): Promise<void> {
  const options = signal && { signal }
  await runWatched(folder, ['cp', '-RP', `${native}/.`, target], options)
  await makeMissingLinks(target)
  // npm keeps what it installs to its user where the umask says so
  await runWatched(folder, ['chmod', '-R', 'u+rwX,go+rX', target], options)
}

/**
 * The same for a run that is soon over: only the programs are copied, the other thousand files are linked, where the
 * server's user can read them and the system finds libraries beside a program by the name that it was called by.
 */
export async function borrowBinaries(copy: BinariesCopy): Promise<void> {
  const { native, target } = copy
  if (process.platform !== 'linux' || !(await isOpen(native))) return await copyBinaries(copy)
  // the server looks for its other files beside itself, and follows links to find out where that is
  await mkdir(join(target, 'bin'))
  for (const name of await readdir(join(native, 'bin'))) {
    await copyFile(join(native, 'bin', name), join(target, 'bin', name), constants.COPYFILE_FICLONE)
  }
  await symlink(join(native, 'share'), join(target, 'share'))
  await mkdir(join(target, 'lib'))
  for (const name of await readdir(join(native, 'lib'))) {
    await symlink(join(native, 'lib', name), join(target, 'lib', name))
  }
  await copyFile(join(native, linksFile), join(target, linksFile))
  await makeMissingLinks(target)
}

/** Whether every user can read these files, if one of them is like the others. */
async function isOpen(native: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return true
  return (
    (await othersMayEnter(join(native, 'share'))) && ((await stat(join(native, 'bin/postgres'))).mode & 0o005) === 0o005
  )
}

/** npm packages cannot hold links: the package makes them in a postinstall script, which npm need not have run. */
async function makeMissingLinks(native: string): Promise<void> {
  const file = join(native, linksFile)
  if (!existsSync(file)) return
  const links: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!Array.isArray(links)) throw new Error(`${file} does not hold a list`)
  for (const link of links) {
    // Both are named from the package's folder: native/lib/libpq.so.5.17
    const source = resolve(native, '..', stringField(link, 'source').replace(/^native/, basename(native)))
    const target = resolve(native, '..', stringField(link, 'target').replace(/^native/, basename(native)))
    if (!existsSync(target)) {
      await rm(target, { force: true })
      await symlink(relative(dirname(target), source), target)
    }
  }
}
