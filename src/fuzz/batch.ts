import fc from 'fast-check'
import type { FuzzedType } from './forms/fuzzed-types.ts'

/** A value as it is written: a text, or bytes for a receive function. */
export type Form = string | Uint8Array

/** What stands in one field of a row. */
export type Cell = Form | null

/** A column of cells for each of some types, all as long as each other. */
export type Batch = ReadonlyMap<FuzzedType, readonly Cell[]>

/** One in so many values is NULL. */
const nullFrequency = 50

/** The values of a type, NULL among them. */
export function cellsOf(type: FuzzedType): fc.Arbitrary<Cell> {
  const forms: fc.Arbitrary<Form> = type.forms
  return fc.option(forms, { freq: nullFrequency })
}

/** What the values of a type in one round come of. The other types of the run do not matter. */
export interface Round {
  readonly seed: number
  readonly round: number
}

/** The seed of one type's values in one round (FNV-1a): whoever tries that type alone gets the same values. */
export function seedOf({ seed, round }: Round, type: string): number {
  let hash = 0x811c9dc5
  for (const character of `${seed} ${round} ${type}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  }
  return hash | 0
}

/** Makes the values of one round. Between two types whatever else waits has its turn: sockets, signals. */
export async function makeBatch(types: readonly FuzzedType[], round: Round, rows: number): Promise<Batch> {
  const batch = new Map<FuzzedType, readonly Cell[]>()
  for (const type of types) {
    batch.set(type, fc.sample(cellsOf(type), { seed: seedOf(round, type.name), numRuns: rows }))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return batch
}
