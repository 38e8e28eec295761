import { int32At, int32Source, uint16At } from '../protocol/messages/big-endian.ts'
import { ProtocolError } from '../protocol/messages/errors.ts'
import type { Row } from './relation.ts'
import { type Cursor, type Field, type RowLayout, type RowReader, rowLiteral, setField } from './row-reader.ts'

/*
 * TupleData: Int16 number of columns; for each: Byte1 'n' NULL | 'u' unchanged TOAST | 't' text | 'b' binary,
 * and for 't' and 'b' Int32 length and the bytes.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-TUPLEDATA
 */

const nullTag = 0x6e
const unchangedTag = 0x75
const textTag = 0x74
const binaryTag = 0x62

/** The rows of Insert, Update and Delete messages. */
export const tupleLayout: RowLayout = { compile: compileTuple, interpret: interpretTuple }

/**
 * Straight-line code for each column. A malformed tuple, or a value whose reader throws, is left to the interpreted
 * reader, which begins the row again.
 */
function compileTuple(fields: readonly Field[], cursor: Cursor, interpreted: RowReader): RowReader {
  const columns = fields.map(
    ({ read, readBinary }, index) => `
  let v${index};
  tag = b[p];
  if (tag === ${textTag}${readBinary === undefined ? '' : ` || tag === ${binaryTag}`}) {
    q = p + 5 + (${int32Source('b', 'p + 1')});
    if (q > end || q < p + 5) return interpreted(b, start, end);
    ${readBinary === undefined ? '' : `if (tag === ${binaryTag}) v${index} = x${index}(b, p + 5, q); else`}
    ${read === null ? ';' : `v${index} = r${index}(b, p + 5, q);`}
    p = q;
  } else if (tag === ${nullTag}) {
    v${index} = null;
    p++;
  } else if (tag === ${unchangedTag}) {
    if (unchanged === undefined) unchanged = [];
    unchanged.push(${index});
    p++;
  } else return interpreted(b, start, end);`,
  )
  const values = fields.map((_, index) => `v${index}`).join(',')
  const body = `'use strict';
return function readTuple(b, start, end) {
  if ((b[start] << 8 | b[start + 1]) !== ${fields.length}) return interpreted(b, start, end);
  let p = start + 2, q = 0, tag = 0, unchanged;
  try {${columns.join('')}
  if (p > end) return interpreted(b, start, end);
  cursor.end = p;
  cursor.unchanged = unchanged;
  return unchanged === undefined ? ${rowLiteral(fields)} : rowWithout(unchanged, [${values}]);
  } catch (error) { return interpreted(b, start, end); }
}`
  const rowWithout = (unchanged: readonly number[], values: readonly unknown[]) => {
    const row: Row = {}
    let next = 0
    for (const [index, { name, read }] of fields.entries()) {
      if (index === unchanged[next]) next++
      else if (read !== null) setField(row, name, values[index])
    }
    return row
  }
  const parameters = fields.flatMap((_, index) => [`r${index}`, `x${index}`])
  return new Function('cursor', 'interpreted', 'rowWithout', ...parameters, body)(
    cursor,
    interpreted,
    rowWithout,
    ...fields.flatMap(({ read, readBinary }) => [read, readBinary]),
  )
}

function interpretTuple(fields: readonly Field[], cursor: Cursor): RowReader {
  return (bytes, start, end) => {
    const fail = (at: number, why: string): never => {
      throw new ProtocolError('a row could not be read', why, at - cursor.body)
    }
    if (start + 2 > end) fail(start, 'the number of columns is missing')
    const count = uint16At(bytes, start)
    if (count !== fields.length) fail(start, `it has ${count} columns, its relation ${fields.length}`)
    const row: Row = {}
    let unchanged: number[] | undefined
    let at = start + 2
    for (let index = 0; index < count; index++) {
      const field = fields[index]!
      if (at >= end) fail(at, `the row ends before column ${field.name}`)
      const tag = bytes[at]
      if (tag === textTag || (tag === binaryTag && field.readBinary !== undefined)) {
        if (at + 5 > end) fail(at, `the length of column ${field.name} is missing`)
        const length = int32At(bytes, at + 1)
        if (length < 0 || length > end - at - 5) {
          fail(at, `column ${field.name} says that it is ${length} bytes long, ${end - at - 5} remain`)
        }
        at += 5 + length
        const read = tag === binaryTag ? field.readBinary : field.read
        if (field.read !== null && read) setField(row, field.name, read(bytes, at - length, at))
      } else {
        if (tag === nullTag) field.read !== null && setField(row, field.name, null)
        else if (tag === unchangedTag) (unchanged ??= []).push(index)
        else if (tag === binaryTag) fail(at, `column ${field.name} came in a binary form that is not known`)
        else fail(at, `column ${field.name} has the unknown kind 0x${tag!.toString(16)}`)
        at++
      }
    }
    cursor.end = at
    cursor.unchanged = unchanged
    return row
  }
}

/** Whether the column of that index was sent as NULL in the tuple that begins at `start`, which was read before. */
export function isSentNull(bytes: Uint8Array, start: number, index: number): boolean {
  let at = start + 2
  for (let before = 0; before < index; before++) {
    const hasLength = bytes[at] === textTag || bytes[at] === binaryTag
    at += hasLength ? 5 + int32At(bytes, at + 1) : 1
  }
  return bytes[at] === nullTag
}
