import { WalwireError } from '../../protocol/messages/errors.ts'
import { sliceAscii, surelyShortEnough } from '../text.ts'

/** Two hexadecimal digits for each byte. */
export const hexPairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** Up to so many bytes their digits are put together pair by pair, which for few of them is the fastest. */
const fewBytes = 32
/** So many bytes become one text at a time: each pair on its own would take forty times its memory. */
const pieceBytes = 1 << 15

/**
 * Bytes in hexadecimal digits, `separator` between every two of them.
 *
 * @throws {WalwireError} `value_too_long` when a JavaScript string cannot be so long (512 MiB in V8)
 */
export function hexText(bytes: Uint8Array, start: number, end: number, separator = ''): string {
  let text = ''
  if (separator !== '' || end - start <= fewBytes) {
    for (let at = start; at < end; at++) {
      if (at > start) text += separator
      text += hexPairs[bytes[at]!]
    }
    return text
  }
  if (!fits(2 * (end - start))) throw tooLong(end - start)
  const piece = new Uint8Array(2 * Math.min(pieceBytes, end - start))
  for (let at = start; at < end; ) {
    const pieceEnd = Math.min(end, at + pieceBytes)
    let to = 0
    for (; at < pieceEnd; at++) {
      const byte = bytes[at]!
      piece[to++] = digits[byte >> 4]!
      piece[to++] = digits[byte & 15]!
    }
    text += sliceAscii(piece, 0, to)
  }
  return text
}

/** Whether a string can be so long, which engines differ in. They make a repeated one without its characters. */
function fits(length: number): boolean {
  if (length <= surelyShortEnough) return true
  try {
    return '0'.repeat(length).length === length
  } catch {
    return false
  }
}

function tooLong(bytes: number): WalwireError {
  return new WalwireError('value_too_long', {
    what: 'bytes could not be written in hexadecimal digits',
    why: `the digits of ${bytes} bytes are more than a JavaScript string can hold`,
    hint: 'leave their column out of the publication',
  })
}

/** The bytes that an even number of hexadecimal digits says. */
export function hexBytes(digits: string): Uint8Array {
  const bytes = new Uint8Array(digits.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16)
  }
  return bytes
}
