import { ProtocolError } from '../../protocol/messages/errors.ts'

/*
 * Numbers of binary values, in network order. A value's reader checks the length first: these do not.
 * https://www.postgresql.org/docs/current/protocol-message-types.html
 */

/** A signed 16-bit integer. */
export function int16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16)) >> 16
}

/** An unsigned 16-bit integer. */
export function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** A signed 32-bit integer. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** An unsigned 32-bit integer. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) >>> 0
}

const quad = new BigInt64Array(1)
const unsignedQuad = new BigUint64Array(quad.buffer)
const double = new Float64Array(quad.buffer)
const single = new Float32Array(quad.buffer, 0, 1)
const halves = new Int32Array(quad.buffer)
quad[0] = 1n
const littleEndian = halves[0] === 1
const lowHalf = littleEndian ? 0 : 1
const highHalf = 1 - lowHalf

/** A signed 64-bit integer. Through a shared array, which is the cheapest way to a bigint. */
export function int64At(bytes: Uint8Array, at: number): bigint {
  halves[highHalf] = int32At(bytes, at)
  halves[lowHalf] = int32At(bytes, at + 4)
  return quad[0]!
}

/** An unsigned 64-bit integer. */
export function uint64At(bytes: Uint8Array, at: number): bigint {
  halves[highHalf] = int32At(bytes, at)
  halves[lowHalf] = int32At(bytes, at + 4)
  return unsignedQuad[0]!
}

/** An IEEE 754 number of 64 bits. */
export function float64At(bytes: Uint8Array, at: number): number {
  halves[highHalf] = int32At(bytes, at)
  halves[lowHalf] = int32At(bytes, at + 4)
  return double[0]!
}

/** An IEEE 754 number of 32 bits. */
export function float32At(bytes: Uint8Array, at: number): number {
  halves[0] = int32At(bytes, at)
  return single[0]!
}

/** Two halves as a signed 64-bit integer. */
export function int64Of(high: number, low: number): bigint {
  halves[highHalf] = high
  halves[lowHalf] = low
  return quad[0]!
}

/** @throws {ProtocolError} when a value of `type` that takes `expected` bytes takes another number of them. */
export function checkLength(start: number, end: number, expected: number, type: string): void {
  if (end - start !== expected) wrongLength(end - start, expected, type)
}

function wrongLength(length: number, expected: number, type: string): never {
  throw new ProtocolError(
    `a binary ${type} could not be read`,
    `it takes ${expected} bytes, ${length} came`,
    Math.min(length, expected),
  )
}
