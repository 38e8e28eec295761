import type { Output } from '../../delivery/file/output.ts'
import type { Batch } from '../../replication/batch.ts'
import { toJsonLine } from '../../replication/json-line.ts'
import { LiveOutput } from '../pretty/live-output.ts'
import { PrettyPrinter } from '../pretty/pretty-printer.ts'
import { terminalOf } from '../pretty/terminal.ts'
import type { FollowArguments } from './follow-arguments.ts'

/** How batches become lines. */
export interface Presentation {
  readonly toLines: (batch: Batch) => Iterable<string>
  /** Where the lines go. */
  readonly output: Output
  /** Whether the copy of the tables is told about in the lines themselves. */
  readonly tellsProgress: boolean
  /** To be called before anything else is written to the terminal. */
  readonly makeRoom: () => void
}

/** What `--format` asks for, on this output. */
export function presentation({ format }: Pick<FollowArguments, 'format'>, output: Output): Presentation {
  if (format === 'jsonl') {
    return { toLines: (batch) => jsonLines(batch), output, tellsProgress: false, makeRoom: () => {} }
  }
  const terminal = terminalOf(output.path === undefined ? process.stdout : undefined)
  const printer = new PrettyPrinter(terminal)
  const toLines = (batch: Batch) => printer.lines(batch)
  if (!terminal.live) return { toLines, output, tellsProgress: true, makeRoom: () => {} }
  const live = new LiveOutput(output, process.stdout, () => printer.live())
  return { toLines, output: live, tellsProgress: true, makeRoom: () => live.erase() }
}

function* jsonLines({ events }: Batch): Generator<string, void, undefined> {
  for (const event of events) yield toJsonLine(event)
}
