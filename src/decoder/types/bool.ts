import { ProtocolError } from '../../protocol/errors.ts'

const t = 0x74
const f = 0x66

/** bool: `t` or `f`. */
export function readBool(bytes: Uint8Array, start: number, end: number): boolean {
  const byte = bytes[start]
  if (end - start !== 1 || (byte !== t && byte !== f)) {
    throw new ProtocolError('a bool could not be read', 'it is neither t nor f', 0)
  }
  return byte === t
}

/** What {@link readBool} reads. */
export function writeBool(value: unknown): string {
  if (typeof value !== 'boolean') throw new TypeError(`a bool is a boolean, not ${typeof value}`)
  return value ? 't' : 'f'
}
