import type { Output } from '../../delivery/file/output.ts'
import type { ShareRequest, ShareResult } from '../../fuzz/share.ts'
import type { Progress } from '../../fuzz/tally.ts'
import { exitCodes } from '../exit-code.ts'
import type { FuzzArguments } from './fuzz-arguments.ts'
import type { ProgressLine } from './progress-line.ts'
import { findingLines, lastLine, refusalLine, tableLines } from './report.ts'

/** What a run is given. */
export interface FuzzParts {
  /** The server, for people. */
  readonly description: string
  readonly stop: AbortSignal
  /** Where the report goes. */
  readonly output: Output
  readonly progress: ProgressLine
  /** How many shares are worked on at once. */
  readonly shares: number
  readonly tryShare: (request: ShareRequest, watch: ShareWatch) => Promise<ShareResult>
}

/** Who wants to know how a share goes. */
export interface ShareWatch {
  readonly onDatabase: (name: string) => void
  readonly onProgress: (progress: Progress) => void
}

/**
 * Tries values of all types, shared out, and reports.
 *
 * @returns the exit code
 */
export async function fuzz(
  { types, runs, durationMs, seed }: FuzzArguments & { readonly seed: number },
  { description, stop, output, progress, shares, tryShare }: FuzzParts,
): Promise<number> {
  await output.write([
    `walwire fuzz: ${description}, in databases of its own, with two publications and two temporary slots each; all goes at the end`,
  ])
  const states: Progress[] = []
  const count = types === undefined ? shares : Math.min(shares, Math.ceil(types.length / 2))
  const work = Array.from({ length: count }, (_, index) =>
    tryShare(
      { types, runs, durationMs, seed, share: { index, of: count } },
      {
        onDatabase: (name) => void output.write([`  database ${name}`]),
        onProgress: (state) => {
          states[index] = { values: state.values, mismatches: state.mismatches }
          progress.tell(sumOf(states))
        },
      },
    ),
  )
  // none is left alone with its database when another one fails
  const settled = await Promise.allSettled(work)
  progress.erase()
  const results = settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
  const tallies = results.flatMap((result) => result.tallies).sort((a, b) => a.place - b.place)
  const total = { ...sumOf(tallies), types: tallies }
  const missing = results[0]?.missing ?? []
  await output.write([
    ...(total.values === 0 ? [] : [...tableLines(tallies), '']),
    ...(missing.length === 0 ? [] : [`not tried, since these extensions cannot be made: ${missing.join(', ')}`, '']),
    ...results.flatMap(({ refusals }) => refusals.flatMap((refused) => [refusalLine(refused), ''])),
    ...results.flatMap(({ findings }) => findings.flatMap((found) => [...findingLines(found, seed), ''])),
    ...(stop.aborted ? [`ended by ${stop.reason}`] : []),
    lastLine(total, seed),
  ])
  return total.mismatches > 0 ? exitCodes.failed : exitCodes.done
}

function sumOf(parts: readonly (Progress | undefined)[]): Progress {
  const sum = { values: 0, mismatches: 0 }
  for (const part of parts) {
    sum.values += part?.values ?? 0
    sum.mismatches += part?.mismatches ?? 0
  }
  return sum
}
