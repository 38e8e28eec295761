import { resolve } from 'node:path'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Event } from '../../replication/events.ts'
import { toJsonLine } from '../../replication/json-line.ts'
import { type Logger, silentLogger } from '../../replication/logger.ts'
import type { Destination } from '../destination.ts'
import { temporaryPath } from './checkpoint.ts'
import { lockPath } from './checkpoint-lock.ts'
import { nodeDisk } from './disk.ts'
import { FileOutput } from './file-output.ts'
import { LineDestination } from './line-destination.ts'
import { partNumber } from './parts.ts'
import { checkRotatePolicy, type RotatePolicy } from './rotate-policy.ts'

/** What {@link fileDestination} takes. */
export interface FileDestinationOptions {
  /** The file that lines are appended to. */
  readonly path: string
  /**
   * The file that keeps the position, and how much of the output it covers. With it each change is in the output once,
   * however the process or the machine ended; without it a change may come twice.
   */
  readonly checkpoint?: string | undefined
  /** Whether another run that uses the checkpoint is waited for. Default: it is an error (`checkpoint_locked`). */
  readonly wait?: boolean | undefined
  /**
   * Writes numbered parts instead of one file: `shop.000001.jsonl`, `shop.000002.jsonl` and so on for the path `shop.jsonl`.
   * A part begins behind a commit, or between two rows of a copy. Once the next one is there it is complete, on the disk, and
   * never touched again. Only with a checkpoint. A file that a checkpoint already covers is completed before the first part.
   */
  readonly rotate?: RotatePolicy | undefined
  /** The line of an event, without its line break; undefined: none. Default: `toJsonLine`. */
  readonly toLine?: ((event: Event) => string | undefined) | undefined
  /** Default: silent. */
  readonly logger?: Logger | undefined
}

/**
 * A destination that is a file of lines. With a checkpoint the file is this delivery's alone, and cut back at the start
 * to what the checkpoint covers; a file beside it keeps other processes from the two.
 *
 * @throws {WalwireError} `bad_option`. Opening it: `checkpoint_*`, `output_not_empty`, `output_shorter`; later:
 * `output_failed`, `output_changed`, `checkpoint_failed`, `checkpoint_lock_lost`.
 */
export function fileDestination(options: FileDestinationOptions): Destination {
  const { toLine = toJsonLine, wait, logger = silentLogger, rotate } = options
  if (typeof options.path !== 'string' || options.path === '') {
    throw new WalwireError('bad_option', {
      what: "the option 'path' cannot be used",
      why: 'it names no file',
      hint: 'give the path of the file that lines are appended to',
    })
  }
  const path = resolve(options.path)
  const checkpoint = options.checkpoint === undefined ? undefined : resolve(options.checkpoint)
  if (checkpoint !== undefined && isTaken(checkpoint, path, rotate !== undefined)) {
    throw new WalwireError('bad_option', {
      what: "the option 'path' cannot be used",
      why: 'it is the checkpoint, or a file that the checkpoint has beside itself while it is written or used',
      hint: 'give the output another name',
    })
  }
  if (rotate !== undefined) {
    checkRotatePolicy(rotate)
    if (checkpoint === undefined) {
      throw new WalwireError('bad_option', {
        what: "the option 'rotate' cannot be used",
        why: 'without a checkpoint nobody knows which part a restart goes on in, and what of it came already',
        hint: 'give a checkpoint, too',
      })
    }
  }
  return new LineDestination({
    disk: nodeDisk,
    path,
    open: (file = path, beginAt) => new FileOutput(nodeDisk, file, beginAt, logger),
    rotate,
    checkpoint,
    *toLines({ events }) {
      for (const event of events) {
        const line = toLine(event)
        if (line !== undefined) yield line
      }
    },
    ...{ wait, logger },
  })
}

/** Whether the checkpoint, or a file beside it, has the name of the output or of a part of it. */
export function isTaken(checkpoint: string, output: string, rotates: boolean): boolean {
  return [checkpoint, ...besides(checkpoint)].some(
    (path) => path === output || (rotates && partNumber(output, path) !== undefined),
  )
}

/** The files that a checkpoint has beside itself while it is written or used. */
export function besides(checkpoint: string): readonly string[] {
  return [temporaryPath(checkpoint), lockPath(checkpoint)]
}
