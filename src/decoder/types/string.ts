import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { checkLength } from './value-length.ts'

/*
 * Types whose value is the server's text itself. Binary: the same text, where there is a binary form.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/varlena.c textsend
 */

const encoder = new TextEncoder()
const unsendable = /[\0\p{Surrogate}]/u

function makeText(sliceText: SliceText): Codec<string> {
  return {
    readText: sliceText,
    readBinary: sliceText,
    encodeText: writeString,
    encodeBinary: (value) => encoder.encode(writeString(value)),
    binaryExact: true,
  }
}

/** A string of any characters, whose binary form is its text. */
export const textCodec: Codec<string> = { ...makeText(sliceUtf8), strict: makeText(sliceUtf8Strictly) }

/** A string of any characters that is known as text alone: its binary form is none, or says too little. */
export const textOnlyCodec: Codec<string> = withoutBinary({
  ...textCodec,
  strict: withoutBinary(makeText(sliceUtf8Strictly)),
})

function withoutBinary(codec: Codec<string>): Codec<string> {
  return { ...codec, readBinary: undefined, encodeBinary: undefined, binaryExact: false }
}

/** The types that are strings: the text itself. */
export function writeString(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`this type's value is a string, not ${typeof value}`)
  if (unsendable.test(value)) {
    throw new TypeError('a Postgres string holds neither U+0000 nor one half of a surrogate pair')
  }
  return value
}

/**
 * "char": one byte, or nothing. PostgreSQL 14 sends a byte above 127 as it is, which is not UTF-8; later ones print it
 * as a backslash and three octal digits, and so does this for both. (PostgreSQL 14 does not read that form, so that it
 * is the one value which cannot be written there as text.) Binary: the byte, 0 for nothing.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/char.c charout
 */
export const charCodec: Codec<string> = {
  readText: readChar,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 1, '"char"')
    return bytes[start] === 0 ? '' : readChar(bytes, start, end)
  },
  encodeText: writeString,
  encodeBinary: (value) => Uint8Array.of(charByte(writeString(value))),
  binaryExact: true,
}

function readChar(bytes: Uint8Array, start: number, end: number): string {
  const byte = bytes[start]
  if (end - start === 1 && byte !== undefined && byte > 0x7f) return `\\${byte.toString(8)}`
  return sliceUtf8(bytes, start, end)
}

function charByte(text: string): number {
  if (/^\\[0-3][0-7]{2}$/.test(text)) return Number.parseInt(text.slice(1), 8)
  if (text === '') return 0
  if (text.length === 1 && text < '\u0080') return text.charCodeAt(0)
  throw new TypeError('a "char" is one ASCII character, nothing, or a backslash and three octal digits')
}
