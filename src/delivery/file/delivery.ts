import type { Batch } from '../../replication/batch.ts'
import type { Position } from '../../replication/position.ts'
import { type Checkpoint, checkpointVersion, storeCheckpoint } from './checkpoint.ts'
import type { CheckpointLock } from './checkpoint-lock.ts'
import type { Disk } from './disk.ts'
import type { Output } from './output.ts'

/** A checkpoint in use. */
export interface KeptCheckpoint {
  readonly disk: Disk
  readonly path: string
  readonly lock: CheckpointLock
  /** The `--start` of the run that began it. */
  readonly start: string | null
  /** Whether the file is there already. */
  readonly exists: boolean
}

/** What a delivery is made of. */
export interface DeliveryParts {
  readonly output: Output
  /** What is written of a batch. */
  readonly toLines: (batch: Batch) => Iterable<string>
  readonly ack: (position: Position) => void
  readonly checkpoint: KeptCheckpoint | undefined
}

/**
 * Writes batches, and makes them durable in the one order that loses and repeats nothing: the output, the checkpoint
 * that covers it, and only then the server learns that it may forget.
 */
export class Delivery {
  readonly #parts: DeliveryParts
  #begun: boolean
  #written: Position | undefined

  constructor(parts: DeliveryParts) {
    this.#parts = parts
    this.#begun = parts.checkpoint?.exists ?? true
  }

  /** Bytes that a commit would make durable. */
  get uncommittedBytes(): number {
    return this.#parts.output.unsynced
  }

  /** Whether a commit would do anything. */
  get isUncommitted(): boolean {
    return this.#written !== undefined
  }

  /** Writes a batch's lines. They count as delivered from the next {@link commit} on. */
  async write(batch: Batch): Promise<void> {
    if (batch.events.length > 0) {
      if (!this.#begun) await this.#begin()
      await this.#parts.output.write(this.#parts.toLines(batch))
    }
    this.#written = batch.position
  }

  /** Makes durable, and then acknowledges, all that was written. */
  async commit(): Promise<void> {
    const position = this.#written
    if (position === undefined) return
    this.#written = undefined
    await this.#parts.output.sync()
    await this.#store(position)
    this.#parts.ack(position)
  }

  /** A first checkpoint, without a position, so that a killed run leaves no output that nothing explains. */
  async #begin(): Promise<void> {
    await this.#parts.output.sync()
    if (this.#parts.checkpoint?.start != null) await this.#store(null)
    this.#begun = true
  }

  async #store(position: Position | null): Promise<void> {
    const { checkpoint, output } = this.#parts
    if (checkpoint === undefined) return
    const { path, length } = output
    const content: Checkpoint = {
      version: checkpointVersion,
      start: checkpoint.start,
      position,
      output: path === undefined ? null : { path, length },
    }
    await checkpoint.lock.verify()
    await storeCheckpoint(checkpoint.disk, checkpoint.path, content)
    this.#begun = true
  }
}
