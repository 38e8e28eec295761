import { ProtocolError } from '../../protocol/errors.ts'
import { sliceAscii } from '../text.ts'

const decimal = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * float4 and float8: the number that the text names. With extra_float_digits above 0 that is the shortest text that
 * names this float8 among all float8, or this float4 among all float4.
 */
export function readFloat(bytes: Uint8Array, start: number, end: number): number {
  const text = sliceAscii(bytes, start, end)
  if (decimal.test(text)) return Number(text)
  if (text === 'NaN') return Number.NaN
  if (text === 'Infinity') return Number.POSITIVE_INFINITY
  if (text === '-Infinity') return Number.NEGATIVE_INFINITY
  throw new ProtocolError('a floating-point number could not be read', 'it is neither decimal, NaN nor infinite', 0)
}

/** What {@link readFloat} reads. */
export function writeFloat(value: unknown): string {
  if (typeof value !== 'number') throw new TypeError(`a floating-point number is a number, not ${typeof value}`)
  return Object.is(value, -0) ? '-0' : `${value}`
}
