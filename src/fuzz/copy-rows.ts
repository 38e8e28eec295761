import { Writer } from '../protocol/messages/writer.ts'
import type { Cell } from './batch.ts'

/*
 * Rows as COPY … FROM STDIN takes them: a number, which tells rows apart, and a column for each type.
 * https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
 */

/** How a table is written. */
export type CopyFormat = 'text' | 'binary'

const signature = Uint8Array.of(0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00)
const encoder = new TextEncoder()

/** The rows of some columns, as long as each other, in one of the formats. */
export function copyRows(format: CopyFormat, columns: readonly (readonly Cell[])[]): Uint8Array {
  return format === 'text' ? textRows(columns) : binaryRows(columns)
}

const escaped = /[\\\n\r\t]/
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function textRows(columns: readonly (readonly Cell[])[]): Uint8Array {
  const lines: string[] = []
  for (let row = 0; row < (columns[0]?.length ?? 0); row++) {
    let line = `${row}`
    for (const cells of columns) line += `\t${textCell(cells[row] ?? null)}`
    lines.push(line)
  }
  return encoder.encode(lines.map((line) => `${line}\n`).join(''))
}

function textCell(cell: Cell): string {
  if (cell === null) return '\\N'
  if (typeof cell !== 'string') throw new TypeError('bytes do not go into a copy in text format')
  return escaped.test(cell) ? cell.replace(/[\\\n\r\t]/g, (character) => escapes[character] ?? character) : cell
}

function binaryRows(columns: readonly (readonly Cell[])[]): Uint8Array {
  const writer = new Writer(1 << 16).bytes(signature).int32(0).int32(0)
  for (let row = 0; row < (columns[0]?.length ?? 0); row++) {
    writer.int16(1 + columns.length)
    writer.int32(4).int32(row)
    for (const cells of columns) {
      const cell = cells[row] ?? null
      if (cell === null) {
        writer.int32(-1)
      } else {
        const bytes = typeof cell === 'string' ? encoder.encode(cell) : cell
        writer.int32(bytes.length).bytes(bytes)
      }
    }
  }
  return writer.int16(-1).finish()
}
