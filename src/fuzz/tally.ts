import type { Batch, Round } from './batch.ts'
import type { Outcome, Refusal } from './bench.ts'
import type { Finding } from './findings.ts'

/** What was tried of one type. */
export interface TypeTally {
  readonly name: string
  /** Values that went through the server; those that it did not take are none of them. */
  values: number
  mismatches: number
  refused: number
}

/** How far it has come. */
export interface Progress {
  readonly values: number
  readonly mismatches: number
}

/** The first value of a type that differed, and where it came from. */
export interface FirstFinding {
  readonly finding: Finding
  readonly round: Round
}

/** Counts what was tried, and keeps what there is to show. */
export class Tally {
  readonly #types = new Map<string, TypeTally>()
  readonly #findings = new Map<string, FirstFinding>()
  readonly #refusals = new Map<string, Refusal>()

  /** @param names all types that are tried, in the order of the table */
  begin(names: readonly string[]): void {
    for (const name of names) this.#of(name)
  }

  /** Adds what came of a round. */
  add(batch: Batch, { findings, refusals }: Pick<Outcome, 'findings' | 'refusals'>, round: Round): void {
    for (const [{ name }, cells] of batch) this.#of(name).values += cells.length
    for (const refusal of refusals) {
      const tally = this.#of(refusal.type.name)
      tally.values--
      tally.refused++
      if (!this.#refusals.has(tally.name)) this.#refusals.set(tally.name, refusal)
    }
    for (const finding of findings) {
      const tally = this.#of(finding.type.name)
      tally.mismatches++
      if (!this.#findings.has(tally.name)) this.#findings.set(tally.name, { finding, round })
    }
  }

  /** In the order of the table. */
  get types(): readonly TypeTally[] {
    return [...this.#types.values()]
  }

  get values(): number {
    return this.types.reduce((total, { values }) => total + values, 0)
  }

  get mismatches(): number {
    return this.types.reduce((total, { mismatches }) => total + mismatches, 0)
  }

  /** One for each type of which a value differed. */
  get firstFindings(): readonly FirstFinding[] {
    return [...this.#findings.values()]
  }

  /** One for each type of which a value was not taken. */
  get firstRefusals(): readonly Refusal[] {
    return [...this.#refusals.values()]
  }

  #of(name: string): TypeTally {
    const known = this.#types.get(name)
    if (known !== undefined) return known
    const tally: TypeTally = { name, values: 0, mismatches: 0, refused: 0 }
    this.#types.set(name, tally)
    return tally
  }
}
