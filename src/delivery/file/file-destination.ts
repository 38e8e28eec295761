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
  const { toLine = toJsonLine, wait, logger = silentLogger } = options
  if (typeof options.path !== 'string' || options.path === '') {
    throw new WalwireError('bad_option', {
      what: "the option 'path' cannot be used",
      why: 'it names no file',
      hint: 'give the path of the file that lines are appended to',
    })
  }
  const path = resolve(options.path)
  const checkpoint = options.checkpoint === undefined ? undefined : resolve(options.checkpoint)
  if (checkpoint !== undefined && [checkpoint, ...besides(checkpoint)].includes(path)) {
    throw new WalwireError('bad_option', {
      what: "the option 'path' cannot be used",
      why: 'it is the checkpoint, or a file that the checkpoint has beside itself while it is written or used',
      hint: 'give the output another name',
    })
  }
  return new LineDestination({
    disk: nodeDisk,
    path,
    output: (beginAt) => new FileOutput(nodeDisk, path, beginAt, logger),
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

/** The files that a checkpoint has beside itself while it is written or used. */
export function besides(checkpoint: string): readonly string[] {
  return [temporaryPath(checkpoint), lockPath(checkpoint)]
}
