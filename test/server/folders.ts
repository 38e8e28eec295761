import { lstat, mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { enterableTmpdir, othersMayEnter } from '../../src/cli/embedded/temporary-folder.ts'

/** The folder that keeps binaries and templates between test runs. */
export async function cacheFolder(): Promise<string> {
  return await ownFolder(await enterableTmpdir())
}

const memory = '/dev/shm'
const enoughMemory = 8 * 2 ** 30

/** A watchdog is through with its folder long before. */
const leftForMs = 60_000

/**
 * Removes what watchdogs did not come to remove, since they were ended with all else: it would take the memory of the runs to
 * come.
 */
export async function removeLeftovers(): Promise<void> {
  for (const parent of [memory, await enterableTmpdir()]) {
    const folder = join(parent, folderName())
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      const found = name.endsWith('.gone') ? await lstat(path).catch(() => undefined) : undefined
      if (found !== undefined && Date.now() - found.ctimeMs > leftForMs)
        await rm(path, { recursive: true, force: true })
    }
  }
}

function folderName(): string {
  return `walwire-test-${process.getuid?.() ?? 0}`
}

/**
 * The folder for the data of running servers: in memory where there is plenty and nobody chose a place by TMPDIR.
 * Each server is a thousand files made and deleted, which takes ext4 without a journal a second of its CPU: it will not
 * reuse the number of a file that was just deleted, and looks at each of them for every new file.
 */
export async function runFolder(): Promise<string> {
  if (process.platform === 'linux' && process.env.TMPDIR === undefined && (await othersMayEnter(memory))) {
    const { bavail, bsize } = await statfs(memory)
    if (Math.min(bavail * bsize, process.availableMemory()) > enoughMemory) return await ownFolder(memory)
  }
  return await cacheFolder()
}

async function ownFolder(parent: string): Promise<string> {
  const uid = process.getuid?.() ?? 0
  const folder = join(parent, folderName())
  await mkdir(folder, { recursive: true, mode: 0o755 })
  // Anybody can make a folder of that name before us, and would then choose the binaries that we run.
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${folder} belongs to somebody else: remove it`)
  return folder
}
