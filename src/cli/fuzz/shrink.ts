import fc from 'fast-check'
import { type Batch, cellsOf, type Round, seedOf } from './batch.ts'
import type { Bench } from './bench.ts'
import type { Finding } from './findings.ts'

/** A value that differs, made as small as it could be in the time that there is. */
export interface ShrunkFinding extends Finding {
  /** How many times it was made smaller. */
  readonly shrinks: number
}

/** How long one value is made smaller. */
const shrinkMs = 10_000

/**
 * Makes the value of a finding smaller while it still differs: fast-check makes the round's values again, goes to this one,
 * and tries those that it calls simpler, one after the other, through the whole bench.
 */
export async function shrink(finding: Finding, bench: Pick<Bench, 'try'>, round: Round): Promise<ShrunkFinding> {
  const { type, row } = finding
  let smallest = finding
  const property = fc.asyncProperty(cellsOf(type), async (cell) => {
    const batch: Batch = new Map([[type, [cell]]])
    const [found] = (await bench.try(batch)).findings
    if (found !== undefined) smallest = found
    return found === undefined
  })
  const { numShrinks } = await fc.check(property, {
    seed: seedOf(round, type.name),
    path: `${row}`,
    numRuns: 1,
    interruptAfterTimeLimit: shrinkMs,
    markInterruptAsFailure: false,
  })
  return { ...smallest, shrinks: numShrinks }
}
