import { ProtocolError } from '../protocol/messages/errors.ts'
import type { Row } from './relation.ts'
import { type Cursor, type Field, type RowLayout, type RowReader, rowLiteral, setField } from './row-reader.ts'
import type { ReadValue } from './types/registry.ts'

/*
 * COPY … TO STDOUT in text format: a CopyData message holds one row, its columns apart by tabs, closed by a newline.
 * NULL is \N; backslash, tab, newline, carriage return, backspace, form feed and vertical tab inside a value are
 * escaped by a backslash. https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
 */

const tab = 0x09
const newline = 0x0a
const backslash = 0x5c
const capitalN = 0x4e

const escapes: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 }

/** The rows of a COPY in text format; a row's end is the index after its newline. */
export const copyTextLayout: RowLayout = { compile: compileCopyText, interpret: interpretCopyText }

function compileCopyText(fields: readonly Field[], cursor: Cursor, interpreted: RowReader): RowReader {
  const columns = fields.map((_, index) => {
    const last = index === fields.length - 1
    const stop = last ? newline : tab
    return `
  let v${index};
  q = p;
  while (((c = b[q]) > ${backslash} || (c !== ${tab} && c !== ${newline} && c !== ${backslash})) && q < end) q++;
  if (c === ${stop}) {
    v${index} = r${index}(b, p, q);
    p = q + 1;
  } else if (c === ${backslash} && q === p && b[p + 1] === ${capitalN}) {
    if (b[p + 2] !== ${stop}) return interpreted(b, start, end);
    v${index} = null;
    p += 3;
  } else if (c === ${backslash}) {
    v${index} = escaped(b, p, end, cursor, r${index});
    if (b[cursor.end] !== ${stop}) return interpreted(b, start, end);
    p = cursor.end + 1;
  } else return interpreted(b, start, end);`
  })
  if (fields.length === 0) return interpreted
  const body = `'use strict';
return function readCopyText(b, start, end) {
  let p = start, q = 0, c = 0;
  try {${columns.join('')}
  if (p > end) return interpreted(b, start, end);
  cursor.end = p;
  return ${rowLiteral(fields)};
  } catch (error) { return interpreted(b, start, end); }
}`
  return new Function('cursor', 'interpreted', 'escaped', ...fields.map((_, index) => `r${index}`), body)(
    cursor,
    interpreted,
    readEscaped,
    ...fields.map((field) => field.read),
  )
}

function interpretCopyText(fields: readonly Field[], cursor: Cursor): RowReader {
  return (bytes, start, end) => {
    const row: Row = {}
    let at = start
    for (let index = 0; index < fields.length; index++) {
      const { name, read } = fields[index]!
      const stop = index === fields.length - 1 ? newline : tab
      let value: unknown = null
      if (bytes[at] === backslash && bytes[at + 1] === capitalN && at + 1 < end) {
        at += 2
      } else {
        value = readEscaped(bytes, at, end, cursor, read)
        at = cursor.end
      }
      if (at >= end || bytes[at] !== stop) {
        throw new ProtocolError(
          'a copied row could not be read',
          `column ${name} does not end where it must`,
          at - start,
        )
      }
      if (read !== null) setField(row, name, value)
      at++
    }
    if (fields.length === 0) {
      if (bytes[at] !== newline || at >= end) {
        throw new ProtocolError('a copied row could not be read', 'a table without columns has only empty rows', 0)
      }
      at++
    }
    cursor.end = at
    return row
  }
}

let scratch = new Uint8Array(1024)
const keptScratchBytes = 1 << 20

/**
 * Reads a value that may hold escapes, up to the tab or newline that closes it, and leaves the index of that in
 * `cursor.end`.
 */
function readEscaped(bytes: Uint8Array, start: number, end: number, cursor: Cursor, read: ReadValue | null): unknown {
  let stop = start
  let hasEscapes = false
  for (; stop < end; stop++) {
    const byte = bytes[stop]
    if (byte === tab || byte === newline) break
    if (byte === backslash) {
      hasEscapes = true
      stop++
    }
  }
  // a backslash may be the last byte, with nothing behind it
  if (stop > end) stop = end
  cursor.end = stop
  if (read === null) return undefined
  if (!hasEscapes) return read(bytes, start, stop)
  const plain = stop - start > scratch.length ? new Uint8Array(stop - start) : scratch
  // a buffer of the next size up is kept, unless one huge value would pin its memory for good
  if (plain.length > scratch.length && plain.length <= keptScratchBytes) scratch = plain
  let length = 0
  for (let at = start; at < stop; at++) {
    const byte = bytes[at]!
    // what follows a backslash that is the last byte of all belongs to somebody else
    if (byte !== backslash || at + 1 === stop) {
      plain[length++] = byte
    } else {
      const escaped = bytes[++at]!
      plain[length++] = escapes[escaped] ?? escaped
    }
  }
  return read(plain, 0, length)
}
