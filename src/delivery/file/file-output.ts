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
  unsynced = 0
  readonly #disk: Disk
  readonly #exclusive: boolean
  readonly #logger: Logger
  #length: number
  #file: WritableFile | undefined
  #failed = false

  /** @param beginAt the length to cut the file back to; undefined to write at its end, whatever is there */
  constructor(disk: Disk, path: string, beginAt: number | undefined, logger: Logger) {
    this.#disk = disk
    this.#logger = logger
    this.path = path
    this.#exclusive = beginAt !== undefined
    this.#length = beginAt ?? 0
  }

  get length(): number {
    return this.#length
  }

  async write(lines: Iterable<string>): Promise<void> {
    await this.#guard(async () => {
      const file = await this.#open()
      for (const chunk of chunks(lines)) {
        await file.write(chunk)
        this.#length += chunk.length
        this.unsynced += chunk.length
      }
    })
  }

  async sync(): Promise<void> {
    await this.#guard(async () => {
      const file = await this.#open()
      await file.sync()
      this.unsynced = 0
      const size = this.#exclusive ? await file.size() : this.#length
      if (size !== this.#length) throw outputChanged(this.path, this.#length, size)
    })
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #open(): Promise<WritableFile> {
    if (this.#file) return this.#file
    const file = await this.#disk.append(this.path)
    this.#file = file
    if (this.#exclusive) {
      if (!file.regular) throw notRegular(this.path)
      if ((await file.size()) !== this.#length) await file.truncate(this.#length)
    } else if (file.regular) {
      this.#length = await file.size()
      await this.#endTornLine(file)
    }
    // a name that a crash of the machine takes back would take a synced file with it
    if (file.regular) await this.#disk.syncFolderOf(this.path)
    return file
  }

  /** A killed run may have left half a line. It is not this run's to cut, but what comes next must not be joined to it. */
  async #endTornLine(file: WritableFile): Promise<void> {
    if (this.#length === 0 || (await this.#disk.lastByte(this.path)) === lineBreak[0]) return
    this.#logger.warn({ output: this.path }, 'the output ended inside a line, which is left there as a line of its own')
    await file.write(lineBreak)
    this.#length += lineBreak.length
  }

  /** After a failure nobody knows what is in the file, so nothing may be written or covered by a checkpoint any more. */
  async #guard(work: () => Promise<void>): Promise<void> {
    if (this.#failed) throw outputFailed(this.path, new Error('an earlier write failed'))
    try {
      await work()
    } catch (error) {
      this.#failed = true
      throw error instanceof WalwireError ? error : outputFailed(this.path, error)
    }
  }
}

function outputChanged(path: string, expected: number, found: number): WalwireError {
  return new WalwireError('output_changed', {
    what: `the output ${path} cannot be trusted any more`,
    why: `something else writes to it: it has ${found} bytes, and this run wrote up to ${expected}`,
    hint: 'end the other writer and deliver again: the file is cut back to what the checkpoint covers',
  })
}

function notRegular(path: string): WalwireError {
  return new WalwireError('bad_option', {
    what: `a checkpoint cannot keep the output ${path}`,
    why: 'it is not a regular file, so it cannot be cut back to what the checkpoint covers',
    hint: 'give the path of a regular file, or leave out the checkpoint',
  })
}
