import type { Chance } from '../end-to-end/random.ts'
import { type FaultKind, faults, type Strike } from './faults.ts'

/** One fault of a run, as the seed decides it. */
export interface Dealt {
  readonly kind: FaultKind
  readonly strike: Strike
  /** How long to wait before. In ms. */
  readonly pauseMs: number
  /** Whether the follower is to catch up first. */
  readonly afterCatchingUp: boolean
}

const longestPauseMs = 900
const patience = 0.25

/**
 * Deals faults without end: every kind once, in an order by chance, then every kind again. What is dealt depends on the seed
 * alone, and not on what became of the fault before.
 */
export function* deal(chance: Chance, kinds: readonly FaultKind[]): Generator<Dealt, never, undefined> {
  for (;;) {
    for (const kind of shuffled(kinds, chance)) {
      const own = chance.fork()
      const afterCatchingUp = own.happens(patience)
      const pauseMs = own.between(0, longestPauseMs)
      yield { kind, afterCatchingUp, pauseMs, strike: faults[kind](own) }
    }
  }
}

function shuffled<Thing>(things: readonly Thing[], chance: Chance): Thing[] {
  return things
    .map((thing) => ({ thing, at: chance.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ thing }) => thing)
}
