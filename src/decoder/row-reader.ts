import { WalwireError } from '../protocol/messages/errors.ts'
import type { Row } from './relation.ts'
import type { ReadValue } from './types/codec.ts'

/** One column to be read: what its property is called, and how its value is read. */
export interface Field {
  readonly name: string
  /** Reads the text form. Null for a column that stands on the wire and not in the row: those beside the key in a key tuple. */
  readonly read: ReadValue | null
  /** Reads the binary form, where that may come. */
  readonly readBinary?: ReadValue | undefined
}

/** Where a row reader leaves what it found besides the row. */
export class Cursor {
  /** Index from which the offsets of errors in a tuple count: where its message's body begins. Set before reading. */
  body = 0
  /** Index after the last byte of the row. */
  end = 0
  /** Indexes of the fields that were sent as unchanged TOAST; undefined when there were none, as nearly always. */
  unchanged: number[] | undefined = undefined
}

/**
 * Reads one row that begins at bytes[start] and ends before bytes[end], and leaves its end in the {@link Cursor} that
 * the reader was made with. The row holds nothing of `bytes`.
 */
export type RowReader = (bytes: Uint8Array, start: number, end: number) => Row

/**
 * Makes readers of one wire layout. `compile` gives the fast one, as source text of its own; `interpret` one that works
 * everywhere, is equal in what it returns, and says exactly what is wrong with a row that cannot be read.
 */
export interface RowLayout {
  readonly compile: (fields: readonly Field[], cursor: Cursor, interpreted: RowReader) => RowReader
  readonly interpret: (fields: readonly Field[], cursor: Cursor) => RowReader
}

/**
 * Whether this process may make functions from text (`node --disallow-code-generation-from-strings` and strict
 * content security policies forbid it).
 */
export function canGenerateCode(): boolean {
  try {
    return new Function('return true')() === true
  } catch {
    return false
  }
}

const generate = canGenerateCode()

/**
 * Makes the reader of a table's rows: compiled where that is allowed.
 *
 * @param table for errors
 */
export function rowReader(layout: RowLayout, fields: readonly Field[], cursor: Cursor, table: string): RowReader {
  const interpreted = layout.interpret(
    fields.map((field) => locate(field, table)),
    cursor,
  )
  return generate ? layout.compile(fields, cursor, interpreted) : interpreted
}

/** The same field, whose failures say in which column of which table they are. */
function locate({ name, read, readBinary }: Field, table: string): Field {
  const located = (reader: ReadValue): ReadValue => {
    return (bytes, start, end) => {
      try {
        return reader(bytes, start, end)
      } catch (cause) {
        throw locateError(cause, table, name)
      }
    }
  }
  return { name, read: read && located(read), readBinary: readBinary && located(readBinary) }
}

function locateError(cause: unknown, table: string, column: string): WalwireError {
  const what = `a value of column ${column} in table ${table} could not be read`
  if (cause instanceof WalwireError) {
    return new WalwireError(cause.code, {
      what,
      why: cause.message,
      hint: cause.hint,
      table,
      column,
      cause,
    })
  }
  return new WalwireError('types_failed', {
    what,
    why: `the function given for its type threw ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "correct the function in the option 'types', or leave that type out",
    table,
    column,
    cause,
  })
}

/**
 * The end of a compiled reader: an object literal of the variables v0, v1 …, which gives all rows of a table one hidden
 * class. Names come from the server and go in as JSON text only; `__proto__` as a computed key, since as a plain one it
 * would set the prototype.
 */
export function rowLiteral(fields: readonly Field[]): string {
  const properties = fields.flatMap(({ name, read }, index) => {
    if (read === null) return []
    const key = JSON.stringify(name)
    return `${name === '__proto__' ? `[${key}]` : key}:v${index}`
  })
  return `{${properties.join(',')}}`
}

/** Sets a property of a row that is built step by step, to the same effect as {@link rowLiteral}. */
export function setField(row: Row, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(row, name, { value, writable: true, enumerable: true, configurable: true })
  else row[name] = value
}
