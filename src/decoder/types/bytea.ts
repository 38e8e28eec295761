import { ProtocolError } from '../../protocol/messages/errors.ts'
import type { Codec } from './codec.ts'
import { hexText } from './hex.ts'

/*
 * bytea_output = hex: \x and two hexadecimal digits a byte. bytea_output = escape: printable ASCII as itself, a backslash
 * as two, every other byte as a backslash and three octal digits; a first byte `\` is there always `\\`, so that no
 * escape text begins with \x. Binary: the bytes. https://www.postgresql.org/docs/current/datatype-binary.html
 */

const backslash = 0x5c
const x = 0x78
const zero = 0x30

const bad = 0xff
const nibbles = new Uint8Array(256).fill(bad)
for (let digit = 0; digit < 16; digit++) {
  nibbles[digit.toString(16).charCodeAt(0)] = digit
  nibbles[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** bytea: a Uint8Array. */
export const byteaCodec: Codec<Uint8Array> = {
  readText: readBytea,
  // not slice: of the arrays that Node's sockets give that would be a view
  readBinary: (bytes, start, end) => new Uint8Array(bytes.subarray(start, end)),
  encodeText: writeBytea,
  encodeBinary: (value) => new Uint8Array(check(value)),
  binaryExact: true,
}

/** Both output forms, into bytes of the caller's own. */
export function readBytea(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes[start] === backslash && bytes[start + 1] === x && end - start >= 2
    ? readHex(bytes, start, end)
    : readEscaped(bytes, start, end)
}

function readHex(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const digits = end - start - 2
  if (digits % 2 !== 0) return fail(end - start, 'it has an odd number of hexadecimal digits')
  const value = new Uint8Array(digits / 2)
  for (let at = start + 2, to = 0; at < end; at += 2, to++) {
    const high = nibbles[bytes[at]!]!
    const low = nibbles[bytes[at + 1]!]!
    if (high === bad || low === bad) return fail(at - start, 'a hexadecimal digit was expected')
    value[to] = (high << 4) | low
  }
  return value
}

function readEscaped(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let length = end - start
  for (let at = start; at < end; at++) {
    if (bytes[at] !== backslash) continue
    const skipped = bytes[at + 1] === backslash ? 1 : 3
    at += skipped
    length -= skipped
    if (at >= end) return fail(end - start, 'it ends inside an escape')
  }
  const value = new Uint8Array(length)
  for (let at = start, to = 0; at < end; to++) {
    const byte = bytes[at]!
    if (byte !== backslash) {
      value[to] = byte
      at++
    } else if (bytes[at + 1] === backslash) {
      value[to] = backslash
      at += 2
    } else {
      const first = bytes[at + 1]! - zero
      const second = bytes[at + 2]! - zero
      const third = bytes[at + 3]! - zero
      if (!(first >= 0 && first <= 3 && second >= 0 && second <= 7 && third >= 0 && third <= 7)) {
        return fail(at - start, 'a backslash is followed by neither a backslash nor three octal digits')
      }
      value[to] = (first << 6) | (second << 3) | third
      at += 4
    }
  }
  return value
}

function fail(offset: number, why: string): never {
  throw new ProtocolError('a bytea could not be read', why, offset)
}

/** The hexadecimal form, which every server reads whatever its bytea_output says. */
export function writeBytea(value: unknown): string {
  const bytes = check(value)
  return `\\x${hexText(bytes, 0, bytes.length)}`
}

function check(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`a bytea is a Uint8Array, not ${typeof value}`)
  return value
}
