import { float32At, float64At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { shortestFloat4, shortestFloat8 } from './shortest.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: decimal, as short as it can be to be read back right, with an exponent below 1e-4 and from 1e15 (float8) or 1e6
 * (float4) on; NaN, Infinity, -Infinity. Binary: IEEE 754, 8 or 4 bytes.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/float.c
 */

/** float8: a number. */
export const float8Codec: Codec<number> = {
  readText: readFloat,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 8, 'float8')
    return float64At(bytes, start)
  },
  encodeText: writeFloat,
  encodeBinary: (value) => float8Bytes([checkNumber(value)]),
  binaryExact: true,
}

/** float4: the number that its shortest text names, 0.1 and not 0.10000000149011612. */
export const float4Codec: Codec<number> = {
  readText: readFloat,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 4, 'float4')
    return shortestFloat4(float32At(bytes, start))
  },
  encodeText: (value) => writeDecimal(checkNumber(value), 1e6),
  encodeBinary: (value) => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, checkNumber(value))
    return bytes
  },
  binaryExact: true,
}

const minus = 0x2d
const plus = 0x2b
const zero = 0x30
/** A point's code less that of the digit 0. */
const point = -2
const e = 0x65

/** The powers of ten that a float8 holds exactly. */
const powersOf10 = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const maxPower = 22

/**
 * float4 and float8: the float8 nearest to the number that the text names, bit for bit what Number(text) gives, in a
 * third of its time for nearly all texts of up to 17 digits; Number has the rest.
 *
 * The digits without their point are high × 10^n + low, at most 9 and 8 digits. If that is below 2^53 it is exact, and
 * so is the power of ten, so that one multiplication or division rounds once, hence correctly (W. D. Clinger, "How to
 * read floating point numbers accurately", 1990). Otherwise it is a sum of two float8s, divided by {@link divideSum}.
 */
export function readFloat(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === minus
  const first = negative ? start + 1 : start
  let high = 0
  let low = 0
  let lowDigits = 0
  let pointAt = -1
  let at = first
  for (; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit >= 0 && digit <= 9) {
      if (high < 100_000_000) {
        high = high * 10 + digit
      } else {
        low = low * 10 + digit
        lowDigits++
      }
    } else if (digit === point && pointAt < 0) pointAt = at
    else break
  }
  const digits = at - first - (pointAt < 0 ? 0 : 1)
  if (digits < 1 || lowDigits > 8) return readByNumber(bytes, start, end)
  // the value is digits / 10^scale
  let scale = pointAt < 0 ? 0 : at - pointAt - 1
  if (at < end) {
    if (bytes[at] !== e) return readByNumber(bytes, start, end)
    const exponent = readExponent(bytes, at + 1, end)
    if (exponent === undefined) return readByNumber(bytes, start, end)
    scale -= exponent
  }
  if (scale > maxPower || scale < -maxPower) return readByNumber(bytes, start, end)
  const shifted = high * powersOf10[lowDigits]!
  const sum = shifted + low
  let value: number
  if (sum <= Number.MAX_SAFE_INTEGER) value = scale < 0 ? sum * powersOf10[-scale]! : sum / powersOf10[scale]!
  else {
    if (scale < 0) return readByNumber(bytes, start, end)
    // exact: shifted has at most 30 + 19 significant bits, and low is less
    value = divideSum(sum, low - (sum - shifted), powersOf10[scale]!)
    if (Number.isNaN(value)) return readByNumber(bytes, start, end)
  }
  return negative ? -value : value
}

function readExponent(bytes: Uint8Array, start: number, end: number): number | undefined {
  const sign = bytes[start]
  let at = sign === minus || sign === plus ? start + 1 : start
  if (at >= end || end - at > 3) return undefined
  let value = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return sign === minus ? -value : value
}

/** 2^27 + 1: splits a float8 into two of 26 bits (T. J. Dekker, "A floating-point technique", 1971). */
const splitter = 134_217_729

/**
 * (a + b) / divisor, correctly rounded; NaN where that is too near to halfway between two float8s to be sure. `b` is at
 * most half a unit in the last place of `a`.
 */
function divideSum(a: number, b: number, divisor: number): number {
  const quotient = a / divisor
  // product + error is quotient × divisor exactly
  const product = quotient * divisor
  const q = splitter * quotient
  const qHigh = q - (q - quotient)
  const qLow = quotient - qHigh
  const d = splitter * divisor
  const dHigh = d - (d - divisor)
  const dLow = divisor - dHigh
  const error = qHigh * dHigh - product + qHigh * dLow + qLow * dHigh + qLow * dLow
  const correction = (a - product - error + b) / divisor
  // the correction is off by less than a few 2^-53 of itself
  const doubt = correction * 2 ** -48
  const value = quotient + correction
  return quotient + (correction - doubt) === value && quotient + (correction + doubt) === value ? value : Number.NaN
}

const decimal = /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/

function readByNumber(bytes: Uint8Array, start: number, end: number): number {
  const text = sliceAscii(bytes, start, end)
  if (decimal.test(text)) return Number(text)
  if (text === 'NaN') return Number.NaN
  if (text === 'Infinity') return Number.POSITIVE_INFINITY
  if (text === '-Infinity') return Number.NEGATIVE_INFINITY
  throw new ProtocolError('a floating-point number could not be read', 'it is neither decimal, NaN nor infinite', 0)
}

/** Only between these can a decimal of 17 digits be the very middle between two float8s. */
const leastMiddle = 2 ** 53
const beyondMiddles = 1e40

/** The text of a float8. */
export function writeFloat(value: unknown): string {
  const number = checkNumber(value)
  const size = Math.abs(number)
  if (size < leastMiddle || !(size < beyondMiddles)) return writeDecimal(number, 1e15)
  // JavaScript may choose the middle, which the server does not: see shortest.ts
  const { digits, exponent } = shortestFloat8(size)
  const whole = `${digits}`
  const fraction = whole.slice(1).replace(/0+$/, '')
  const sign = number < 0 ? '-' : ''
  return `${sign}${whole[0]}${fraction === '' ? '' : `.${fraction}`}e+${whole.length - 1 + exponent}`
}

function writeDecimal(value: number, exponentFrom: number): string {
  const size = Math.abs(value)
  if (size >= 1e-4 && size < exponentFrom) return `${value}`
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  if (!Number.isFinite(value)) return `${value}`
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
}

/** One float8 after the other, in binary. */
export function float8Bytes(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < values.length; index++) view.setFloat64(8 * index, values[index]!)
  return bytes
}

function checkNumber(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`a floating-point number is a number, not ${typeof value}`)
  return value
}
