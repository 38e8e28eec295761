import { inspect } from 'node:util'
import { oneLine } from '../protocol/messages/one-line.ts'
import type { Cell } from './batch.ts'
import type { Problem } from './comparison.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'
import { Unreadable } from './watched-types.ts'

/** A value that did not come through all ways as one and the same. */
export interface Finding {
  readonly type: FuzzedType
  /** Its place in the batch. */
  readonly row: number
  /** What was written. */
  readonly cell: Cell
  /** The server's own text. */
  readonly text: string | null
  /** At least one. */
  readonly problems: readonly Omit<Problem, 'row'>[]
}

/** Gathers the problems of each value of a column. */
export function findingsOf(
  type: FuzzedType,
  cells: readonly Cell[],
  texts: readonly unknown[],
  problems: readonly Problem[],
): Finding[] {
  const byRow = new Map<number, Problem[]>()
  for (const problem of problems) {
    const known = byRow.get(problem.row)
    if (known === undefined) byRow.set(problem.row, [problem])
    else known.push(problem)
  }
  return [...byRow].map(([row, found]) => {
    const text = texts[row]
    return { type, row, cell: cells[row] ?? null, text: typeof text === 'string' ? text : null, problems: found }
  })
}

const mostCharacters = 400

/** A value for people: what it is, on one line, and no more of it than can be looked at. */
export function showValue(value: unknown): string {
  const shown =
    value instanceof Unreadable
      ? `an error: ${oneLine(value.error instanceof Error ? value.error.message : String(value.error))}`
      : inspect(value, {
          depth: 8,
          breakLength: Number.POSITIVE_INFINITY,
          maxArrayLength: 50,
          maxStringLength: mostCharacters,
        })
  return shown.length > mostCharacters ? `${shown.slice(0, mostCharacters)}…` : shown
}
