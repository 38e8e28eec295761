import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Batch } from '../../replication/batch.ts'
import type { Logger } from '../../replication/logger.ts'
import type { Position } from '../../replication/position.ts'
import type { DeliveredFeed, Destination, Standing } from '../destination.ts'
import { type Checkpoint, checkpointVersion, loadCheckpoint, storeCheckpoint } from './checkpoint.ts'
import { type CheckpointLock, lockCheckpoint } from './checkpoint-lock.ts'
import type { Disk } from './disk.ts'
import { type Output, outputFailed } from './output.ts'
import { resume } from './resume.ts'

/** What a {@link LineDestination} is made of. */
export interface LineDestinationParts {
  readonly disk: Disk
  /** The output's path; undefined for one that has none, such as stdout. */
  readonly path: string | undefined
  /** Opens the output. @param beginAt the length to cut it back to; undefined where no checkpoint says one */
  readonly output: (beginAt: number | undefined) => Output
  readonly checkpoint: string | undefined
  /** What is written of a batch. */
  readonly toLines: (batch: Batch) => Iterable<string>
  readonly logger: Logger
  /** Whether another run that has the checkpoint is waited for. */
  readonly wait?: boolean | undefined
  readonly lock?: typeof lockCheckpoint | undefined
}

/**
 * Lines into an output. With a checkpoint, durable in the one order that loses and repeats nothing: the output, the
 * checkpoint that covers it, and only then does a commit resolve, so that the server may forget.
 */
export class LineDestination implements Destination {
  readonly description: string
  readonly #parts: LineDestinationParts
  #lock: CheckpointLock | undefined
  #output: Output | undefined
  /** What the checkpoint was begun with, as long as it has no position. */
  #start: string | null = null
  #startPosition: Position | null = null
  /** The length of the output where the copy began that is under way. */
  #copiedFrom = 0
  /** Whether what is in the output is explained: by a checkpoint, or because nobody asks. */
  #explained = true
  #committing: Promise<void> | undefined
  /** A checkpoint that is on its way to the disk. */
  #storing: Promise<void> | undefined

  constructor(parts: LineDestinationParts) {
    this.#parts = parts
    this.description = parts.path === undefined ? 'the reader of stdout' : `the output ${parts.path}`
  }

  async open({ start, startIsAsked, publications, signal }: DeliveredFeed): Promise<Standing | undefined> {
    const { disk, path, checkpoint, output, logger, wait, lock = lockCheckpoint } = this.#parts
    await this.#output?.close()
    this.#output = undefined
    if (checkpoint === undefined) {
      this.#output = output(undefined)
      return undefined
    }
    if (startIsAsked) throw startUnknown(checkpoint)
    if (this.#lock === undefined) this.#lock = await lock(checkpoint, logger, { wait, signal })
    else await this.#lock.verify()
    const stored = await loadCheckpoint(disk, checkpoint)
    const size = path === undefined ? undefined : await sizeOf(disk, path)
    const request = {
      ...{ output: path, checkpoint, publications },
      start: typeof start === 'object' ? undefined : start,
    }
    const resumed = resume(request, stored, size)
    this.#explained = stored !== undefined
    this.#start = (stored ? stored.start : request.start) ?? null
    this.#startPosition = typeof start === 'object' ? start : null
    this.#copiedFrom = stored?.output?.copiedFrom ?? 0
    this.#output = output(resumed.outputLength)
    return stored === undefined || resumed.start === undefined ? undefined : { start: resumed.start }
  }

  async write(batch: Batch): Promise<void> {
    const output = this.#opened()
    if (!this.#explained) {
      await this.#committing
      if (!this.#explained) await this.#explain()
    }
    await output.write(this.#parts.toLines(batch))
  }

  async commit(position: Position): Promise<void> {
    const output = this.#opened()
    // of this moment: what is written while it is synced is the next commit's
    const { length } = output
    this.#committing = output.sync().then(() => this.#store(output, position, length))
    try {
      await this.#committing
    } finally {
      this.#committing = undefined
    }
  }

  async close(): Promise<void> {
    const output = this.#output
    this.#output = undefined
    await output?.close()
    // it takes its name while the lock keeps others away, or not at all
    await this.#storing?.catch(() => {})
    this.#lock?.release()
    this.#lock = undefined
  }

  #opened(): Output {
    if (this.#output !== undefined) return this.#output
    throw this.#notOpen()
  }

  #notOpen(): WalwireError {
    return new WalwireError('output_failed', {
      what: `${this.description} could not be written`,
      why: 'it is not open',
      hint: 'give it to deliver, which opens it',
    })
  }

  /**
   * Where a start was given, there is no position before the first commit. A first checkpoint without one, or a killed
   * run would leave an output that nothing explains.
   */
  async #explain(): Promise<void> {
    const output = this.#opened()
    await output.sync()
    if (this.#start !== null || this.#startPosition !== null) {
      await this.#store(output, this.#startPosition, output.length)
    }
    this.#explained = true
  }

  /** @param output which must be open still: a checkpoint of one that was closed may be another run's by now */
  async #store(output: Output, position: Position | null, length: number): Promise<void> {
    const { checkpoint, path } = this.#parts
    if (checkpoint === undefined) return
    if (this.#output !== output) throw this.#notOpen()
    const content: Checkpoint = {
      version: checkpointVersion,
      start: this.#start,
      position,
      output: path === undefined ? null : { path, length, ...this.#copyAt(position, length) },
    }
    this.#storing = this.#storeLocked(checkpoint, content)
    await this.#storing
    this.#explained = true
  }

  /** A position of phase `new` comes before a copy: behind all that was written, where a feed begins anew. */
  #copyAt(position: Position | null, length: number): { readonly copiedFrom?: number } {
    if (position?.phase === 'new') this.#copiedFrom = length
    return position === null || position.phase === 'stream' || this.#copiedFrom === 0
      ? {}
      : { copiedFrom: this.#copiedFrom }
  }

  async #storeLocked(checkpoint: string, content: Checkpoint): Promise<void> {
    await this.#lock?.verify()
    await storeCheckpoint(this.#parts.disk, checkpoint, content)
  }
}

/** A run that was killed before its first commit would leave an output that nothing explains. */
function startUnknown(checkpoint: string): WalwireError {
  return new WalwireError('bad_option', {
    what: "the option 'start' cannot be used",
    why: `it is a function, and the checkpoint ${checkpoint} says where to go on, which no other run can change meanwhile`,
    hint: 'leave it out; or give the position, the LSN or slot that the first run is to begin with',
  })
}

async function sizeOf(disk: Disk, path: string): Promise<number | undefined> {
  try {
    return await disk.size(path)
  } catch (cause) {
    throw outputFailed(path, cause)
  }
}
