import { ProtocolError } from '../../protocol/messages/errors.ts'
import type { Codec } from './codec.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: `t` or `f`. Binary: one byte, 1 or 0.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/bool.c
 */

const t = 0x74
const f = 0x66

/** bool: a boolean. */
export const boolCodec: Codec<boolean> = {
  readText: readBool,
  readBinary,
  encodeText: writeBool,
  encodeBinary: (value) => Uint8Array.of(check(value) ? 1 : 0),
  binaryExact: true,
}

/** `t` or `f`. */
export function readBool(bytes: Uint8Array, start: number, end: number): boolean {
  const byte = bytes[start]
  if (end - start !== 1 || (byte !== t && byte !== f)) {
    throw new ProtocolError('a bool could not be read', 'it is neither t nor f', 0)
  }
  return byte === t
}

function readBinary(bytes: Uint8Array, start: number, end: number): boolean {
  checkLength(start, end, 1, 'bool')
  return bytes[start] !== 0
}

/** What {@link readBool} reads. */
export function writeBool(value: unknown): string {
  return check(value) ? 't' : 'f'
}

function check(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`a bool is a boolean, not ${typeof value}`)
  return value
}
