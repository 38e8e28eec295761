import { realpath, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'

/**
 * The folder for temporary files: TMPDIR, unless root keeps it to itself, as the server's user could not enter it then.
 *
 * @throws Error where there is none
 */
export async function enterableTmpdir(): Promise<string> {
  if (process.getuid?.() !== 0) return tmpdir()
  for (const candidate of [tmpdir(), '/tmp', '/var/tmp']) if (await othersMayEnter(candidate)) return candidate
  throw new Error(`Postgres does not run as root, and no other user may enter ${tmpdir()}, /tmp or /var/tmp`)
}

/** Whether every folder on the way to this one lets everybody through. */
export async function othersMayEnter(path: string): Promise<boolean> {
  try {
    for (let folder = await realpath(path); ; folder = dirname(folder)) {
      if (((await stat(folder)).mode & 0o001) === 0) return false
      if (folder === dirname(folder)) return true
    }
  } catch {
    return false
  }
}
