import { int32At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import { dimensionsOf, writeArray } from './array-text.ts'
import type { Codec, ReadValue } from './codec.ts'
import { jsonArray, jsonValue } from './json-value.ts'
import {
  closeBrace,
  closeBracket,
  isNull,
  openBrace,
  openBracket,
  outside,
  quote,
  quotedEnd,
  readQuoted,
  stopsAt,
} from './nested-text.ts'
import { PgArray } from './pg-array.ts'

/*
 * Text, as array_out writes it: [lower:upper] for each dimension and = where any lower bound is not 1; then braces for
 * each dimension, elements apart by the type's delimiter. An element is in quotes when it is empty, is NULL in any case, or
 * holds a brace, a quote, a backslash, white space or the delimiter; in quotes, a backslash goes before a quote or
 * backslash. NULL without quotes is NULL. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 *
 * Binary, as array_send writes it: Int32 dimensions, Int32 whether NULLs are in it, Int32 OID of the element's type; for
 * each dimension Int32 length, Int32 lower bound; for each element Int32 length, -1 for NULL, and its binary form.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c
 */

/** MAXDIM in the server's src/include/utils/array.h. */
const maxDimensions = 6

/** The type of an array's elements. */
export interface ElementType {
  readonly oid: number
  readonly codec: Codec
  /** `pg_type.typdelim` */
  readonly delimiter: string
  /**
   * Its values are arrays themselves: a domain over an array, a multirange. Then an array of several dimensions is always
   * a PgArray, whose number of lower bounds says which levels are its own.
   */
  readonly isArray: boolean
}

/** An array type: nested arrays with null, a {@link PgArray} where lower bounds are not all 1. */
export function arrayCodec(element: ElementType): Codec<unknown[]> {
  const { codec } = element
  const finish = finisher(element)
  const writeJson = codec.writeJson ?? jsonValue
  const dimensionsInJson = (value: readonly unknown[]) =>
    element.isArray ? (value instanceof PgArray ? value.lowerBounds.length : 1) : maxDimensions
  return {
    readText: textReader(element, finish),
    readBinary: codec.readBinary && binaryReader(element, codec.readBinary, finish),
    encodeText: (value) => {
      const values = checkArray(value)
      return writeArray(
        values,
        lowerBoundsOf(values),
        ownDimensions(values, element),
        element.delimiter,
        codec.encodeText,
      )
    },
    encodeBinary: codec.encodeBinary && binaryWriter(element, codec.encodeBinary),
    binaryExact: codec.binaryExact,
    writeJson: (value) =>
      Array.isArray(value) ? jsonArray(value, writeJson, dimensionsInJson(value)) : jsonValue(value),
  }
}

type Finish = (values: unknown[], lengths: readonly number[], lowerBounds: readonly number[] | undefined) => unknown[]

/** Elements become an array or a PgArray; `lowerBounds` is undefined where all are 1. */
function finisher({ codec, delimiter, isArray }: ElementType): Finish {
  // what an override made of an element is written by what it is
  const writeElement = codec.plain === undefined ? codec.encodeText : undefined
  return (values, lengths, lowerBounds) => {
    const levelsAreClear = !isArray || lengths.length <= 1
    if (levelsAreClear && lowerBounds === undefined) return values
    return new PgArray(values, lowerBounds ?? lengths.map(() => 1), delimiter, writeElement)
  }
}

function textReader({ codec, delimiter }: ElementType, finish: Finish): ReadValue<unknown[]> {
  const readElement = codec.readText
  const delimiterByte = delimiter.charCodeAt(0)
  const stops = stopsAt(openBrace, closeBrace, delimiterByte)

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
        const stop = quotedEnd(bytes, at, end, false)
        if (stop < 0) fail(at, 'a quote is never closed')
        try {
          level.push(readQuoted(bytes, at, stop, readElement))
        } catch (cause) {
          throw outside(cause, 'an element of an array', at + 1 - start)
        }
        at = stop + 1
      } else {
        let stop = at
        while (stop < end && stops[bytes[stop]!] === 0) stop++
        if (stop === at) fail(at, 'an element was expected')
        try {
          level.push(stop - at === 4 && isNull(bytes, at) ? null : readElement(bytes, at, stop))
        } catch (cause) {
          throw outside(cause, 'an element of an array', at - start)
        }
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
          return finish(outermost, lengths, bounds?.areAllOne === false ? bounds.lower : undefined)
        }
        level = outer.pop()!
      }
    }
  }
}

const colon = 0x3a
const equals = 0x3d
const minus = 0x2d
const zero = 0x30

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

/** Int32 length and no bytes: the least that an element takes. */
const leastElementBytes = 4

function binaryReader(element: ElementType, readElement: ReadValue, finish: Finish): ReadValue<unknown[]> {
  return (bytes, start, end) => {
    const fail = (at: number, why: string): never => {
      throw new ProtocolError('a binary array could not be read', why, at - start)
    }
    if (end - start < 12) fail(end, 'its header is missing')
    const dimensions = int32At(bytes, start)
    if (dimensions < 0 || dimensions > maxDimensions) fail(start, `it says ${dimensions} dimensions`)
    const elementOid = uint32At(bytes, start + 8)
    if (elementOid !== element.oid) fail(start + 8, `its elements are of type ${elementOid}, not ${element.oid}`)
    let at = start + 12 + 8 * dimensions
    if (at > end) fail(end, 'its dimensions are missing')
    const lengths: number[] = []
    const lowerBounds: number[] = []
    // checked dimension by dimension, so that no product is taken for less than it is
    let count = 1
    for (let header = start + 12; header < at; header += 8) {
      const length = int32At(bytes, header)
      count *= length
      if (length < 0 || count * leastElementBytes > end - at) fail(header, `a dimension has ${length} elements`)
      lengths.push(length)
      lowerBounds.push(int32At(bytes, header + 4))
    }
    const readLevel = (depth: number): unknown[] => {
      const level: unknown[] = []
      for (let index = 0; index < lengths[depth]!; index++) {
        if (depth < dimensions - 1) {
          level.push(readLevel(depth + 1))
          continue
        }
        if (at + 4 > end) fail(at, 'an element is missing')
        const length = int32At(bytes, at)
        at += 4
        if (length < -1 || length > end - at) fail(at - 4, `an element says that it is ${length} bytes long`)
        if (length < 0) {
          level.push(null)
          continue
        }
        try {
          level.push(readElement(bytes, at, at + length))
        } catch (cause) {
          throw outside(cause, 'an element of a binary array', at - start)
        }
        at += length
      }
      return level
    }
    const values = dimensions === 0 || count === 0 ? [] : readLevel(0)
    if (at !== end) fail(at, 'bytes stand behind its last element')
    if (values.length === 0) return values
    return finish(values, lengths, lowerBounds.every((bound) => bound === 1) ? undefined : lowerBounds)
  }
}

function binaryWriter(element: ElementType, encodeElement: (value: unknown) => Uint8Array) {
  return (value: unknown): Uint8Array => {
    const values = checkArray(value)
    const lowerBounds = lowerBoundsOf(values)
    const dimensions = ownDimensions(values, element)
    const writer = new Writer()
    if (values.length === 0) return writer.int32(0).int32(0).uint32(element.oid).finish()
    const lengths: number[] = []
    for (let level: unknown = values; lengths.length < dimensions && Array.isArray(level); level = level[0]) {
      lengths.push(level.length)
    }
    const elements = new Writer()
    let hasNulls = 0
    const writeLevel = (level: unknown, depth: number): void => {
      if (!Array.isArray(level) || level.length !== lengths[depth]) {
        throw new TypeError('the lists of an array that stand side by side are of different lengths')
      }
      for (const inner of level) {
        if (depth < lengths.length - 1) writeLevel(inner, depth + 1)
        else if (inner === null || inner === undefined) {
          hasNulls = 1
          elements.int32(-1)
        } else {
          const bytes = encodeElement(inner)
          elements.int32(bytes.length).bytes(bytes)
        }
      }
    }
    writeLevel(values, 0)
    writer.int32(lengths.length).int32(hasNulls).uint32(element.oid)
    for (const [depth, length] of lengths.entries()) writer.int32(length).int32(lowerBounds[depth] ?? 1)
    return writer.bytes(elements.finish()).finish()
  }
}

function checkArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`an array's value is an array, not ${typeof value}`)
  return value
}

function lowerBoundsOf(values: readonly unknown[]): readonly number[] {
  return values instanceof PgArray ? values.lowerBounds : []
}

/** How many levels of arrays are dimensions, and not elements that are arrays themselves. */
function ownDimensions(values: readonly unknown[], { isArray }: ElementType): number {
  const { length } = lowerBoundsOf(values)
  return length > 0 ? length : isArray ? 1 : dimensionsOf(values)
}
