import type { PgType } from '../decoder/types/registry.ts'
import type { CopyFormat } from './copy-rows.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'

/** A type as this server has it. */
export interface TriedType {
  readonly type: FuzzedType
  readonly oid: number
  /** How walwire reads and writes it. */
  readonly pgType: PgType
  /** SQL that is true where two expressions are the same value. */
  readonly isSame: (a: string, b: string) => string
}

/** A column of a table. */
export interface TriedColumn extends TriedType {
  readonly name: string
}

/** A table that values are written into: it is transferred in binary form as a whole or not at all, as a feed's are. */
export interface TriedTable {
  readonly name: string
  readonly written: CopyFormat
  /** Every column's value in binary form is the value of its text. */
  readonly exact: boolean
  readonly columns: readonly TriedColumn[]
}

/** Rows are kept within a page where values are short, and a table's statements within what can be read. */
const columnsPerTable = 24

/** Sorts types into tables. */
export function planTables(types: readonly TriedType[]): TriedTable[] {
  const kinds = new Map<string, TriedType[]>()
  for (const tried of types) {
    const kind = `${tried.type.written} ${tried.pgType.binaryExact}`
    kinds.set(kind, [...(kinds.get(kind) ?? []), tried])
  }
  const groups = [...kinds.values()].flatMap((kind) => {
    const count = Math.ceil(kind.length / columnsPerTable)
    return Array.from({ length: count }, (_, index) =>
      kind.slice(index * columnsPerTable, (index + 1) * columnsPerTable),
    )
  })
  return groups.flatMap((group, index) => {
    const [first] = group
    if (first === undefined) return []
    const columns = group.map((tried, column) => ({ ...tried, name: `c${column}` }))
    return [{ name: `t${index}`, written: first.type.written, exact: first.pgType.binaryExact, columns }]
  })
}

/** The statement that makes a table, under a name and with a persistence of the caller's. */
export function createTableSql({ columns }: TriedTable, kind: 'TABLE' | 'TEMP TABLE', name: string): string {
  const list = columns.map((column) => `${column.name} ${column.type.name}`)
  return `CREATE ${kind} ${name} (${['row_number int4', ...list].join(', ')})`
}
