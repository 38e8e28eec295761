/*
 * Numbers in network order, where they lie. Who reads them has checked that the bytes are there: these do not.
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

/** {@link int32At} as source text, for readers that are compiled: a call for each would cost them more than the work. */
export function int32Source(bytes: string, at: string): string {
  return `${bytes}[${at}] << 24 | ${bytes}[${at} + 1] << 16 | ${bytes}[${at} + 2] << 8 | ${bytes}[${at} + 3]`
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

/** Two halves of 32 bits, with a sign or without, as a signed 64-bit integer. */
export function int64Of(high: number, low: number): bigint {
  halves[highHalf] = high
  halves[lowHalf] = low
  return quad[0]!
}

/** The same as an unsigned 64-bit integer. */
export function uint64Of(high: number, low: number): bigint {
  halves[highHalf] = high
  halves[lowHalf] = low
  return unsignedQuad[0]!
}

/** The upper 32 bits of an integer that 64 hold, without a sign. */
export function highHalfOf(value: bigint): number {
  quad[0] = value
  return halves[highHalf]! >>> 0
}

/** The lower 32 bits of an integer that 64 hold, without a sign. */
export function lowHalfOf(value: bigint): number {
  quad[0] = value
  return halves[lowHalf]! >>> 0
}

/** The bits of an IEEE 754 number of 32 bits as an unsigned 32-bit integer. */
export function float32Bits(value: number): number {
  single[0] = value
  return halves[0]! >>> 0
}

/** The bits of an IEEE 754 number of 64 bits as an unsigned 64-bit integer. */
export function float64Bits(value: number): bigint {
  double[0] = value
  return unsignedQuad[0]!
}
