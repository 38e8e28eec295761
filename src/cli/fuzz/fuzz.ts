import type { ResolvedConnection } from '../../protocol/connection-options.ts'
import type { Logger } from '../../replication/logger.ts'
import { orAbort } from '../abortable.ts'
import type { Output } from '../files/output.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'
import { chooseTypes, type FuzzArguments } from './fuzz-arguments.ts'
import { createFuzzDatabase } from './fuzz-database.ts'
import type { PostgresModule } from './fuzz-packages.ts'
import { shrinkFindings, tryValues } from './fuzz-run.ts'
import type { ProgressLine } from './progress-line.ts'
import { findingLines, lastLine, refusalLine, tableLines } from './report.ts'
import { Tally } from './tally.ts'
import type { AlterType } from './watched-types.ts'
import { openWorkplace } from './workplace.ts'

/** What a run is given. */
export interface FuzzParts {
  readonly postgres: PostgresModule
  readonly server: ResolvedConnection
  readonly logger: Logger
  readonly stop: AbortSignal
  /** Where the report goes. */
  readonly output: Output
  readonly progress: ProgressLine
  /** Breaks a type: for a test that wants to see it found. */
  readonly alter?: AlterType
}

/**
 * Tries values in a database of its own, and reports.
 *
 * @returns how many values differ
 */
export async function fuzz(
  { types: wanted, runs, durationMs, seed }: FuzzArguments & { readonly seed: number },
  { postgres, server, logger, stop, output, progress, alter }: FuzzParts,
): Promise<number> {
  await using database = await createFuzzDatabase(server)
  await output.write([
    `walwire fuzz: ${server.description}, in a database of its own, ${database.name}, with two publications and two temporary slots; all goes at the end`,
  ])
  const tally = new Tally()
  const over = durationMs === undefined ? undefined : AbortSignal.timeout(durationMs)
  const missing: string[] = []
  const shrunk = await untilStopped(stop, async () => {
    const choose = (types: readonly FuzzedType[]) => chooseTypes(wanted, types)
    const { connection } = database
    const opening = openWorkplace({ postgres, connection, choose, alter, logger, signal: stop })
    await using workplace = await orAbort(opening, stop)
    const { bench, types } = workplace
    tally.begin(types.map(({ name }) => name))
    missing.push(...workplace.missing)
    await tryValues(bench, tally, { seed, types, runs, over, stop }, (state) => progress.tell(state))
    return await shrinkFindings(bench, tally, stop)
  })
  progress.erase()
  const findings = shrunk ?? tally.firstFindings.map(({ finding }) => ({ ...finding, shrinks: 0 }))
  await output.write([
    ...(tally.values === 0 ? [] : [...tableLines(tally.types), '']),
    ...(missing.length === 0 ? [] : [`not tried, since these extensions cannot be made: ${missing.join(', ')}`, '']),
    ...tally.firstRefusals.flatMap((refusal) => [refusalLine(refusal), '']),
    ...findings.flatMap((finding) => [...findingLines(finding, seed), '']),
    ...(stop.aborted ? [`ended by ${stop.reason}`] : []),
    lastLine(tally, seed),
  ])
  return tally.mismatches
}

/** What comes of the work, or undefined where it was stopped. */
async function untilStopped<Result>(stop: AbortSignal, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (stop.aborted) return undefined
    throw error
  }
}
