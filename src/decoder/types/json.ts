import { ProtocolError } from '../../protocol/errors.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { textCodec, writeString } from './string.ts'

/*
 * json, jsonb, jsonpath: strings of text. Binary: json as its text; jsonb and jsonpath as a version, which is 1, and
 * their text. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonb.c jsonb_send
 */

const encoder = new TextEncoder()
const version = 1

/** json: the text as it was written. */
export const jsonCodec: Codec<string> = { ...textCodec }

/** jsonb: the text that the server prints. */
export const jsonbCodec: Codec<string> = versionedText('jsonb')

/** jsonpath: the text that the server prints. */
export const jsonpathCodec: Codec<string> = versionedText('jsonpath')

/** A string whose binary form is a version byte and the text. */
export function versionedText(type: string): Codec<string> {
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
