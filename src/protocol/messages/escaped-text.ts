const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes for people to read: UTF-8 as it is, and each byte that belongs to none as `\\xHH`. */
export function escapedText(bytes: Uint8Array): string {
  const whole = decoded(bytes)
  if (whole !== undefined) return whole
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at]!)
    const character = decoded(bytes.subarray(at, at + length))
    text += character ?? `\\x${bytes[at]!.toString(16)}`
    at += character === undefined ? 1 : length
  }
  return text
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** How many bytes a character takes that begins with this one. */
function sequenceLength(byte: number): number {
  if (byte < 0xc0) return 1
  if (byte < 0xe0) return 2
  return byte < 0xf0 ? 3 : 4
}
