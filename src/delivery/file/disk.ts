import { type FileHandle, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { namedPipe, type PipeWait } from './named-pipe.ts'
import type { WritableFile } from './writable-file.ts'

/**
 * The few things that the command does with files. An interface, so that a test can end the world between any two of
 * them.
 */
export interface Disk {
  /** What is in a file; undefined where there is none. */
  read(path: string): Promise<string | undefined>
  /** Length in bytes; undefined where there is no file that has one. */
  size(path: string): Promise<number | undefined>
  /** The names in a folder; none where there is no such folder. */
  list(folder: string): Promise<readonly string[]>
  /** The last byte of a file that has one. */
  lastByte(path: string): Promise<number | undefined>
  /** Opens a file to write at its end, made if missing. @param wait for who reads, if it is a pipe */
  append(path: string, wait: PipeWait): Promise<WritableFile>
  /** Opens a file to write it anew: what was in it is gone. */
  replace(path: string): Promise<WritableFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes the names in the folder of this path durable: syncing a file says nothing about its name. */
  syncFolderOf(path: string): Promise<void>
}

/** The real one. */
export const nodeDisk: Disk = {
  async read(path) {
    return await readFile(path, 'utf8').catch(undefinedIfMissing)
  },
  async size(path) {
    const found = await stat(path).catch(undefinedIfMissing)
    return found?.isFile() ? found.size : undefined
  },
  async list(folder) {
    return (await readdir(folder).catch(undefinedIfMissing)) ?? []
  },
  async lastByte(path) {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1))
      return bytesRead === 1 ? buffer[0] : undefined
    } finally {
      await handle.close()
    }
  },
  async append(path, wait) {
    const found = await stat(path).catch(undefinedIfMissing)
    return found?.isFIFO() ? namedPipe(path, wait) : await openFile(path, 'a')
  },
  async replace(path) {
    return await openFile(path, 'w')
  },
  rename,
  remove: unlink,
  async syncFolderOf(path) {
    // Windows opens no folders, and keeps names by itself
    if (process.platform === 'win32') return
    const folder = await open(dirname(path), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}

/** Writes a file anew, whole and synced; its name is not yet. */
export async function writeWhole(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.replace(path)
  try {
    await file.write(Buffer.from(text))
    await file.sync()
  } finally {
    await file.close()
  }
}

async function openFile(path: string, flags: 'a' | 'w'): Promise<WritableFile> {
  const handle = await open(path, flags)
  const regular = (await handle.stat()).isFile()
  return {
    regular,
    write: (bytes) => writeAll(handle, bytes),
    // a pipe cannot be synced (EINVAL), and has nothing that could be
    sync: async () => (regular ? await handle.sync() : undefined),
    size: async () => (await handle.stat()).size,
    isAt: async (name) => {
      const [own, there] = await Promise.all([handle.stat(exactly), stat(name, exactly).catch(undefinedIfMissing)])
      return there?.ino === own.ino && there.dev === own.dev
    },
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  }
}

/** A file's number may be larger than a double holds. */
const exactly = { bigint: true } as const

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  // the system may take less than it was given, on a disk that fills up for one
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten
  }
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
