import { execFile } from 'node:child_process'
import { lstat, mkdir, realpath, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The user that servers run as: undefined is the user of this process. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** Postgres refuses to run as root: root runs it as an unprivileged user that exists everywhere. */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {
      // No such user here: the next.
    }
  }
  throw new Error('Postgres does not run as root, and there is neither a user "postgres" nor "nobody" to run it as')
}

/** The folder that keeps binaries and templates between test runs. */
export async function cacheFolder(): Promise<string> {
  return await ownFolder(await enterableTmpdir())
}

const enoughMemory = 8 * 2 ** 30

/**
 * The folder for the data of running servers: in memory where there is plenty and nobody chose a place by TMPDIR.
 * Each server is a thousand files made and deleted, which takes ext4 without a journal a second of its CPU: it will not
 * reuse the number of a file that was just deleted, and looks at each of them for every new file.
 */
export async function runFolder(): Promise<string> {
  const memory = '/dev/shm'
  if (process.platform === 'linux' && process.env.TMPDIR === undefined && (await othersMayEnter(memory))) {
    const { bavail, bsize } = await statfs(memory)
    if (Math.min(bavail * bsize, process.availableMemory()) > enoughMemory) return await ownFolder(memory)
  }
  return await cacheFolder()
}

async function ownFolder(parent: string): Promise<string> {
  const uid = process.getuid?.() ?? 0
  const folder = join(parent, `walwire-test-${uid}`)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  // Anybody can make a folder of that name before us, and would then choose the binaries that we run.
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${folder} belongs to somebody else: remove it`)
  return folder
}

/** TMPDIR, unless root keeps it to itself: then the server's user could not enter it. */
async function enterableTmpdir(): Promise<string> {
  if (process.getuid?.() !== 0) return tmpdir()
  for (const candidate of [tmpdir(), '/tmp', '/var/tmp']) if (await othersMayEnter(candidate)) return candidate
  throw new Error(`Postgres does not run as root, and no other user may enter ${tmpdir()}, /tmp or /var/tmp`)
}

async function othersMayEnter(path: string): Promise<boolean> {
  try {
    for (let folder = await realpath(path); ; folder = dirname(folder)) {
      if (((await stat(folder)).mode & 0o001) === 0) return false
      if (folder === dirname(folder)) return true
    }
  } catch {
    return false
  }
}
