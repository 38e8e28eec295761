import { ProtocolError } from '../../protocol/errors.ts'
import { PgArray } from './pg-array.ts'
import type { ReadValue } from './registry.ts'

/*
 * The text of an array, as array_out writes it: [lower:upper] for each dimension and = where any lower bound is not 1;
 * then braces for each dimension, elements apart by the type's delimiter. An element is in quotes when it is empty, is
 * NULL in any case, or holds a brace, a quote, a backslash, white space or the delimiter; in quotes, a backslash goes
 * before a quote or backslash. NULL without quotes is NULL.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */

const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const equals = 0x3d
const minus = 0x2d
const zero = 0x30

/** MAXDIM in the server's src/include/utils/array.h. */
const maxDimensions = 6

/** What ends an element without quotes, or may not stand in one. */
function stopsAt(delimiter: number): Uint8Array {
  const stops = new Uint8Array(256)
  for (const byte of [openBrace, closeBrace, quote, backslash, delimiter, 0x20, 9, 10, 11, 12, 13]) stops[byte] = 1
  return stops
}

/**
 * Makes the reader of an array type: nested lists with null, a {@link PgArray} where lower bounds are not all 1.
 *
 * @param delimiter `pg_type.typdelim` of the element's type
 * @param elementIsArray the element reads as an array itself (a domain over one): then an array of several dimensions
 *   is always a PgArray, whose number of lower bounds says which levels are its own
 */
export function arrayReader(readElement: ReadValue, delimiter: string, elementIsArray: boolean): ReadValue {
  const delimiterByte = delimiter.charCodeAt(0)
  const stops = stopsAt(delimiterByte)

  return (bytes, start, end) => {
    const fail = (at: number, why: string): never => {
      throw new ProtocolError('an array could not be read', why, at - start)
    }
    const bounds = bytes[start] === openBracket ? new Bounds(bytes, start, end) : undefined
    let at = bounds === undefined ? start : bounds.end
    if (at >= end || bytes[at] !== openBrace) fail(at, 'an opening brace was expected')
    at++
    const outermost: unknown[] = []
    if (bounds === undefined && end - at === 1 && bytes[at] === closeBrace) return outermost

    let level = outermost
    let depth = 1
    let elementDepth = 0
    const outer: unknown[][] = []
    const lengths: number[] = []
    for (;;) {
      const byte = at < end ? bytes[at]! : -1
      if (byte === openBrace) {
        if (depth === elementDepth) fail(at, 'a list stands among elements')
        if (depth === maxDimensions) fail(at, `an array has at most ${maxDimensions} dimensions`)
        const inner: unknown[] = []
        level.push(inner)
        outer.push(level)
        level = inner
        depth++
        at++
        continue
      }
      if (elementDepth === 0) elementDepth = depth
      else if (depth !== elementDepth) fail(at, 'an element stands among lists')
      if (byte === quote) {
        let stop = at + 1
        let escapes = 0
        while (stop < end && bytes[stop] !== quote) {
          if (bytes[stop] === backslash) {
            escapes++
            stop++
          }
          stop++
        }
        if (stop >= end) fail(at, 'a quote is never closed')
        level.push(
          escapes === 0
            ? readElement(bytes, at + 1, stop)
            : readUnescaped(bytes, at + 1, stop, stop - at - 1 - escapes, readElement),
        )
        at = stop + 1
      } else {
        let stop = at
        while (stop < end && stops[bytes[stop]!] === 0) stop++
        if (stop === at) fail(at, 'an element was expected')
        level.push(stop - at === 4 && isNull(bytes, at) ? null : readElement(bytes, at, stop))
        at = stop
      }
      for (;;) {
        const next = at < end ? bytes[at]! : -1
        if (next !== delimiterByte && next !== closeBrace) fail(at, 'a delimiter or a closing brace was expected')
        at++
        if (next === delimiterByte) break
        const length = (lengths[depth - 1] ??= level.length)
        if (level.length !== length) fail(at - 1, `lists of ${length} and of ${level.length} stand side by side`)
        depth--
        if (depth === 0) {
          if (at !== end) fail(at, 'something stands behind the last brace')
          bounds?.check(lengths)
          const levelsAreClear = !elementIsArray || lengths.length === 1
          if (levelsAreClear && (bounds === undefined || bounds.areAllOne)) return outermost
          return new PgArray(outermost, bounds?.lower ?? lengths.map(() => 1), delimiter)
        }
        level = outer.pop()!
      }
    }
  }
}

function isNull(bytes: Uint8Array, at: number): boolean {
  return (
    (bytes[at]! | 0x20) === 0x6e &&
    (bytes[at + 1]! | 0x20) === 0x75 &&
    (bytes[at + 2]! | 0x20) === 0x6c &&
    (bytes[at + 3]! | 0x20) === 0x6c
  )
}

const keptScratchBytes = 1 << 16
let scratch: Uint8Array | undefined

/** Reads an element out of a copy of its text without the backslashes. */
function readUnescaped(bytes: Uint8Array, start: number, end: number, length: number, read: ReadValue): unknown {
  let plain = scratch
  // taken while in use: the element may be an array with escapes of its own
  scratch = undefined
  if (plain === undefined || plain.length < length) plain = new Uint8Array(Math.max(length, 256))
  for (let at = start, to = 0; at < end; at++, to++) {
    const byte = bytes[at]!
    plain[to] = byte === backslash ? bytes[++at]! : byte
  }
  const value = read(plain, 0, length)
  if (plain.length <= keptScratchBytes) scratch = plain
  return value
}

/** `[lower:upper]` for each dimension, and `=`. */
class Bounds {
  readonly lower: number[] = []
  readonly #upper: number[] = []
  /** Index after the `=`. */
  readonly end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    let at = start
    const fail = (why: string): never => {
      throw new ProtocolError('an array could not be read', why, at - start)
    }
    const number = (closedBy: number): number => {
      const negative = bytes[at] === minus
      if (negative) at++
      let value = 0
      const first = at
      for (; at < end && bytes[at] !== closedBy; at++) {
        const digit = bytes[at]! - zero
        if (digit < 0 || digit > 9 || at - first === 10) fail('a bound is not a number')
        value = value * 10 + digit
      }
      if (at >= end || at === first) fail('a bound is missing')
      at++
      return negative ? 0 - value : value
    }
    while (at < end && bytes[at] === openBracket) {
      if (this.lower.length === maxDimensions) fail(`an array has at most ${maxDimensions} dimensions`)
      at++
      this.lower.push(number(colon))
      this.#upper.push(number(closeBracket))
    }
    if (at >= end || bytes[at] !== equals) fail('an equals sign was expected behind the bounds')
    this.end = at + 1
  }

  get areAllOne(): boolean {
    return this.lower.every((bound) => bound === 1)
  }

  /** @throws {ProtocolError} when these are not the bounds of an array whose dimensions are so long. */
  check(lengths: readonly number[]): void {
    const fits =
      lengths.length === this.lower.length &&
      lengths.every((length, index) => this.#upper[index]! - this.lower[index]! + 1 === length)
    if (!fits) throw new ProtocolError('an array could not be read', 'its bounds do not fit its elements', 0)
  }
}
