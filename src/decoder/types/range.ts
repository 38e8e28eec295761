import { int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import type { SliceText } from '../text.ts'
import type { Codec, ReadValue } from './codec.ts'
import {
  closeBracket,
  closeParenthesis,
  comma,
  openBracket,
  openParenthesis,
  outside,
  quote,
  quotedEnd,
  readQuoted,
  stopsAt,
  textOfSent,
} from './nested-text.ts'
import { PgRange, type RangeBounds, rangeText } from './pg-range.ts'

/*
 * Text, as range_out writes it: empty, or a bracket for an inclusive, a parenthesis for an exclusive bound around two
 * bounds, of which one that is infinite is left out; a bound is in quotes where it is empty or holds a bracket, parenthesis,
 * comma, quote, backslash or white space, and in quotes, quote and backslash are doubled.
 * https://www.postgresql.org/docs/current/rangetypes.html#RANGETYPES-IO
 *
 * Binary, as range_send writes it: Byte flags, and for each bound that is there Int32 length and its binary form.
 * https://github.com/postgres/postgres/blob/master/src/include/utils/rangetypes.h
 */

const flags = {
  empty: 0x01,
  lowerInclusive: 0x02,
  upperInclusive: 0x04,
  lowerInfinite: 0x08,
  upperInfinite: 0x10,
} as const

const emptyText = new TextEncoder().encode('empty')

/** A range type: a {@link PgRange}. */
export function rangeCodec(subtype: Codec, sliceText: SliceText): Codec<PgRange> {
  const readBound = subtype.readBinary
  const encodeBound = subtype.encodeBinary
  return {
    readText: textReader(subtype.readText, sliceText),
    readBinary: readBound && binaryReader(readBound, subtype.plain ?? subtype, subtype.plain !== undefined),
    encodeText: (value) => {
      const { lower, upper, bounds } = checkRange(value)
      const text = (bound: unknown) => (bound === null ? null : subtype.encodeText(bound))
      return rangeText(text(lower), text(upper), bounds)
    },
    encodeBinary: encodeBound && ((value) => encodeBinary(checkRange(value), encodeBound)),
    binaryExact: subtype.binaryExact,
  }
}

const stops = stopsAt(openBracket, closeBracket, openParenthesis, closeParenthesis, comma)

function textReader(readBound: ReadValue, sliceText: SliceText): ReadValue<PgRange> {
  return (bytes, start, end) => {
    const first = start < end ? bytes[start] : undefined
    if (first !== openBracket && first !== openParenthesis) {
      if (end - start !== emptyText.length || !startsEmpty(bytes, start)) {
        fail(0, 'a bracket, a parenthesis or the word empty was expected')
      }
      return PgRange.empty()
    }
    let at = start + 1
    const bound = (): unknown => {
      const from = at
      const isQuoted = at < end && bytes[at] === quote
      if (isQuoted) {
        at = quotedEnd(bytes, from, end, true)
        if (at < 0) fail(from - start, 'a quote is never closed')
      } else while (at < end && stops[bytes[at]!] === 0) at++
      if (from === at) return null
      try {
        return isQuoted ? readQuoted(bytes, from, at++, readBound) : readBound(bytes, from, at)
      } catch (cause) {
        throw outside(cause, 'a bound of a range', (isQuoted ? from + 1 : from) - start)
      }
    }
    const lower = bound()
    const hasLower = at > start + 1
    if (at >= end || bytes[at] !== comma) fail(at - start, 'a comma was expected')
    const afterComma = ++at
    const upper = bound()
    const hasUpper = at > afterComma
    const last = at < end ? bytes[at] : undefined
    if (last !== closeBracket && last !== closeParenthesis) fail(at - start, 'a bracket or a parenthesis was expected')
    if (at + 1 !== end) fail(at + 1 - start, 'something stands behind its last bracket')
    // a bound that is not there is exclusive: so the server prints it, whatever it was given
    const bounds = boundsOf(hasLower && first === openBracket, hasUpper && last === closeBracket)
    return new PgRange(lower, upper, bounds, sliceText(bytes, start, end))
  }
}

function startsEmpty(bytes: Uint8Array, at: number): boolean {
  return emptyText.every((byte, index) => bytes[at + index] === byte)
}

/** The index behind the range that begins at `at`; -1 where none ends before `end`. */
export function rangeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= emptyText.length && startsEmpty(bytes, at)) return at + emptyText.length
  for (let stop = at + 1; stop < end; stop++) {
    const byte = bytes[stop]
    if (byte === closeBracket || byte === closeParenthesis) return stop + 1
    if (byte === quote) {
      stop = quotedEnd(bytes, stop, end, true)
      if (stop < 0) return -1
    }
  }
  return -1
}

function boundsOf(lowerInclusive: boolean, upperInclusive: boolean): RangeBounds {
  if (lowerInclusive) return upperInclusive ? '[]' : '[)'
  return upperInclusive ? '(]' : '()'
}

function binaryReader(readBound: ReadValue, plain: Codec, isOverridden: boolean): ReadValue<PgRange> {
  const readPlain = plain.readBinary ?? readBound
  return (bytes, start, end) => {
    if (start >= end) failBinary(0, 'it is empty')
    const flag = bytes[start]!
    let at = start + 1
    let plainBound: unknown = null
    const bound = (): unknown => {
      const length = at + 4 > end ? -1 : int32At(bytes, at)
      if (length < 0 || length > end - at - 4) failBinary(at - start, `a bound says that it is ${length} bytes long`)
      const from = at + 4
      at = from + length
      try {
        plainBound = readPlain(bytes, from, at)
        return isOverridden ? readBound(bytes, from, at) : plainBound
      } catch (cause) {
        throw outside(cause, 'a bound of a binary range', from - start)
      }
    }
    const isEmpty = (flag & flags.empty) !== 0
    const hasLower = !isEmpty && (flag & flags.lowerInfinite) === 0
    const lower = hasLower ? bound() : null
    const lowerText = hasLower ? textOfSent('a bound', plain, plainBound, 0) : null
    const hasUpper = !isEmpty && (flag & flags.upperInfinite) === 0
    const upper = hasUpper ? bound() : null
    const upperText = hasUpper ? textOfSent('a bound', plain, plainBound, 0) : null
    if (at !== end) failBinary(at - start, 'bytes stand behind its last bound')
    if (isEmpty) return PgRange.empty()
    // a bound that is not there is exclusive, as in the text
    const bounds = boundsOf(
      hasLower && (flag & flags.lowerInclusive) !== 0,
      hasUpper && (flag & flags.upperInclusive) !== 0,
    )
    return new PgRange(lower, upper, bounds, rangeText(lowerText, upperText, bounds))
  }
}

function encodeBinary({ lower, upper, bounds }: PgRange, encodeBound: (value: unknown) => Uint8Array): Uint8Array {
  if (bounds === 'empty') return Uint8Array.of(flags.empty)
  let flag = 0
  if (lower === null) flag |= flags.lowerInfinite
  else if (bounds.startsWith('[')) flag |= flags.lowerInclusive
  if (upper === null) flag |= flags.upperInfinite
  else if (bounds.endsWith(']')) flag |= flags.upperInclusive
  const writer = new Writer().uint8(flag)
  for (const bound of [lower, upper]) {
    if (bound === null) continue
    const bytes = encodeBound(bound)
    writer.int32(bytes.length).bytes(bytes)
  }
  return writer.finish()
}

function checkRange(value: unknown): PgRange {
  if (!(value instanceof PgRange)) throw new TypeError(`a range's value is a PgRange, not ${typeof value}`)
  return value
}

function fail(offset: number, why: string): never {
  throw new ProtocolError('a range could not be read', why, offset)
}

function failBinary(offset: number, why: string): never {
  throw new ProtocolError('a binary range could not be read', why, offset)
}
