import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { hexBytes } from './hex.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: 32 hexadecimal digits in groups of 8, 4, 4, 4, 12. Binary: 16 bytes.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/uuid.c
 */

const hyphen = 0x2d
const digits = new TextEncoder().encode('0123456789abcdef')
const text = new Uint8Array(36)

/** uuid: a string. */
export const uuidCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 16, 'uuid')
    let to = 0
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (to === 8 || to === 13 || to === 18 || to === 23) text[to++] = hyphen
      text[to++] = digits[byte >> 4]!
      text[to++] = digits[byte & 15]!
    }
    return sliceAscii(text, 0, to)
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const written = writeString(value)
    if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(written)) throw new TypeError(`'${written}' is no uuid`)
    return hexBytes(written.replaceAll('-', ''))
  },
  binaryExact: true,
}
