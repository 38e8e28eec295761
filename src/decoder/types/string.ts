import { type SliceText, sliceUtf8 } from '../text.ts'

const unsendable = /[\0\p{Surrogate}]/u

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
 * is the one value which cannot be written there.)
 *
 * @see https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/char.c charout
 */
export const readChar: SliceText = (bytes, start, end) => {
  const byte = bytes[start]
  if (end - start === 1 && byte !== undefined && byte > 0x7f) return `\\${byte.toString(8)}`
  return sliceUtf8(bytes, start, end)
}
