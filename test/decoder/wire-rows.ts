import { encodeInsert, type TupleValue } from '../../src/decoder/messages.ts'
import type { Row } from '../../src/decoder/relation.ts'
import type { Cursor, Field, RowReader } from '../../src/decoder/row-reader.ts'
import { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import type { SentColumn } from './arbitraries.ts'

/** A row somewhere in a larger buffer. */
export interface BufferedRow {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

export function buffered(row: Uint8Array, before: Uint8Array, after: Uint8Array): BufferedRow {
  const bytes = new Uint8Array(before.length + row.length + after.length)
  bytes.set(before)
  bytes.set(row, before.length)
  bytes.set(after, before.length + row.length)
  return { bytes, start: before.length, end: before.length + row.length }
}

/** The row as TupleData. */
export function tupleOf(values: readonly TupleValue[]): Uint8Array {
  const tagRelationAndKind = 1 + 4 + 1
  return encodeInsert(1, values).slice(tagRelationAndKind)
}

const copyEscapes = new Map([
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0b, 'v'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x5c, '\\'],
])

/** A value as the server escapes it in COPY's text format (copyto.c, CopyAttributeOutText). */
function writeCopyEscaped(line: number[], value: Uint8Array): void {
  for (const byte of value) {
    const letter = copyEscapes.get(byte)
    if (letter === undefined) line.push(byte)
    else line.push(0x5c, letter.charCodeAt(0))
  }
}

/** The row as one line of COPY's text format. Nothing is unchanged TOAST there, so that goes as NULL. */
export function copyLineOf(values: readonly TupleValue[]): Uint8Array {
  const line: number[] = []
  for (const [index, value] of values.entries()) {
    if (index > 0) line.push(0x09)
    if (value === null || value === 'unchanged') line.push(0x5c, 0x4e)
    else writeCopyEscaped(line, value)
  }
  line.push(0x0a)
  return Uint8Array.from(line)
}

const types = new TypeRegistry()

export function fieldOf({ name, typeOid, skipped }: SentColumn): Field {
  return { name, read: skipped ? null : (types.get(typeOid) ?? types.addUnknown(typeOid)).readText }
}

/** What a reader made of a row, in a form in which every difference shows. */
export type Outcome =
  | {
      readonly entries: readonly (readonly [name: string, value: unknown])[]
      readonly plain: boolean
      readonly end: number
      readonly unchanged: readonly number[] | undefined
    }
  | { readonly failed: string; readonly message: string; readonly offset: number | undefined }

/** Reads a row. A failure that is not one of walwire's own is thrown on. */
export function outcomeOf(read: RowReader, cursor: Cursor, { bytes, start, end }: BufferedRow): Outcome {
  let row: Row
  cursor.body = start
  try {
    row = read(bytes, start, end)
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    return { failed: `${error.name} ${error.code}`, message: error.message, offset: error.offset }
  }
  return {
    entries: Object.entries(row),
    plain: Object.getPrototypeOf(row) === Object.prototype,
    end: cursor.end - start,
    unchanged: cursor.unchanged,
  }
}

/** What a row must come out as, worked out value by value. */
export function expectedOutcome(columns: readonly SentColumn[], rowBytes: number): Outcome {
  const row = {}
  const unchanged: number[] = []
  for (const [index, column] of columns.entries()) {
    const { read } = fieldOf(column)
    const { name, sent } = column
    if (sent === 'unchanged') unchanged.push(index)
    else if (read !== null) {
      const value = sent === null ? null : read(sent, 0, sent.length)
      Object.defineProperty(row, name, { value, enumerable: true })
    }
  }
  return {
    entries: Object.entries(row),
    plain: true,
    end: rowBytes,
    unchanged: unchanged.length > 0 ? unchanged : undefined,
  }
}
