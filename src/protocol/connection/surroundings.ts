import { readFile, stat } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'

/** A file as far as connection options care. */
export interface FoundFile {
  readonly text: string
  /** Whether it is a plain file. */
  readonly plain: boolean
  /** Whether anybody but its owner may read it; never on Windows. */
  readonly exposed: boolean
}

/** The part of the outside world that fills in what a connection leaves open. Given by tests as plain data. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  /** The operating system's name of who runs this, or undefined where it has none. */
  userName(): string | undefined
  homeDirectory(): string
  /** @returns undefined when there is no such file; any other failure is thrown */
  file(path: string): Promise<FoundFile | undefined>
  isSocket(path: string): Promise<boolean>
}

/** This process, this user, this file system. */
export const processSurroundings: Surroundings = {
  env: process.env,
  platform: process.platform,
  userName() {
    try {
      return userInfo().username
    } catch {
      // a container's user without an entry in /etc/passwd
      return undefined
    }
  },
  homeDirectory: homedir,
  async file(path) {
    try {
      const status = await stat(path)
      const plain = status.isFile()
      return {
        text: plain ? await readFile(path, 'utf8') : '',
        plain,
        exposed: process.platform !== 'win32' && (status.mode & 0o077) !== 0,
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
        return undefined
      }
      throw error
    }
  },
  async isSocket(path) {
    try {
      return (await stat(path)).isSocket()
    } catch {
      return false
    }
  },
}
