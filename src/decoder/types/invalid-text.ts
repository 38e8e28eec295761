import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Codec, ReadValue } from './codec.ts'

/**
 * The codec, but a text that is not UTF-8 is delivered as its bytes. Those of a binary form are the text's only where the
 * two are the same: every other form is not exact then.
 */
export function bytesWhereInvalid(codec: Codec): Codec {
  const readText = readTextOrBytes(codec.readText)
  const isText = codec.readBinary === codec.readText
  return {
    ...codec,
    readText,
    readBinary: isText ? readText : codec.readBinary,
    binaryExact: codec.binaryExact && isText,
  }
}

function readTextOrBytes(read: ReadValue): ReadValue {
  return (bytes, start, end) => {
    try {
      return read(bytes, start, end)
    } catch (error) {
      if (error instanceof WalwireError && error.code === 'invalid_text')
        return new Uint8Array(bytes.subarray(start, end))
      throw error
    }
  }
}
