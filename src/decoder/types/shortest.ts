/*
 * The shortest decimal for a binary floating-point number, as the server chooses it: the fewest digits that lie strictly
 * between the middles to its two neighbours, and of those the nearest. JavaScript also takes the middle itself where it
 * would be read back right (1e23, for which the server prints 9.999999999999999e+22).
 * https://github.com/postgres/postgres/blob/master/src/common/ryu_common.h STRICTLY_SHORTEST
 */

import { float32Bits, float64Bits } from '../../protocol/messages/big-endian.ts'

/** digits × 10^exponent */
export interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

/**
 * The shortest decimal strictly inside the rounding interval of significand × 2^exponent.
 *
 * @param nearerBelow the neighbour below is half as far as the one above: the number is a power of two
 */
export function shortestInside(significand: bigint, exponent: number, nearerBelow: boolean): Decimal {
  // everything times four, so that the ends of the interval are integers too
  const below = 4n * significand - (nearerBelow ? 1n : 2n)
  const above = 4n * significand + 2n
  const shift = exponent - 2
  const denominator = shift < 0 ? 1n << BigInt(-shift) : 1n
  const scale = shift < 0 ? 1n : 1n << BigInt(shift)
  // no more than the width of the interval, rounded up: below it, a multiple of the power is sure to be found soon
  for (let power = Math.ceil(Math.log10(4) + shift * Math.log10(2)); ; power--) {
    const unit = power < 0 ? denominator : denominator * 10n ** BigInt(power)
    const times = power < 0 ? scale * 10n ** BigInt(-power) : scale
    const least = (below * times) / unit + 1n
    if (least * unit >= above * times) continue
    const whole = (4n * significand * times) / unit
    const twiceRest = 2n * (4n * significand * times - whole * unit)
    const roundsUp = twiceRest > unit || (twiceRest === unit && whole % 2n === 1n)
    const nearest = roundsUp ? whole + 1n : whole
    return { digits: nearest < least ? least : nearest, exponent: power }
  }
}

/** {@link shortestInside} for a positive, finite float8. */
export function shortestFloat8(value: number): Decimal {
  const raw = float64Bits(value)
  const biased = Number(raw >> 52n)
  const fraction = raw & 0xf_ffff_ffff_ffffn
  return biased === 0
    ? shortestInside(fraction, -1074, false)
    : shortestInside(fraction | (1n << 52n), biased - 1075, fraction === 0n && biased > 1)
}

/** The powers of ten that a float8 holds exactly. */
const powersOf10 = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const maxPower = 22

/** By biased exponent, looked up since Math.pow takes longer than all the rest: half the distance to the next float4. */
const firstPlaces = Int8Array.from({ length: 255 }, (_, biased) => Math.floor(Math.log10(2 ** (biased - 127))))
const halfUlps = Float64Array.from({ length: 255 }, (_, biased) => 2 ** (biased - 151))

/** Any float4 but the subnormal ones has at most one decimal of so many digits in its interval, and maybe none. */
const surelyDistinctDigits = 6
const enoughDigits = 9

/**
 * The float8 nearest to the shortest decimal of a float4: 0.1 for 0.10000000149011612.
 *
 * Tried with 6 to 9 digits in float8 arithmetic, where every step rounds once at most: the product or quotient of the
 * number, which has 24 bits, and an exact power of ten; and that of a candidate of at most 9 digits. Rounding keeps order,
 * so a candidate that comes out strictly inside the interval is inside. What is too near to call is left to integers.
 */
export function shortestFloat4(value: number): number {
  if (value < 0) return -shortestFloat4(-value)
  // zero, NaN, the infinities, and integers whose neighbours are at most 1 away
  if (!(value > 0 && value < Number.POSITIVE_INFINITY) || (value < 0x100_0000 && Math.floor(value) === value))
    return value
  const raw = float32Bits(value)
  const biased = raw >>> 23
  const isPowerOf2 = (raw & 0x7f_ffff) === 0
  if (biased > 0) {
    const halfUlp = halfUlps[biased]!
    const below = value - (isPowerOf2 ? halfUlp / 2 : halfUlp)
    const above = value + halfUlp
    // the place of the first digit: the table has that of the least number with this exponent
    let highest = firstPlaces[biased]!
    if (highest < maxPower && value >= (highest < -1 ? 1 / powersOf10[-1 - highest]! : powersOf10[highest + 1]!))
      highest++
    for (let digits = surelyDistinctDigits; digits <= enoughDigits; digits++) {
      const power = highest + 1 - digits
      if (power > maxPower || power < -maxPower) break
      const scaled = power < 0 ? value * powersOf10[-power]! : value / powersOf10[power]!
      const whole = Math.floor(scaled)
      const rest = scaled - whole
      if (Math.abs(rest - 0.5) < 1e-6) break
      const nearest = rest > 0.5 ? whole + 1 : whole
      const candidate = power < 0 ? nearest / powersOf10[-power]! : nearest * powersOf10[power]!
      if (candidate > below && candidate < above) return candidate
      // below a power of two the interval is narrower, so that the nearest may be out while the next one up is in
      if (candidate === below || candidate === above || isPowerOf2) break
    }
  }
  const { digits, exponent } =
    biased === 0
      ? shortestInside(BigInt(raw), -149, false)
      : shortestInside(BigInt((raw & 0x7f_ffff) | 0x80_0000), biased - 150, isPowerOf2 && biased > 1)
  return Number(`${digits}e${exponent}`)
}
