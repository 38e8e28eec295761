import type { Writable } from 'node:stream'
import { chunks, type Output, outputFailed } from '../delivery/file/output.ts'

/** Nobody reads stdout any more (`walwire follow | head`): the end, and no failure. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone'
}

/**
 * Lines into a stream: stdout. Every piece is awaited until the system took it: only then may it be acknowledged, and
 * never is more than one piece held here for a reader that is slow.
 */
export class StreamOutput implements Output {
  readonly path = undefined
  readonly length = 0
  readonly #stream: Writable

  constructor(stream: Writable) {
    this.#stream = stream
    // each write learns of the failure by itself; without a listener the process would end here
    stream.on('error', () => {})
  }

  async write(lines: Iterable<string>): Promise<void> {
    for (const chunk of chunks(lines)) await this.#write(chunk)
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  #write(chunk: Uint8Array): Promise<void> {
    return new Promise((done, fail) => {
      this.#stream.write(chunk, (error) => {
        if (error == null) done()
        else if (isGone(error)) fail(new ReaderGone(error.message))
        else fail(outputFailed(undefined, error))
      })
    })
  }
}

/** The pipe is closed, or was found closed by a write before. */
function isGone(error: Error): boolean {
  return 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')
}
