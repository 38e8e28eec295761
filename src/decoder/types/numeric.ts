import { int16At, uint16At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * Text: decimal, with as many digits behind the point as its display scale says; NaN, Infinity, -Infinity.
 * Binary: Int16 number of digits, Int16 weight, Int16 sign, Int16 display scale, and the digits of base 10,000, each
 * Int16. The first digit counts 10,000^weight. All but the weight are unsigned: 131,072 digits before the point and
 * 16,383 behind it are 36,864 digits of base 10,000.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c numeric_send
 */

const signs = { positive: 0x0000, negative: 0x4000, nan: 0xc000, infinity: 0xd000, minusInfinity: 0xf000 } as const

/** What the server sends with an infinity: a part of its sign that stands where a scale would. */
const infinityScale = 0x20
/** NUMERIC_DSCALE_MAX */
const maxScale = 0x3fff
const headerBytes = 8
const decimalsPerDigit = 4

/** numeric: a string, exactly the server's text, since no number of JavaScript's could hold it. */
export const numericCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary,
  encodeText: writeString,
  encodeBinary,
  binaryExact: true,
}

const zero = 0x30
const minus = 0x2d
const point = 0x2e

const keptScratchBytes = 1024
const scratch = new Uint8Array(keptScratchBytes)

function readBinary(bytes: Uint8Array, start: number, end: number): string {
  if (end - start < headerBytes) fail('its header is 8 bytes long', end - start)
  const count = uint16At(bytes, start)
  const weight = int16At(bytes, start + 2)
  const sign = uint16At(bytes, start + 4)
  const scale = uint16At(bytes, start + 6)
  if (end - start !== headerBytes + 2 * count) {
    fail(`it has ${count} digits of two bytes, and ${end - start - headerBytes} bytes follow`, 0)
  }
  if (sign !== signs.positive && sign !== signs.negative) return readSpecial(sign)
  if (scale > maxScale) fail(`its display scale is ${scale}`, 6)

  const length = 2 + (weight < 0 ? 1 : (weight + 1) * decimalsPerDigit) + scale + decimalsPerDigit
  const text = length <= keptScratchBytes ? scratch : new Uint8Array(length)
  let to = 0
  if (sign === signs.negative) text[to++] = minus
  const wholeFrom = to
  let at = start + headerBytes
  for (let place = weight; place >= 0; place--, at += 2) {
    to = writeDigit(text, to, at < end ? digitAt(bytes, at, start) : 0)
    if (place === weight) to = withoutLeadingZeros(text, wholeFrom, to)
  }
  if (weight < 0) text[to++] = zero
  if (scale > 0) {
    text[to++] = point
    const stop = to + scale
    // digits of which the first ones stand for zeros that are not sent
    for (let place = -1; to < stop; place--) {
      const sent = place <= weight && at < end
      to = writeDigit(text, to, sent ? digitAt(bytes, at, start) : 0)
      if (sent) at += 2
    }
    to = stop
  }
  return sliceAscii(text, 0, to)
}

function readSpecial(sign: number): string {
  switch (sign) {
    case signs.nan:
      return 'NaN'
    case signs.infinity:
      return 'Infinity'
    case signs.minusInfinity:
      return '-Infinity'
    default:
      return fail(`its sign is 0x${sign.toString(16)}`, 4)
  }
}

function digitAt(bytes: Uint8Array, at: number, start: number): number {
  const digit = uint16At(bytes, at)
  if (digit > 9999) fail(`it has the digit ${digit} in base 10,000`, at - start)
  return digit
}

function writeDigit(text: Uint8Array, to: number, digit: number): number {
  const upper = (digit / 100) | 0
  const lower = digit - upper * 100
  const first = (upper / 10) | 0
  const third = (lower / 10) | 0
  text[to] = zero + first
  text[to + 1] = zero + upper - first * 10
  text[to + 2] = zero + third
  text[to + 3] = zero + lower - third * 10
  return to + decimalsPerDigit
}

function withoutLeadingZeros(text: Uint8Array, from: number, to: number): number {
  let first = from
  while (first < to - 1 && text[first] === zero) first++
  if (first > from) text.copyWithin(from, first, to)
  return to - (first - from)
}

const decimal = /^(-?)(\d*)(?:\.(\d*))?$/
const specials: Readonly<Record<string, number>> = {
  NaN: signs.nan,
  Infinity: signs.infinity,
  '-Infinity': signs.minusInfinity,
}

function encodeBinary(value: unknown): Uint8Array {
  const text = writeString(value)
  const special = specials[text]
  if (special !== undefined) return assemble(special, 0, special === signs.nan ? 0 : infinityScale, [])
  const [matched, sign = '', whole = '', fraction = ''] = decimal.exec(text) ?? []
  if (matched === undefined || whole.length + fraction.length === 0) {
    throw new TypeError('a numeric is decimal digits with at most one point, NaN, Infinity or -Infinity')
  }
  if (fraction.length > maxScale) throw new TypeError(`a numeric has at most ${maxScale} digits behind its point`)
  const padding = (decimalsPerDigit - (whole.length % decimalsPerDigit)) % decimalsPerDigit
  const decimals = '0'.repeat(padding) + whole + fraction
  const digits: number[] = []
  for (let at = 0; at < decimals.length; at += decimalsPerDigit) {
    digits.push(Number(decimals.slice(at, at + decimalsPerDigit).padEnd(decimalsPerDigit, '0')))
  }
  let weight = (padding + whole.length) / decimalsPerDigit - 1
  let first = 0
  while (first < digits.length && digits[first] === 0) first++
  weight -= first
  let last = digits.length
  while (last > first && digits[last - 1] === 0) last--
  if (weight > 0x7fff) throw new TypeError('a numeric has at most 131072 digits before its point')
  if (first === last) return assemble(signs.positive, 0, fraction.length, [])
  return assemble(sign === '' ? signs.positive : signs.negative, weight, fraction.length, digits.slice(first, last))
}

function assemble(sign: number, weight: number, scale: number, digits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(headerBytes + 2 * digits.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, digits.length)
  view.setInt16(2, weight)
  view.setUint16(4, sign)
  view.setUint16(6, scale)
  for (let index = 0; index < digits.length; index++) view.setUint16(headerBytes + 2 * index, digits[index]!)
  return bytes
}

function fail(why: string, offset: number): never {
  throw new ProtocolError('a binary numeric could not be read', why, offset)
}
