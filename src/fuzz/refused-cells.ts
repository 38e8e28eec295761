import type { Cell } from './batch.ts'

/** Where a cell stands. */
export interface CellPlace {
  readonly column: number
  readonly row: number
}

/**
 * Finds the cells for whose sake the server takes none of the rows, by leaving out the others: the server names a line in
 * an error's context, in whatever language and not for every failure.
 *
 * @param isTaken whether the server takes these rows
 */
export async function refusedCells(
  columns: readonly (readonly Cell[])[],
  isTaken: (columns: readonly (readonly Cell[])[]) => Promise<boolean>,
): Promise<CellPlace[]> {
  const refused: CellPlace[] = []
  const only = (column: number, from: number, to: number) =>
    columns.map((cells, index) => cells.map((cell, row) => (index === column && row >= from && row < to ? cell : null)))
  const search = async (column: number, from: number, to: number): Promise<void> => {
    if (await isTaken(only(column, from, to))) return
    if (to - from === 1) {
      refused.push({ column, row: from })
      return
    }
    const middle = (from + to) >> 1
    await search(column, from, middle)
    await search(column, middle, to)
  }
  for (const [column, cells] of columns.entries()) if (cells.length > 0) await search(column, 0, cells.length)
  return refused
}

/** The same columns with NULL in some places. */
export function withoutCells(
  columns: readonly (readonly Cell[])[],
  places: readonly CellPlace[],
): readonly (readonly Cell[])[] {
  const copies = columns.map((cells) => [...cells])
  for (const { column, row } of places) {
    const cells = copies[column]
    if (cells !== undefined) cells[row] = null
  }
  return copies
}
