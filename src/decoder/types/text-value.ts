import type { SliceText } from '../text.ts'
import type { Codec } from './codec.ts'
import { jsonValue } from './json-value.ts'
import { textOfSent } from './nested-text.ts'
import { charCodec, writeString } from './string.ts'

/**
 * A type whose every value is the server's text, as `values: 'text'` asks for it. From binary it is what the type itself
 * writes: where that is not the server's own text, the type is not exact.
 */
export function textValueCodec(codec: Codec, sliceText: SliceText): Codec<string> {
  const { readBinary, encodeBinary, readText } = codec
  const encoder = new TextEncoder()
  return {
    // PostgreSQL 14 sends a "char" that is no text
    readText: codec === charCodec ? charCodec.readText : sliceText,
    readBinary: readBinary && ((bytes, start, end) => textOfSent('it', codec, readBinary(bytes, start, end), 0)),
    encodeText: writeString,
    encodeBinary:
      encodeBinary &&
      ((value) => {
        const text = encoder.encode(writeString(value))
        return encodeBinary(readText(text, 0, text.length))
      }),
    binaryExact: codec.binaryExact,
    writeJson: jsonValue,
  }
}
