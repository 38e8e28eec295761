import type { ReadValue } from '../../../src/decoder/types/registry.ts'

/** Reads a value as a row reader does: between bytes that belong to others, and which are overwritten afterwards. */
export function readInPlace<T>(
  read: (bytes: Uint8Array, start: number, end: number) => T,
  text: string | Uint8Array,
): T {
  const value = typeof text === 'string' ? new TextEncoder().encode(text) : text
  const bytes = new Uint8Array(value.length + 20).fill(0x37)
  bytes.set(value, 7)
  try {
    return read(bytes, 7, 7 + value.length)
  } finally {
    bytes.fill(0x2a)
  }
}

/** The error that a reader throws, or undefined. */
export function failureOf(read: ReadValue, text: string | Uint8Array): unknown {
  try {
    readInPlace(read, text)
    return undefined
  } catch (error) {
    return error
  }
}
