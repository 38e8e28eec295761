import { ProtocolError } from '../../protocol/messages/errors.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * Text: any characters. Binary: a version byte, which is 1, and the text.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonb.c jsonb_send
 */

const encoder = new TextEncoder()
const version = 1

/** A string: jsonb and jsonpath, and ltree of the extension of that name. */
export function versionedTextCodec(type: string): Codec<string> {
  return { ...makeVersioned(type, sliceUtf8), strict: makeVersioned(type, sliceUtf8Strictly) }
}

function makeVersioned(type: string, sliceText: SliceText): Codec<string> {
  return {
    readText: sliceText,
    readBinary: (bytes, start, end) => {
      if (start >= end || bytes[start] !== version) {
        throw new ProtocolError(`a binary ${type} could not be read`, `its version is not ${version}`, 0)
      }
      return sliceText(bytes, start + 1, end)
    },
    encodeText: writeString,
    encodeBinary: (value) => {
      const text = encoder.encode(writeString(value))
      const bytes = new Uint8Array(text.length + 1)
      bytes[0] = version
      bytes.set(text, 1)
      return bytes
    },
    binaryExact: true,
  }
}
