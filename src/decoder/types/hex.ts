/** Two hexadecimal digits for each byte. */
export const hexPairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Bytes in hexadecimal digits, `separator` between every two of them. */
export function hexText(bytes: Uint8Array, start: number, end: number, separator = ''): string {
  let text = ''
  for (let at = start; at < end; at++) {
    if (at > start) text += separator
    text += hexPairs[bytes[at]!]
  }
  return text
}

/** The bytes that an even number of hexadecimal digits says. */
export function hexBytes(digits: string): Uint8Array {
  const bytes = new Uint8Array(digits.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16)
  }
  return bytes
}
