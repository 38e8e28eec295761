import { isDeepStrictEqual } from 'node:util'
import { PgArray } from '../decoder/types/pg-array.ts'
import { PgRange } from '../decoder/types/pg-range.ts'

/**
 * Whether two values that walwire read are one: of the same kind down to the last element, NaN the same as itself, -0
 * another one than 0, composites with their fields in the same order, ranges with the same text.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (Array.isArray(a)) return Array.isArray(b) && sameElements(a, b) && sameBounds(a, b)
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b)
  if (a instanceof PgRange) {
    return b instanceof PgRange && String(a) === String(b) && isDeepStrictEqual(a, b)
  }
  return sameFields(a, b)
}

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (!sameValue(a[index], b[index])) return false
  return true
}

function sameBounds(a: readonly unknown[], b: readonly unknown[]): boolean {
  return !(a instanceof PgArray) || (b instanceof PgArray && sameElements(a.lowerBounds, b.lowerBounds))
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

function sameFields(a: object, b: object): boolean {
  const names = Object.keys(a)
  const others = Object.keys(b)
  if (names.length !== others.length) return false
  for (const [index, name] of names.entries()) {
    if (name !== others[index] || !sameValue(Reflect.get(a, name), Reflect.get(b, name))) return false
  }
  return true
}
