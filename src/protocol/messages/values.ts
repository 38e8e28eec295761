import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/*
 * What several messages have: values, and the formats that they are in.
 * https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES
 */

/** How a value is written: 0 is text, 1 binary, and others are not known. */
export type Format = 'text' | 'binary'

/** What a {@link Format} is on the wire, in the 8 or 16 bits that the caller read. */
export function readFormat(code: number, reader: Reader): Format {
  if (code === 0) return 'text'
  if (code === 1) return 'binary'
  return reader.fail(`format ${code} is neither text (0) nor binary (1)`)
}

/** The inverse of {@link readFormat}. */
export function formatCode(format: Format): number {
  return format === 'text' ? 0 : 1
}

/** `Int16 number, Int16 format each`. A client's may be none (all text) or one (of all), and count without a sign. */
export function readFormats(reader: Reader, of: string): Format[] {
  const count = reader.count(reader.uint16(`number of ${of}`), 2, `number of ${of}`)
  const formats: Format[] = []
  for (let index = 0; index < count; index++) formats.push(readFormat(reader.int16(of), reader))
  return formats
}

export function writeFormats(writer: Writer, formats: readonly Format[], of: string): void {
  writer.count(formats.length, `the number of ${of}`, 0xffff)
  for (const format of formats) writer.int16(formatCode(format))
}

/** A value as it is on the wire; null is NULL. */
export type WireValue = Uint8Array | null

/** `Int32 length (-1 is NULL), bytes` */
export function readValue(reader: Reader, field: string): WireValue {
  const length = reader.int32(`${field} length`)
  return length === -1 ? null : reader.bytes(length, field)
}

export function writeValue(writer: Writer, value: WireValue): void {
  if (value === null) writer.int32(-1)
  else writer.int32(value.length).bytes(value)
}

/** `Int16 number, each: Int32 length (-1 is NULL), bytes`, with a number without a sign, as a client's is. */
export function readValues(reader: Reader, of: string): WireValue[] {
  const count = reader.count(reader.uint16(`number of ${of}s`), 4, `number of ${of}s`)
  const values: WireValue[] = []
  for (let index = 0; index < count; index++) values.push(readValue(reader, of))
  return values
}

export function writeValues(writer: Writer, values: readonly WireValue[], of: string): void {
  writer.count(values.length, `the number of ${of}s`, 0xffff)
  for (const value of values) writeValue(writer, value)
}
