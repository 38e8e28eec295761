import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { WritableFile } from './writable-file.ts'

/** How often to look whether somebody reads the pipe. */
const readerPollMs = 100

/** Somebody starts the reader by hand, perhaps. */
const unreadAfterMs = 2000

/** How a pipe that nobody reads is waited for. */
export interface PipeWait {
  /** Ends the wait with its reason. */
  readonly signal: AbortSignal
  /** Called once, when nobody has come for a while. */
  readonly onUnread: () => void
}

/**
 * A named pipe to write into, opened with the first write, as soon as somebody reads it.
 *
 * Nothing here waits inside the system, as opening and writing like a file's would: Node does not end, whatever signal
 * comes, before its threads come back from there, and a pipe that nobody reads never lets them.
 */
export function namedPipe(path: string, options: PipeWait): WritableFile {
  let opening: Promise<Socket> | undefined
  let socket: Socket | undefined
  const open = async () => {
    socket = new Socket({ fd: await openWhenRead(path, options), readable: false, writable: true })
    // each write learns of the failure by itself
    socket.on('error', () => {})
    return socket
  }
  return {
    regular: false,
    async write(bytes) {
      opening ??= open()
      const opened = await opening
      await new Promise<void>((done, fail) => opened.write(bytes, (error) => (error == null ? done() : fail(error))))
    },
    sync: async () => {},
    size: async () => 0,
    isAt: async () => true,
    truncate: async () => {},
    close: async () => void socket?.destroy(),
  }
}

async function openWhenRead(path: string, { signal, onUnread }: PipeWait): Promise<number> {
  for (let waitedMs = 0; ; waitedMs += readerPollMs) {
    signal.throwIfAborted()
    if (waitedMs === unreadAfterMs) onUnread()
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENXIO')) throw error
    }
    await delay(readerPollMs, undefined, { signal })
  }
}
