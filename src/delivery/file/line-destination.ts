import { longestTimerMs } from '../../protocol/connection/within.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Batch } from '../../replication/batch.ts'
import type { Logger } from '../../replication/logger.ts'
import type { Position } from '../../replication/position.ts'
import type { DeliveredFeed, Destination, Standing } from '../destination.ts'
import {
  type Checkpoint,
  type CoveredOutput,
  checkpointVersion,
  loadCheckpoint,
  storeCheckpoint,
} from './checkpoint.ts'
import { type CheckpointLock, lockCheckpoint } from './checkpoint-lock.ts'
import type { Disk } from './disk.ts'
import { outputFailed } from './output.ts'
import { type Extent, PartedOutput, type PartedOutputOptions, partsOf } from './parted-output.ts'
import { partPath } from './parts.ts'
import { resume } from './resume.ts'

/** What a {@link LineDestination} is made of. */
export interface LineDestinationParts extends Pick<PartedOutputOptions, 'open' | 'path'> {
  readonly disk: Disk
  /** Only with a checkpoint. */
  readonly rotate?: PartedOutputOptions['rotate']
  readonly checkpoint: string | undefined
  /** What is written of a batch. */
  readonly toLines: (batch: Batch) => Iterable<string>
  readonly logger: Logger
  /** Whether another run that has the checkpoint is waited for. */
  readonly wait?: boolean | undefined
  readonly lock?: typeof lockCheckpoint | undefined
  readonly now?: (() => number) | undefined
}

/** A part that is complete and whose end could not be kept is tried again no sooner. */
const completeAgainMs = 1000

/**
 * Lines into an output. With a checkpoint, durable in the one order that loses and repeats nothing: the output, the
 * checkpoint that covers it, and only then does a commit resolve, so that the server may forget.
 *
 * A part of an output is completed between two batches of which the first ends at a commit, or inside a copy: it is
 * synced, then a checkpoint says that the next part begins, and only then is there a file of it. So no checkpoint ever
 * leads back into a part behind which there is another.
 */
export class LineDestination implements Destination {
  readonly description: string
  readonly #parts: LineDestinationParts
  #lock: CheckpointLock | undefined
  #output: PartedOutput | undefined
  /** What the checkpoint was begun with, as long as it has no position. */
  #start: string | null = null
  #startPosition: Position | null = null
  /** How far the output went where the copy began that is under way. */
  #copiedFrom: Pick<Extent, 'part' | 'length'> = { part: 0, length: 0 }
  /** Whether what is in the output is explained: by a checkpoint, or because nobody asks. */
  #explained = true
  /** Of the last write that resolved, or a commit after it. */
  #reached: Position | undefined
  /** Of the last commit: what was acknowledged. */
  #committed: Position | undefined
  #isWriting = false
  #committing: Promise<void> | undefined
  /** Ends a part, with where the next one begins. */
  #completing: Promise<Extent> | undefined
  /** Ends a part when it is old enough. */
  #alarm: NodeJS.Timeout | undefined
  /** A checkpoint that is on its way to the disk. */
  #storing: Promise<void> | undefined

  constructor(parts: LineDestinationParts) {
    this.#parts = parts
    this.description = parts.path === undefined ? 'the reader of stdout' : `the output ${parts.path}`
  }

  async open({ start, startIsAsked, publications, signal }: DeliveredFeed): Promise<Standing | undefined> {
    const { disk, path, rotate, checkpoint, logger, wait, lock = lockCheckpoint } = this.#parts
    await this.#letGo()
    if (checkpoint === undefined) {
      this.#output = this.#outputAt(undefined)
      return undefined
    }
    if (startIsAsked) throw startUnknown(checkpoint)
    if (this.#lock === undefined) this.#lock = await lock(checkpoint, logger, { wait, signal })
    else await this.#lock.verify()
    const stored = await loadCheckpoint(disk, checkpoint)
    const size = path === undefined ? undefined : await this.#sizeOf(path, stored)
    const request = {
      ...{ output: path, rotates: rotate !== undefined, checkpoint, publications },
      start: typeof start === 'object' ? undefined : start,
    }
    const resumed = resume(request, stored, size)
    this.#explained = stored !== undefined
    this.#start = (stored ? stored.start : request.start) ?? null
    this.#startPosition = typeof start === 'object' ? start : null
    this.#copiedFrom = { part: stored?.output?.part ?? 0, length: stored?.output?.copiedFrom ?? 0 }
    this.#reached = stored?.position ?? undefined
    this.#committed = undefined
    this.#output = this.#outputAt(resumed.extent)
    return stored === undefined || resumed.start === undefined ? undefined : { start: resumed.start }
  }

  async write(batch: Batch): Promise<void> {
    const output = this.#opened()
    if (!this.#explained) {
      await this.#committing
      if (!this.#explained) await this.#explain()
    }
    await this.#completing
    if (this.#mayComplete(this.#reached) && output.completeInMs === 0) await this.#complete(output, this.#reached)
    this.#isWriting = true
    try {
      await output.write(this.#parts.toLines(batch))
      this.#reached = batch.position
    } finally {
      this.#isWriting = false
    }
  }

  async commit(position: Position): Promise<void> {
    this.#committing = this.#commit(this.#opened(), position)
    try {
      await this.#committing
    } finally {
      this.#committing = undefined
    }
    this.#setAlarm()
  }

  async close(): Promise<void> {
    await this.#letGo()
    this.#lock?.release()
    this.#lock = undefined
  }

  /** Whatever is in the middle of something ends, or fails, before the lock lets others in. */
  async #letGo(): Promise<void> {
    clearTimeout(this.#alarm)
    const output = this.#output
    this.#output = undefined
    await output?.close()
    // it takes its name while the lock keeps others away, or not at all
    await this.#storing?.catch(() => {})
    await this.#completing?.catch(() => {})
  }

  #opened(): PartedOutput {
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

  #outputAt(begin: Extent | undefined): PartedOutput {
    const { disk, path, open, rotate, now = Date.now } = this.#parts
    return new PartedOutput({ disk, path, open, rotate, now }, begin)
  }

  /** Bytes in the part that the checkpoint names; without a checkpoint in whatever there is. */
  async #sizeOf(path: string, stored: Checkpoint | undefined): Promise<number | undefined> {
    const { disk, rotate } = this.#parts
    try {
      if (stored !== undefined) return await disk.size(partPath(path, stored.output?.part ?? 0))
      let size = await disk.size(path)
      for (const part of rotate === undefined ? [] : await partsOf(disk, path)) {
        size = (size ?? 0) + ((await disk.size(partPath(path, part))) ?? 0)
      }
      return size
    } catch (cause) {
      throw outputFailed(path, cause)
    }
  }

  /**
   * Where a start was given, there is no position before the first commit. A first checkpoint without one, or a killed
   * run would leave an output that nothing explains.
   */
  async #explain(): Promise<void> {
    const output = this.#opened()
    await output.sync()
    if (this.#start !== null || this.#startPosition !== null) {
      await this.#store(output, this.#startPosition, output.extent)
    }
    this.#explained = true
  }

  async #commit(output: PartedOutput, position: Position): Promise<void> {
    // of this moment: what is written while it is synced is the next commit's
    const extent = this.#completing === undefined ? output.extent : await this.#completing
    this.#reached = position
    if (!this.#isWriting && extent.length > 0 && this.#mayComplete(position) && output.completeInMs === 0) {
      await this.#complete(output, position)
    } else {
      await output.sync()
      await this.#store(output, position, extent)
    }
    this.#committed = position
  }

  /**
   * Whether a part may end at this position, which is not inside a transaction. One inside a copy only where such a one
   * was acknowledged: until then the feed may drop its slot, and a checkpoint would be of one that is gone.
   */
  #mayComplete(position: Position | undefined): position is Position {
    if (position === undefined || position.tx !== undefined) return false
    return position.phase === 'stream' || position.phase === this.#committed?.phase
  }

  /** @param position of everything that was written: nothing may be in the middle of a write */
  #complete(output: PartedOutput, position: Position): Promise<Extent> {
    const completing = this.#completeInOrder(output, position, this.#committing)
    const done = () => {
      if (this.#completing === completing) this.#completing = undefined
    }
    this.#completing = completing
    completing.then(done, done)
    return completing
  }

  async #completeInOrder(
    output: PartedOutput,
    position: Position,
    pending: Promise<void> | undefined,
  ): Promise<Extent> {
    await pending
    const { extent, next } = output
    await output.sync()
    await this.#store(output, position, next)
    await output.beginNext()
    const { path = '' } = this.#parts
    this.#parts.logger.info(
      { part: partPath(path, extent.part), bytes: extent.length },
      'a part of the output is complete',
    )
    return next
  }

  /** Nobody may come for a long time: the part ends all the same, when it is old enough. */
  #setAlarm(): void {
    clearTimeout(this.#alarm)
    const output = this.#output
    if (output === undefined || output.completeInMs === Number.POSITIVE_INFINITY) return
    const isIdle = () => !this.#isWriting && this.#committing === undefined && this.#completing === undefined
    const delayMs = Math.min(Math.max(output.completeInMs, completeAgainMs), longestTimerMs)
    this.#alarm = setTimeout(() => {
      // whoever is at it looks by itself
      if (this.#output === output && isIdle() && output.completeInMs === 0 && this.#mayComplete(this.#reached)) {
        this.#complete(output, this.#reached).catch((error: unknown) =>
          this.#parts.logger.warn({ error }, 'a part of the output could not be completed, and is tried again'),
        )
      }
      this.#setAlarm()
    }, delayMs).unref()
  }

  /** @param output which must be open still: a checkpoint of one that was closed may be another run's by now */
  async #store(output: PartedOutput, position: Position | null, extent: Extent): Promise<void> {
    const { checkpoint, path } = this.#parts
    if (checkpoint === undefined) return
    if (this.#output !== output) throw this.#notOpen()
    const content: Checkpoint = {
      version: checkpointVersion,
      start: this.#start,
      position,
      output: path === undefined ? null : this.#covered(path, position, extent),
    }
    this.#storing = this.#storeLocked(checkpoint, content)
    await this.#storing
    this.#explained = true
  }

  /**
   * A position of phase `new` comes before a copy: behind all that was written, where a feed begins anew. A part that began
   * inside of the copy has nothing else.
   */
  #covered(path: string, position: Position | null, { part, begun, length }: Extent): CoveredOutput {
    if (position?.phase === 'new') this.#copiedFrom = { part, length }
    const isCopying = position !== null && position.phase !== 'stream'
    const copiedFrom = isCopying && part === this.#copiedFrom.part ? this.#copiedFrom.length : 0
    return { path, part: part || undefined, begun, length, copiedFrom: copiedFrom || undefined }
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
