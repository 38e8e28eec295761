import { WalwireError } from '../../protocol/messages/errors.ts'
import { isPassing, systemReason } from './system-reason.ts'

/** Where the lines go. */
export interface Output {
  /** The path, undefined for stdout. */
  readonly path: string | undefined
  /** Bytes in the file up to the end of the last write that resolved, this run's and those before; 0 on stdout. */
  readonly length: number
  /** Writes lines in their order; resolves when more may be written, so that a slow reader slows the feed. */
  write(lines: Iterable<string>): Promise<void>
  /** Resolves when all writes that had resolved are as durable as it gets: on the disk, or taken by the pipe. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Characters that are gathered before they are written: few writes, little memory. */
const chunkCharacters = 256 * 1024

/**
 * Joins lines, each with its line break, into pieces worth a write. A huge line is a piece of its own, as joining it
 * would copy it once more.
 */
export function* chunks(lines: Iterable<string>): Generator<Uint8Array, void, undefined> {
  let gathered = ''
  for (const line of lines) {
    if (gathered !== '' && gathered.length + line.length > chunkCharacters) {
      yield Buffer.from(gathered)
      gathered = ''
    }
    if (line.length > chunkCharacters) {
      yield Buffer.from(line)
      yield lineBreak
    } else {
      gathered += `${line}\n`
    }
  }
  if (gathered !== '') yield Buffer.from(gathered)
}

/** What ends a line. */
export const lineBreak: Uint8Array = Buffer.from('\n')

/** A failure to write the output. */
export function outputFailed(path: string | undefined, cause: unknown): WalwireError {
  return new WalwireError('output_failed', {
    what: path === undefined ? 'stdout could not be written' : `the output ${path} could not be written`,
    why: systemReason(cause),
    hint: 'mend this and deliver again: what was not written comes again',
    retryable: isPassing(cause),
    cause,
  })
}
