import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { hexBytes, hexText } from './hex.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: hexadecimal digits, 08:00:2b:01:02:03. Binary: 6 or 8 bytes.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/mac.c, mac8.c
 */

/** macaddr: a string. */
export const macaddrCodec: Codec<string> = makeCodec('macaddr', 6)

/** macaddr8: a string. */
export const macaddr8Codec: Codec<string> = makeCodec('macaddr8', 8)

function makeCodec(type: string, length: number): Codec<string> {
  const form = new RegExp(`^[\\da-f]{2}(:[\\da-f]{2}){${length - 1}}$`)
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      checkLength(start, end, length, type)
      return hexText(bytes, start, end, ':')
    },
    encodeText: writeString,
    encodeBinary: (value) => {
      const text = writeString(value)
      if (!form.test(text)) throw new TypeError(`'${text}' is no ${type}`)
      return hexBytes(text.replaceAll(':', ''))
    },
    binaryExact: true,
  }
}
