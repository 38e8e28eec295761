import { setImmediate as turn } from 'node:timers/promises'
import { orAbort } from '../replication/abortable.ts'
import { type Batch, makeBatch, type Round } from './batch.ts'
import type { Bench } from './bench.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'
import { type ShrunkFinding, shrink } from './shrink.ts'
import type { Progress, Tally } from './tally.ts'

/** Values of each type in one transaction: enough that the statements around them do not count. */
export const rowsInRound = 200

/** How long a {@link tryValues} goes on, and with what. */
export interface RunPlan {
  readonly seed: number
  readonly types: readonly FuzzedType[]
  /** Values of each type; undefined: no end by number. */
  readonly runs: number | undefined
  /** When the time is over: no round begins after that. */
  readonly over: AbortSignal | undefined
  readonly stop: AbortSignal
}

/** Makes values and tries them, round by round: while a round is with the server, the next one's values are made. */
export async function tryValues(
  bench: Pick<Bench, 'try'>,
  tally: Tally,
  { seed, types, runs = Number.POSITIVE_INFINITY, over, stop }: RunPlan,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  const make = async (round: Round): Promise<Batch | undefined> => {
    const rows = Math.min(rowsInRound, runs - round.round * rowsInRound)
    return rows > 0 && !isOver() ? makeBatch(types, round, rows) : undefined
  }
  const isOver = () => stop.aborted || over?.aborted === true
  let round: Round = { seed, round: 0 }
  let batch = await make(round)
  while (batch !== undefined) {
    const next: Round = { seed, round: round.round + 1 }
    const [outcome, nextBatch] = await orAbort(Promise.all([bench.try(batch), make(next)]), stop)
    tally.add(batch, outcome, round)
    onProgress(tally)
    await turn()
    if (isOver()) return
    round = next
    batch = nextBatch
  }
}

/** Types of which a value is made smaller; a codec that is broken breaks what is made of it too. */
const mostShrunk = 10

/** The findings of a tally, one of each type, the first of them made smaller. */
export async function shrinkFindings(
  bench: Pick<Bench, 'try'>,
  tally: Tally,
  stop: AbortSignal,
): Promise<ShrunkFinding[]> {
  const shrunk: ShrunkFinding[] = []
  for (const { finding, round } of tally.firstFindings) {
    const isOne = shrunk.length < mostShrunk && !stop.aborted
    shrunk.push(isOne ? await orAbort(shrink(finding, bench, round), stop) : { ...finding, shrinks: 0 })
  }
  return shrunk
}
