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
  /** The output that the lines are to be written to, for one that takes them. */
  readonly onto: (output: Output) => Output
  /** Whether the copy of the tables is told about in the lines themselves. */
  readonly tellsProgress: boolean
  /** To be called before anything else is written to the terminal. */
  readonly makeRoom: () => void
}

/**
 * What `--format` asks for.
 *
 * @param path of the output; undefined for stdout
 */
export function presentation({ format }: Pick<FollowArguments, 'format'>, path: string | undefined): Presentation {
  if (format === 'jsonl') {
    return { toLines: (batch) => jsonLines(batch), onto: (output) => output, tellsProgress: false, makeRoom: () => {} }
  }
  const terminal = terminalOf(path === undefined ? process.stdout : undefined)
  const printer = new PrettyPrinter(terminal)
  let live: LiveOutput | undefined
  return {
    toLines: (batch) => printer.lines(batch),
    onto(output) {
      if (!terminal.live) return output
      live = new LiveOutput(output, process.stdout, () => printer.live())
      return live
    },
    tellsProgress: true,
    makeRoom: () => live?.erase(),
  }
}

function* jsonLines({ events }: Batch): Generator<string, void, undefined> {
  for (const event of events) yield toJsonLine(event)
}
