import type { TextRow } from './output-check.ts'

/** How a copy differs from its table. */
export interface Difference {
  /** Rows that the copy lacks. */
  readonly missing: readonly string[]
  /** Rows that only the copy has. */
  readonly excess: readonly string[]
  /** Rows of the same key with other values: the table's, and the copy's. */
  readonly differing: readonly (readonly [string, string])[]
}

/** A table as the server has it. */
export interface SourceTable {
  readonly columns: readonly string[]
  /** Names of the key's columns; none where there is no key. */
  readonly key: readonly string[]
  readonly rows: readonly TextRow[]
}

/**
 * Compares a table and its copy as what they are, sets of rows in which one may be several times. A column that the copy has
 * nothing of is null: it was added when nothing of the row changed.
 */
export function compareRows({ columns, key, rows }: SourceTable, copy: readonly TextRow[]): Difference {
  const textOf = (row: TextRow) => JSON.stringify(columns.map((column) => row[column] ?? null))
  const keyOf = (row: TextRow) => JSON.stringify(key.map((column) => row[column] ?? null))
  const left = new Map<string, TextRow[]>()
  for (const row of copy) {
    const same = left.get(textOf(row))
    if (same) same.push(row)
    else left.set(textOf(row), [row])
  }
  const lacking = rows.filter((row) => left.get(textOf(row))?.pop() === undefined)
  const excess = [...left.values()].flat()
  if (key.length === 0) return { missing: lacking.map(textOf), excess: excess.map(textOf), differing: [] }
  const byKey = new Map(excess.map((row) => [keyOf(row), row]))
  const missing: string[] = []
  const differing: [string, string][] = []
  for (const row of lacking) {
    const other = byKey.get(keyOf(row))
    if (other === undefined) missing.push(textOf(row))
    else differing.push([textOf(row), textOf(other)])
    byKey.delete(keyOf(row))
  }
  return { missing, excess: [...byKey.values()].map(textOf), differing }
}
