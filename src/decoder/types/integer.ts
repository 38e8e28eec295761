import { ProtocolError } from '../../protocol/errors.ts'

const minus = 0x2d
const zero = 0x30

/** int2, int4, oid: an optional minus and up to ten digits. */
export function readInteger(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === minus
  const first = negative ? start + 1 : start
  if (end <= first || end - first > 10) return failInteger(end - start)
  let value = 0
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return failInteger(at - start)
    value = value * 10 + digit
  }
  // not -value: of "-0" that would make a negative zero
  return negative ? 0 - value : value
}

/** What {@link readInteger} reads. */
export function writeInteger(value: unknown): string {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return `${value}`
  throw new TypeError(`an integer is a whole number, not ${typeof value === 'number' ? value : typeof value}`)
}

/** int8: a bigint, since a number is exact only up to 2^53. */
export function readInt8(bytes: Uint8Array, start: number, end: number): bigint {
  const negative = bytes[start] === minus
  const first = negative ? start + 1 : start
  if (end <= first || end - first > 19) return failInteger(end - start)
  let high = 0
  let low = 0
  const middle = end - 9 > first ? end - 9 : first
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return failInteger(at - start)
    if (at < middle) high = high * 10 + digit
    else low = low * 10 + digit
  }
  const value = high === 0 ? BigInt(low) : BigInt(high) * 1_000_000_000n + BigInt(low)
  return negative ? -value : value
}

/** What {@link readInt8} reads. */
export const writeInt8 = writeInteger

function failInteger(offset: number): never {
  throw new ProtocolError(
    'an integer could not be read',
    'it is not a minus and decimal digits within its range',
    offset,
  )
}
