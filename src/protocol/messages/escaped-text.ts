const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes for people to read: UTF-8 as it is, and of anything else each byte above 127 as `\\xHH`. */
export function escapedText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return Array.from(bytes, (byte) => (byte > 0x7f ? `\\x${byte.toString(16)}` : String.fromCharCode(byte))).join('')
  }
}
