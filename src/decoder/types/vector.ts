import { int16At, int32At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { int2Codec, oidCodec } from './integer.ts'
import { writeString } from './string.ts'

/*
 * int2vector and oidvector. Text: numbers with a space between. Binary: an array of one dimension from 0 on.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/int.c int2vectorsend
 */

/** Int32 dimensions, Int32 whether NULLs are in it, Int32 OID of the element; Int32 length, Int32 lower bound. */
const headerBytes = 20

/** int2vector: a string. */
export const int2vectorCodec: Codec<string> = makeCodec('int2vector', 21, 2, int16At, int2Codec)

/** oidvector: a string. */
export const oidvectorCodec: Codec<string> = makeCodec('oidvector', 26, 4, uint32At, oidCodec)

function makeCodec(
  type: string,
  elementOid: number,
  elementBytes: number,
  elementAt: (bytes: Uint8Array, at: number) => number,
  element: Codec<number>,
): Codec<string> {
  const step = 4 + elementBytes
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      const fits =
        end - start >= headerBytes &&
        int32At(bytes, start) === 1 &&
        uint32At(bytes, start + 8) === elementOid &&
        end - start === headerBytes + step * uint32At(bytes, start + 12)
      if (!fits) throw new ProtocolError(`a binary ${type} could not be read`, 'its header does not fit it', 0)
      let text = ''
      for (let at = start + headerBytes; at < end; at += step) {
        if (int32At(bytes, at) !== elementBytes) {
          throw new ProtocolError(
            `a binary ${type} could not be read`,
            `an element is not ${elementBytes} bytes`,
            at - start,
          )
        }
        text += `${at === start + headerBytes ? '' : ' '}${elementAt(bytes, at + 4)}`
      }
      return text
    },
    encodeText: writeString,
    encodeBinary: (value) => {
      const text = writeString(value)
      if (!/^(-?\d+( -?\d+)*)?$/.test(text)) throw new TypeError(`'${text}' is no ${type}`)
      const elements = text === '' ? [] : text.split(' ')
      const writer = new Writer().int32(1).int32(0).uint32(elementOid).int32(elements.length).int32(0)
      for (const number of elements) {
        const written = element.encodeBinary?.(Number(number)) ?? new Uint8Array()
        writer.int32(written.length).bytes(written)
      }
      return writer.finish()
    },
    binaryExact: true,
  }
}
