import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Logger } from '../../replication/logger.ts'
import type { Disk } from './disk.ts'
import { chunks, lineBreak, type Output, outputFailed } from './output.ts'
import type { WritableFile } from './writable-file.ts'

/**
 * Lines into a file. With a length to begin at, the file is this run's alone: it is cut back to that length, and
 * whatever others write into it is found before a checkpoint could cover it.
 *
 * The file is opened, and cut, with the first use: a run that is refused by the server leaves it as it was.
 */
export class FileOutput implements Output {
  readonly path: string
  readonly #disk: Disk
  readonly #exclusive: boolean
  readonly #logger: Logger
  /** Up to the end of the last write that resolved. */
  #length: number
  /** With what was written of the write that is pending. */
  #written: number
  #file: WritableFile | undefined
  readonly #closed = new AbortController()
  /** The first: after it nobody knows what is in the file, so nothing may be written or covered by a checkpoint any more. */
  #failure: WalwireError | undefined
  /** What touches the length, one after the other: pieces of a write, and the look whether somebody else writes. */
  #turn: Promise<unknown> = Promise.resolve()

  /** @param beginAt the length to cut the file back to; undefined to write at its end, whatever is there */
  constructor(disk: Disk, path: string, beginAt: number | undefined, logger: Logger) {
    this.#disk = disk
    this.#logger = logger
    this.path = path
    this.#exclusive = beginAt !== undefined
    this.#length = beginAt ?? 0
    this.#written = this.#length
  }

  get length(): number {
    return this.#length
  }

  async write(lines: Iterable<string>): Promise<void> {
    await this.#guard(async () => {
      for (const chunk of chunks(lines)) {
        await this.#inTurn(async (file) => {
          await file.write(chunk)
          this.#written += chunk.length
        })
      }
      this.#length = this.#written
    })
  }

  async sync(): Promise<void> {
    await this.#guard(async () => {
      const file = await this.#inTurn(async (opened) => opened)
      await file.sync()
      if (!this.#exclusive) return
      await this.#inTurn(async () => {
        const size = await file.size()
        if (size !== this.#written) throw writtenByOthers(this.path, this.#written, size)
        if (!(await file.isAt(this.path))) throw movedAway(this.path)
      })
    })
  }

  /** What is being written is broken off: nothing more reaches the file once this has resolved. */
  async close(): Promise<void> {
    this.#failure ??= closed(this.path)
    this.#closed.abort(this.#failure)
    await this.#file?.close()
    this.#file = undefined
  }

  #inTurn<Result>(work: (file: WritableFile) => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(async () => {
      if (this.#failure) throw this.#failure
      return await work(await this.#open())
    })
    // known before the next turn, which must not take half a piece for another's
    this.#turn = result.catch((error: unknown) => this.#failed(error))
    return result
  }

  async #open(): Promise<WritableFile> {
    if (this.#file) return this.#file
    const file = await this.#disk.append(this.path, {
      signal: this.#closed.signal,
      onUnread: () => this.#logger.warn({ output: this.path }, 'the output is a pipe that nobody reads: waiting'),
    })
    if (this.#closed.signal.aborted) {
      await file.close()
      throw closed(this.path)
    }
    this.#file = file
    if (this.#exclusive) {
      if (!file.regular) throw notRegular(this.path)
      const size = await file.size()
      // it was long enough when the run began; made longer, it would be filled with zeros
      if (size < this.#length) throw cutByOthers(this.path, this.#length, size)
      if (size > this.#length) await file.truncate(this.#length)
    } else if (file.regular) {
      this.#written = await file.size()
      await this.#endTornLine(file)
      this.#length = this.#written
    }
    // a name that a crash of the machine takes back would take a synced file with it
    if (file.regular) await this.#disk.syncFolderOf(this.path)
    return file
  }

  /** A killed run may have left half a line. It is not this run's to cut, but what comes next must not be joined to it. */
  async #endTornLine(file: WritableFile): Promise<void> {
    if (this.#written === 0 || (await this.#disk.lastByte(this.path)) === lineBreak[0]) return
    this.#logger.warn({ output: this.path }, 'the output ended inside a line, which is left there as a line of its own')
    await file.write(lineBreak)
    this.#written += lineBreak.length
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      if (this.#failure) throw this.#failure
      await work()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** @returns the first failure, whichever this one is: what others came to is no news */
  #failed(error: unknown): WalwireError {
    this.#failure ??= error instanceof WalwireError ? error : outputFailed(this.path, error)
    return this.#failure
  }
}

function writtenByOthers(path: string, expected: number, found: number): WalwireError {
  return outputChanged(
    path,
    `something else writes to it: it has ${found} bytes, and this run wrote up to ${expected}`,
    'end the other writer and deliver again: the file is cut back to what the checkpoint covers',
  )
}

function movedAway(path: string): WalwireError {
  return outputChanged(
    path,
    'it was moved or removed while it was written, so what its checkpoint covers is not there',
    'put it back and deliver again; to take lines away, end the delivery first and begin another output and checkpoint',
  )
}

function cutByOthers(path: string, expected: number, found: number): WalwireError {
  return outputChanged(
    path,
    `it was moved, removed or cut since this run began: it has ${found} bytes, and the checkpoint covers ${expected}`,
    'put it back and deliver again',
  )
}

function outputChanged(path: string, why: string, hint: string): WalwireError {
  return new WalwireError('output_changed', { what: `the output ${path} cannot be trusted any more`, why, hint })
}

function closed(path: string): WalwireError {
  return new WalwireError('output_failed', {
    what: `the output ${path} could not be written`,
    why: 'it was closed before that',
    hint: 'deliver again: what was not written comes again',
  })
}

function notRegular(path: string): WalwireError {
  return new WalwireError('bad_option', {
    what: `a checkpoint cannot keep the output ${path}`,
    why: 'it is not a regular file, so it cannot be cut back to what the checkpoint covers',
    hint: 'give the path of a regular file, or leave out the checkpoint',
  })
}
