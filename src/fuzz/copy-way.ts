import { copyBinaryLayout } from '../decoder/copy-binary.ts'
import { copyTextLayout } from '../decoder/copy-text.ts'
import { Cursor, type Field, type RowReader, rowReader } from '../decoder/row-reader.ts'
import { sliceUtf8 } from '../decoder/text.ts'
import { int4Codec } from '../decoder/types/integer.ts'
import type { Connection } from '../protocol/connection/connection.ts'
import { type CopyFormat, CopyOut } from '../replication/snapshot/copy-out.ts'
import type { TriedColumn, TriedTable } from './tables.ts'

/** The values of a table's columns, by the number of their row. */
export type Columns = readonly (readonly unknown[])[]

/** Copies a table as the snapshot does, in text format: the server's own texts, and the values that walwire reads in them. */
export async function copyText(
  connection: Connection,
  table: TriedTable,
): Promise<{ readonly texts: Columns; readonly values: Columns }> {
  const readers = [
    reader(copyTextLayout, table, () => ({ read: sliceUtf8 })),
    reader(copyTextLayout, table, ({ pgType }) => ({ read: pgType.readText })),
  ] as const
  const [texts, values] = await copy(connection, table, readers, 'text')
  return { texts: texts ?? [], values: values ?? [] }
}

/** The same in binary format, as values. */
export async function copyBinary(connection: Connection, table: TriedTable): Promise<Columns> {
  const fields = ({ pgType }: TriedColumn) => ({ read: pgType.readText, readBinary: pgType.readBinary })
  const [values] = await copy(connection, table, [reader(copyBinaryLayout, table, fields)], 'binary')
  return values ?? []
}

function reader(
  layout: typeof copyTextLayout,
  table: TriedTable,
  fieldOf: (column: TriedColumn) => Omit<Field, 'name'>,
): RowReader {
  const { readText: read, readBinary } = int4Codec
  const fields = [
    { name: 'row_number', read, readBinary },
    ...table.columns.map((column) => ({ name: column.name, ...fieldOf(column) })),
  ]
  return rowReader(layout, fields, new Cursor(), table.name)
}

/** Reads each row with each of the readers. */
async function copy(
  connection: Connection,
  table: TriedTable,
  readers: readonly RowReader[],
  format: CopyFormat,
): Promise<Columns[]> {
  const names = table.columns.map(({ name }) => name)
  const read = readers.map((readRow) => ({ readRow, columns: names.map((): unknown[] => []) }))
  const sql = `COPY public.${table.name} (${['row_number', ...names].join(', ')}) TO STDOUT`
  const rows = await CopyOut.begin(connection, sql, format)
  await rows.pull((bytes, start, end) => {
    for (const { readRow, columns } of read) {
      const row = readRow(bytes, start, end)
      const at = Number(row.row_number)
      for (const [index, name] of names.entries()) columns[index]![at] = row[name]
    }
    return false
  })
  return read.map(({ columns }) => columns)
}
