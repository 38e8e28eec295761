import fc from 'fast-check'
import { type Cell, cellsOf, type Round, seedOf } from './batch.ts'
import type { Bench } from './bench.ts'
import type { Finding } from './findings.ts'

/** A value that differs, made as small as it could be in the time that there is. */
export interface ShrunkFinding extends Finding {
  /** How many times it was made smaller. */
  readonly shrinks: number
}

/** How long one value is made smaller. */
const shrinkMs = 10_000
/** Smaller values that are tried at once: a transaction costs far more than the values in it. */
const triedAtOnce = 50

/**
 * Makes the value of a finding smaller while it still differs. fast-check makes it again and says what would be simpler;
 * of those the first that differs is taken, and so on until none does.
 */
export async function shrink(finding: Finding, bench: Pick<Bench, 'try'>, round: Round): Promise<ShrunkFinding> {
  const { type, row } = finding
  const cells = cellsOf(type)
  const deadline = performance.now() + shrinkMs
  let smallest = finding
  let shrinks = 0
  let value = regenerate(cells, seedOf(round, type.name), row)
  for (let simpler = simplerThan(cells, value); performance.now() < deadline; ) {
    const tried = take(simpler, triedAtOnce)
    if (tried.length === 0) break
    const { findings } = await bench.try(new Map([[type, tried.map((candidate) => candidate.value)]]))
    const first = findings.reduce<Finding | undefined>((a, b) => (a === undefined || b.row < a.row ? b : a), undefined)
    const found = first && tried[first.row]
    if (first === undefined || found === undefined) continue
    smallest = first
    value = found
    shrinks++
    simpler = simplerThan(cells, value)
  }
  return { ...smallest, shrinks }
}

/** A value as fast-check has it, which knows how to make it smaller. */
type Made = fc.Value<Cell>

/** Makes the value of one run again, among those that `fc.sample` gives for this seed. */
function regenerate(cells: fc.Arbitrary<Cell>, seed: number, run: number): Made {
  const made: Made[] = []
  const kept = new KeptArbitrary(cells, (value) => made.push(value))
  fc.sample(kept, { seed, path: `${run}`, numRuns: 1 })
  const last = made.at(-1)
  if (last === undefined) throw new Error('fast-check made no value')
  return last
}

function simplerThan(cells: fc.Arbitrary<Cell>, { value_, context }: Made): Iterator<Made> {
  return cells.shrink(value_, context)
}

function take(values: Iterator<Made>, count: number): Made[] {
  const taken: Made[] = []
  while (taken.length < count) {
    const next = values.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}

/** Shows the values of another one as it makes them. */
class KeptArbitrary extends fc.Arbitrary<Cell> {
  readonly #inner: fc.Arbitrary<Cell>
  readonly #keep: (value: Made) => void

  constructor(inner: fc.Arbitrary<Cell>, keep: (value: Made) => void) {
    super()
    this.#inner = inner
    this.#keep = keep
  }

  override generate(random: fc.Random, bias: number | undefined): Made {
    const value = this.#inner.generate(random, bias)
    this.#keep(value)
    return value
  }

  override canShrinkWithoutContext(value: unknown): value is Cell {
    return this.#inner.canShrinkWithoutContext(value)
  }

  override shrink(value: Cell, context: unknown): fc.Stream<Made> {
    return this.#inner.shrink(value, context)
  }
}
