import { ProtocolError, WalwireError } from '../../protocol/messages/errors.ts'
import type { Codec, ReadValue } from './codec.ts'
import { replaceEach } from './replace-each.ts'

/*
 * What the texts of arrays, composites, ranges and multiranges have in common: values that stand between brackets, apart
 * by a delimiter, in double quotes where they would not be understood without. In an array's quotes a backslash stands
 * before a quote or backslash; a composite or range doubles both, and reads either.
 *
 * Nothing here recurses by itself. A reader of a nested type calls that of the type inside it, so the depth is that of the
 * type, which the registry limits; and each level of quotes doubles what escapes the one inside, so texts that are nested
 * deeply grow far beyond what a message can hold.
 */

export const quote = 0x22
export const backslash = 0x5c
export const comma = 0x2c
export const openBrace = 0x7b
export const closeBrace = 0x7d
export const openBracket = 0x5b
export const closeBracket = 0x5d
export const openParenthesis = 0x28
export const closeParenthesis = 0x29

const whiteSpace = [0x20, 9, 10, 11, 12, 13]

/** By byte: 1 for what ends a value without quotes, or may not stand in one. White space, quote and backslash never may. */
export function stopsAt(...bytes: readonly number[]): Uint8Array {
  const stops = new Uint8Array(256)
  for (const byte of [...bytes, ...whiteSpace, quote, backslash]) stops[byte] = 1
  return stops
}

/** How many bytes of the value that {@link quotedEnd} found last only escape others. */
let escapes = 0

/**
 * The closing quote of a value whose opening quote is at `at`; -1 where there is none before `end`.
 *
 * @param doubles whether a doubled quote stands for one, and does not close
 */
export function quotedEnd(bytes: Uint8Array, at: number, end: number, doubles: boolean): number {
  let stop = at + 1
  escapes = 0
  for (; stop < end; stop++) {
    const byte = bytes[stop]
    if (byte === backslash || (byte === quote && doubles && bytes[stop + 1] === quote && stop + 1 < end)) {
      escapes++
      stop++
    } else if (byte === quote) return stop
  }
  return -1
}

/** Reads the value between the quotes at `at` and at `stop`, which {@link quotedEnd} has just found. */
export function readQuoted(bytes: Uint8Array, at: number, stop: number, read: ReadValue): unknown {
  return escapes === 0 ? read(bytes, at + 1, stop) : readEscaped(bytes, at + 1, stop, stop - at - 1 - escapes, read)
}

const keptScratchBytes = 1 << 16
let scratch: Uint8Array | undefined

/** Reads a value out of a copy of its text without what only escapes. */
function readEscaped(bytes: Uint8Array, start: number, end: number, length: number, read: ReadValue): unknown {
  let plain = scratch
  // taken while in use: the value may have escapes of its own
  scratch = undefined
  if (plain === undefined || plain.length < length) plain = new Uint8Array(Math.max(length, 256))
  for (let at = start, to = 0; at < end; at++, to++) {
    const byte = bytes[at]!
    // a quote that stands here is the first of two
    plain[to] = byte === backslash || byte === quote ? bytes[++at]! : byte
  }
  const value = read(plain, 0, length)
  if (plain.length <= keptScratchBytes) scratch = plain
  return value
}

/** Whether the four bytes at `at` are NULL in any case. */
export function isNull(bytes: Uint8Array, at: number): boolean {
  return (
    (bytes[at]! | 0x20) === 0x6e &&
    (bytes[at + 1]! | 0x20) === 0x75 &&
    (bytes[at + 2]! | 0x20) === 0x6c &&
    (bytes[at + 3]! | 0x20) === 0x6c
  )
}

/**
 * What failed inside a value, told from outside: with the offset of the value that failed, counted from the beginning of
 * the value around it. Failures of the caller's overrides are left as they are.
 *
 * @param what the value around, and the one inside: `an element of an array`
 */
export function outside(cause: unknown, what: string, offset: number): unknown {
  if (!(cause instanceof ProtocolError)) return cause
  const inner = cause.why.replace(/ \(byte \d+\)$/, '')
  return new ProtocolError(`${what} could not be read`, `${cause.what}: ${inner}`, offset)
}

/**
 * The text of a value that came in binary form.
 *
 * @param what the value, for the error
 * @param offset where it stands in the value around it
 * @throws {WalwireError} `value_too_long` when a string cannot hold it
 * @throws {ProtocolError} when it has none: no server sends U+0000 in a text, but bytes can say so
 */
export function textOfSent(what: string, codec: Codec, value: unknown, offset: number): string {
  try {
    return codec.encodeText(value)
  } catch (cause) {
    if (cause instanceof RangeError || (cause instanceof WalwireError && cause.code === 'value_too_long'))
      throw tooLong(what, cause)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ProtocolError('a binary value could not be read', `${what} has no text: ${why}`, offset)
  }
}

function tooLong(what: string, cause: Error): WalwireError {
  return new WalwireError('value_too_long', {
    what: 'a binary value could not be read as text',
    why: `the text of ${what} is longer than a JavaScript string can be`,
    hint: 'leave its column out of the publication',
    cause,
  })
}

const quotedInComposites = /^$|["\\(),\t\n\v\f\r ]/
const quotedInRanges = /^$|["\\()[\],\t\n\v\f\r ]/

/** A field as the text of a composite has it. */
export function quoteField(text: string): string {
  return quotedInComposites.test(text) ? `"${replaceEach(text, /["\\]/g, '$&$&')}"` : text
}

/** A bound as the text of a range has it. */
export function quoteBound(text: string): string {
  return quotedInRanges.test(text) ? `"${replaceEach(text, /["\\]/g, '$&$&')}"` : text
}
