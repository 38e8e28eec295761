import { int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import type { Codec, ReadValue } from './codec.ts'
import { jsonString, jsonValue } from './json-value.ts'
import { closeBrace, comma, openBrace, outside } from './nested-text.ts'
import { PgRange } from './pg-range.ts'
import { rangeEnd } from './range.ts'

/*
 * Text, as multirange_out writes it: ranges in braces, apart by commas, none of them empty.
 * Binary: Int32 number of ranges; for each Int32 length and its binary form.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/multirangetypes.c
 */

/** A multirange type: an array of {@link PgRange}. */
export function multirangeCodec(range: Codec): Codec<unknown[]> {
  const { readText, readBinary, encodeText, encodeBinary, binaryExact } = range
  return {
    readText: (bytes, start, end) => readTexts(bytes, start, end, readText),
    readBinary: readBinary && ((bytes, start, end) => readBinaries(bytes, start, end, readBinary)),
    encodeText: (value) => `{${checkArray(value).map(encodeText).join(',')}}`,
    encodeBinary:
      encodeBinary &&
      ((value) => {
        const ranges = checkArray(value).map(encodeBinary)
        const writer = new Writer().int32(ranges.length)
        for (const bytes of ranges) writer.int32(bytes.length).bytes(bytes)
        return writer.finish()
      }),
    binaryExact,
    // the server's text; by what they are where an override made something else of the ranges
    writeJson: (value) => (isRanges(value) ? jsonString(`{${value.join(',')}}`) : jsonValue(value)),
  }
}

function readTexts(bytes: Uint8Array, start: number, end: number, read: ReadValue): unknown[] {
  const ranges: unknown[] = []
  if (start >= end || bytes[start] !== openBrace) fail(0, 'an opening brace was expected')
  let at = start + 1
  if (end - at === 1 && bytes[at] === closeBrace) return ranges
  for (;;) {
    const to = rangeEnd(bytes, at, end)
    if (to < 0) fail(at - start, 'a range does not end')
    try {
      ranges.push(read(bytes, at, to))
    } catch (cause) {
      throw outside(cause, 'a range of a multirange', at - start)
    }
    const next = to < end ? bytes[to] : undefined
    if (next !== comma && next !== closeBrace) fail(to - start, 'a comma or a closing brace was expected')
    at = to + 1
    if (next === comma) continue
    if (at !== end) fail(at - start, 'something stands behind the last brace')
    return ranges
  }
}

function readBinaries(bytes: Uint8Array, start: number, end: number, read: ReadValue): unknown[] {
  const count = end - start < 4 ? -1 : int32At(bytes, start)
  // a range takes its length and a byte of flags at least
  if (count < 0 || 5 * count > end - start - 4) failBinary(0, `it says ${count} ranges in ${end - start} bytes`)
  const ranges: unknown[] = []
  let at = start + 4
  for (let index = 0; index < count; index++) {
    const length = at + 4 > end ? -1 : int32At(bytes, at)
    if (length < 0 || length > end - at - 4) failBinary(at - start, `a range says that it is ${length} bytes long`)
    const from = at + 4
    at = from + length
    try {
      ranges.push(read(bytes, from, at))
    } catch (cause) {
      throw outside(cause, 'a range of a binary multirange', from - start)
    }
  }
  if (at !== end) failBinary(at - start, 'bytes stand behind the last range')
  return ranges
}

function isRanges(value: unknown): value is PgRange[] {
  return Array.isArray(value) && value.every((range) => range instanceof PgRange)
}

function checkArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`a multirange's value is an array, not ${typeof value}`)
  return value
}

function fail(offset: number, why: string): never {
  throw new ProtocolError('a multirange could not be read', why, offset)
}

function failBinary(offset: number, why: string): never {
  throw new ProtocolError('a binary multirange could not be read', why, offset)
}
