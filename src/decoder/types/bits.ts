import { int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * Text: a 0 or 1 for each bit. Binary: Int32 number of bits, and the bits from the highest of the first byte on.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/varbit.c
 */

const zero = 0x30

/** bit and varbit: a string. */
export const bitsCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    const count = end - start < 4 ? -1 : int32At(bytes, start)
    if (count < 0 || Math.ceil(count / 8) !== end - start - 4) {
      throw new ProtocolError('a binary bit string could not be read', `${end - start - 4} bytes follow`, 0)
    }
    const text = new Uint8Array(count)
    for (let bit = 0; bit < count; bit++) {
      text[bit] = zero + ((bytes[start + 4 + (bit >> 3)]! >> (7 - (bit & 7))) & 1)
    }
    return sliceAscii(text, 0, count)
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const text = writeString(value)
    if (!/^[01]*$/.test(text)) throw new TypeError('a bit string is of 0 and 1')
    const bytes = new Uint8Array(4 + Math.ceil(text.length / 8))
    new DataView(bytes.buffer).setInt32(0, text.length)
    for (let bit = 0; bit < text.length; bit++) {
      if (text[bit] === '1') bytes[4 + (bit >> 3)]! |= 0x80 >> (bit & 7)
    }
    return bytes
  },
  binaryExact: true,
}
