import { int32At, int32Source, uint16At } from '../protocol/messages/big-endian.ts'
import { ProtocolError } from '../protocol/messages/errors.ts'
import { Reader } from '../protocol/messages/reader.ts'
import type { Row } from './relation.ts'
import { type Cursor, type Field, type RowLayout, type RowReader, rowLiteral, setField } from './row-reader.ts'

/*
 * COPY … TO STDOUT (FORMAT binary): a header of 11 bytes signature, Int32 flags, Int32 length of an extension and the
 * extension itself; then for each row Int16 number of columns, each Int32 length (-1: NULL) and the bytes; Int16 -1 at
 * the end. The server sends one row a message, the header together with the first, the end on its own.
 * https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS (Binary Format)
 */

const signature = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00]

/** The rows of a COPY in binary format; what comes before the first is {@link skipCopyHeader}'s. */
export const copyBinaryLayout: RowLayout = { compile: compileCopyBinary, interpret: interpretCopyBinary }

/**
 * Checks the header of a binary copy.
 *
 * @returns index after it
 * @throws {ProtocolError} when it is not one, or asks for something that is not known (OIDs, which ended with version 12)
 */
export function skipCopyHeader(bytes: Uint8Array, start: number, end: number): number {
  const reader = new Reader(bytes, start, end, 'The header of a binary copy')
  for (const byte of signature)
    if (reader.uint8('signature') !== byte) reader.fail('it does not begin with the signature')
  const flags = reader.uint32('flags')
  // the lower half may be ignored by who does not know it
  if (flags >>> 16 !== 0) reader.fail(`its flags are 0x${flags.toString(16)}`)
  reader.bytes(reader.uint32('length of the extension'), 'extension')
  return reader.at
}

/** Whether bytes[start, end) is the end of a binary copy. */
export function isCopyTrailer(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 2 && bytes[start] === 0xff && bytes[start + 1] === 0xff
}

function compileCopyBinary(fields: readonly Field[], cursor: Cursor, interpreted: RowReader): RowReader {
  const columns = fields.map(
    (_, index) => `
  let v${index};
  length = ${int32Source('b', 'p')};
  p += 4;
  if (length === -1) v${index} = null;
  else {
    if (length < 0 || length > end - p) return interpreted(b, start, end);
    v${index} = x${index}(b, p, p + length);
    p += length;
  }`,
  )
  const body = `'use strict';
return function readCopyBinary(b, start, end) {
  if ((b[start] << 8 | b[start + 1]) !== ${fields.length}) return interpreted(b, start, end);
  let p = start + 2, length = 0;
  try {${columns.join('')}
  if (p > end) return interpreted(b, start, end);
  cursor.end = p;
  return ${rowLiteral(fields)};
  } catch (error) { return interpreted(b, start, end); }
}`
  return new Function('cursor', 'interpreted', ...fields.map((_, index) => `x${index}`), body)(
    cursor,
    interpreted,
    ...fields.map((field) => field.readBinary),
  )
}

function interpretCopyBinary(fields: readonly Field[], cursor: Cursor): RowReader {
  return (bytes, start, end) => {
    const fail = (at: number, why: string): never => {
      throw new ProtocolError('a copied row could not be read', why, at - start)
    }
    if (end - start < 2) fail(start, 'the number of columns is missing')
    const count = uint16At(bytes, start)
    if (count !== fields.length) fail(start, `it has ${count} columns, ${fields.length} were asked for`)
    const row: Row = {}
    let at = start + 2
    for (const { name, readBinary } of fields) {
      if (end - at < 4) fail(at, `the length of column ${name} is missing`)
      const length = int32At(bytes, at)
      at += 4
      if (length === -1) {
        setField(row, name, null)
        continue
      }
      if (length < 0 || length > end - at)
        fail(at, `column ${name} says that it is ${length} bytes long, ${end - at} remain`)
      if (readBinary === undefined) fail(at, `column ${name} has no binary form that is known`)
      else setField(row, name, readBinary(bytes, at, at + length))
      at += length
    }
    cursor.end = at
    return row
  }
}
