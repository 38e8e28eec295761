import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { WritableFile } from './writable-file.ts'

/** How often to look whether somebody reads the pipe. */
const readerPollMs = 100

/**
 * Opens a named pipe to write into it, as soon as somebody reads it.
 *
 * Nothing here waits inside the system, as opening and writing like a file's would: Node does not end, whatever signal
 * comes, before its threads come back from there, and a pipe that nobody reads never lets them.
 *
 * @param signal ends the wait for a reader, with its reason
 */
export async function openNamedPipe(path: string, signal: AbortSignal): Promise<WritableFile> {
  const socket = new Socket({ fd: await openWhenRead(path, signal), readable: false, writable: true })
  // each write learns of the failure by itself
  socket.on('error', () => {})
  return {
    regular: false,
    write: (bytes) =>
      new Promise((done, fail) => socket.write(bytes, (error) => (error == null ? done() : fail(error)))),
    sync: async () => {},
    size: async () => 0,
    isAt: async () => true,
    truncate: async () => {},
    close: async () => void socket.destroy(),
  }
}

async function openWhenRead(path: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENXIO')) throw error
    }
    await delay(readerPollMs, undefined, { signal })
  }
}
