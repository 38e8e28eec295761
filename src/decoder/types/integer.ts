import { int16At, int32At, int64At, int64Of, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import type { Codec } from './codec.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: an optional minus and decimal digits. Binary: two's complement in 2, 4 or 8 bytes; an oid has no sign.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/int.c, int8.c, oid.c
 */

const minus = 0x2d
const zero = 0x30

/** int2: a number. */
export const int2Codec: Codec<number> = {
  readText: readInteger,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 2, 'int2')
    return int16At(bytes, start)
  },
  encodeText: writeInteger,
  encodeBinary: (value) => bigEndian(checkRange(value, -(2n ** 15n), 2n ** 15n - 1n), 2),
  binaryExact: true,
}

/** int4: a number. */
export const int4Codec: Codec<number> = {
  readText: readInteger,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 4, 'int4')
    return int32At(bytes, start)
  },
  encodeText: writeInteger,
  encodeBinary: (value) => bigEndian(checkRange(value, -(2n ** 31n), 2n ** 31n - 1n), 4),
  binaryExact: true,
}

/** oid: a number, never negative. */
export const oidCodec: Codec<number> = {
  readText: readInteger,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 4, 'oid')
    return uint32At(bytes, start)
  },
  encodeText: writeInteger,
  encodeBinary: (value) => bigEndian(checkRange(value, 0n, 2n ** 32n - 1n), 4),
  binaryExact: true,
}

/** int8: a bigint, since a number is exact only up to 2^53. */
export const int8Codec: Codec<bigint> = {
  readText: readInt8,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 8, 'int8')
    return int64At(bytes, start)
  },
  encodeText: writeInteger,
  encodeBinary: (value) => bigEndian(checkRange(value, -(2n ** 63n), 2n ** 63n - 1n), 8),
  binaryExact: true,
}

/** int2, int4, oid: an optional minus and up to ten digits. */
export function readInteger(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === minus
  const first = negative ? start + 1 : start
  if (end <= first || end - first > 10) return fail(end - start)
  let value = 0
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return fail(at - start)
    value = value * 10 + digit
  }
  // not -value: of "-0" that would make a negative zero
  return negative ? 0 - value : value
}

/** What {@link readInteger} and {@link readInt8} read. */
export function writeInteger(value: unknown): string {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return `${value}`
  throw new TypeError(`an integer is a whole number, not ${typeof value === 'number' ? value : typeof value}`)
}

/**
 * int8: up to 15 digits go through a number and a shared array, which is cheaper than BigInt(number); more through two
 * numbers and arithmetic that the compiler knows to fit 64 bits.
 */
export function readInt8(bytes: Uint8Array, start: number, end: number): bigint {
  const negative = bytes[start] === minus
  let at = negative ? start + 1 : start
  const digits = end - at
  if (digits < 1 || digits > 19) return fail(end - start)
  const middle = digits <= 15 ? end : end - 9
  let high = 0
  for (; at < middle; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return fail(at - start)
    high = high * 10 + digit
  }
  if (at === end) {
    if (negative) high = 0 - high
    const upper = Math.floor(high / 0x1_0000_0000)
    return int64Of(upper, high - upper * 0x1_0000_0000)
  }
  let low = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return fail(at - start)
    // nine digits fit 32 bits, and the arithmetic below is a third faster on a number that is known to
    low = (Math.imul(low, 10) + digit) | 0
  }
  // what no int8 is must not wrap around: 2^63 is 9223372036 854775808
  if (high > 9_223_372_036 || (high === 9_223_372_036 && low > (negative ? 854_775_808 : 854_775_807))) {
    return fail(digits)
  }
  return negative
    ? BigInt.asIntN(64, BigInt(-high) * 1_000_000_000n - BigInt(low))
    : BigInt.asIntN(64, BigInt(high) * 1_000_000_000n + BigInt(low))
}

function fail(offset: number): never {
  throw new ProtocolError(
    'an integer could not be read',
    'it is not a minus and decimal digits within its range',
    offset,
  )
}

function checkRange(value: unknown, least: bigint, greatest: bigint): bigint {
  const integer = BigInt(writeInteger(value))
  if (integer < least || integer > greatest) {
    throw new TypeError(`${integer} is not from ${least} to ${greatest}, as its type wants it`)
  }
  return integer
}

/** The last `length` bytes of an integer. */
export function bigEndian(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let rest = value
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}
