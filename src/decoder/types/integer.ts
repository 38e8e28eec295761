import { ProtocolError } from '../../protocol/errors.ts'

const minus = 0x2d
const zero = 0x30

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

const quad = new BigInt64Array(1)
const halves = new Int32Array(quad.buffer)
quad[0] = 1n
const lowHalf = halves[0] === 1 ? 0 : 1
const highHalf = 1 - lowHalf

/**
 * int8: a bigint, since a number is exact only up to 2^53. Up to 15 digits go through a number and a shared
 * BigInt64Array, which is cheaper than BigInt(number); more through two numbers and arithmetic that the compiler knows
 * to fit 64 bits.
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
    halves[lowHalf] = high - upper * 0x1_0000_0000
    halves[highHalf] = upper
    return quad[0]!
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
