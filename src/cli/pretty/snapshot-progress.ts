import type { SnapshotBeginEvent } from '../../replication/events.ts'

/** How far the copy of one table is. */
export interface TableProgress {
  /** What the table is called in a line. */
  readonly name: string
  readonly rows: number
  /** The planner's estimate, undefined where there is none. */
  readonly estimatedRows: number | undefined
  readonly elapsedMs: number
  /** Rows in a second, undefined before that can be told. */
  readonly rate: number | undefined
  /** Between 0 and 1: below 1 until the copy is done, however wrong the estimate; undefined without one. */
  readonly fraction: number | undefined
  readonly leftMs: number | undefined
}

interface Copy {
  readonly table: string
  readonly name: string
  readonly estimatedRows: number | undefined
  readonly beganAt: number
  rows: number
}

/** A rate of the first milliseconds says nothing. */
const leastMs = 50

/** Counts the rows of the tables that are being copied, one or several at a time. */
export class SnapshotProgress {
  readonly #copies = new Map<string, Copy>()
  readonly #now: () => number
  #last: Copy | undefined

  /** @param now a clock in milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Tables whose copy has begun and not ended. */
  get copying(): readonly TableProgress[] {
    return [...this.#copies.values()].map((copy) => this.#progressOf(copy))
  }

  /** A table's copy begins, or begins again. */
  begin({ table, estimatedRows }: Pick<SnapshotBeginEvent, 'table' | 'estimatedRows'>, name: string): void {
    const copy = {
      table,
      name,
      estimatedRows: estimatedRows < 0 ? undefined : estimatedRows,
      beganAt: this.#now(),
      rows: 0,
    }
    this.#copies.set(table, copy)
    this.#last = copy
  }

  /** A row was copied. */
  row(table: string): void {
    // rows of one table come in a row
    if (this.#last?.table !== table) this.#last = this.#copies.get(table)
    if (this.#last !== undefined) this.#last.rows++
  }

  /** The copy of a table is done. @returns how it went, undefined where its beginning was not seen */
  end(table: string): TableProgress | undefined {
    const copy = this.#copies.get(table)
    if (copy === undefined) return undefined
    this.#copies.delete(table)
    this.#last = undefined
    return { ...this.#progressOf(copy), fraction: 1, leftMs: 0 }
  }

  #progressOf({ name, estimatedRows, beganAt, rows }: Copy): TableProgress {
    const elapsedMs = this.#now() - beganAt
    const rate = elapsedMs >= leastMs && rows > 0 ? (rows / elapsedMs) * 1000 : undefined
    return {
      name,
      rows,
      estimatedRows,
      elapsedMs,
      rate,
      fraction: estimatedRows ? Math.min(rows / estimatedRows, 0.99) : undefined,
      leftMs:
        rate === undefined || estimatedRows === undefined || estimatedRows < rows
          ? undefined
          : ((estimatedRows - rows) / rate) * 1000,
    }
  }
}
