import type { Random } from './random.ts'

/** What an input can be changed with. */
export interface Mutation {
  readonly random: Random
  /** Another input, to take pieces from. */
  readonly other: Uint8Array
  /** Words of the input's language. */
  readonly words: readonly Uint8Array[]
  readonly longest: number
}

type Change = (input: Uint8Array, mutation: Mutation) => Uint8Array

/** Several changes of any bytes, one after the other. */
export function mutateBytes(input: Uint8Array, mutation: Mutation): Uint8Array {
  let mutated = input
  for (let left = mutation.random.upTo(8); left > 0; left--) mutated = mutation.random.pick(changes)(mutated, mutation)
  return mutated.length > mutation.longest ? mutated.slice(0, mutation.longest) : mutated
}

/** The bytes with those from `from` to `to` replaced. */
export function replaced(input: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  const result = new Uint8Array(from + by.length + input.length - to)
  result.set(input.subarray(0, from))
  result.set(by, from)
  result.set(input.subarray(to), from + by.length)
  return result
}

/** The bytes with an Int32 in network order written over those at a place, as far as there are any. */
export function withInt32(input: Uint8Array, at: number, value: number): Uint8Array {
  const result = input.slice()
  for (let index = 0; index < 4 && at + index < result.length; index++) result[at + index] = value >>> (24 - 8 * index)
  return result
}

function withInt16(input: Uint8Array, at: number, value: number): Uint8Array {
  const result = input.slice()
  for (let index = 0; index < 2 && at + index < result.length; index++) result[at + index] = value >>> (8 - 8 * index)
  return result
}

/** Numbers at which something ends: signs, widths, and lengths that say "NULL". */
export const edges = [
  0, 1, 2, -1, -2, 3, 4, 5, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff,
  -0x8000_0000,
]

/** A length or a count that is not the true one: an edge, a little off, or what remains of the input. */
export function lie(truth: number, remaining: number, random: Random): number {
  switch (random.below(4)) {
    case 0:
      return truth + random.pick([-4, -2, -1, 1, 2, 4])
    case 1:
      return remaining + random.pick([-1, 0, 1])
    default:
      return random.pick(edges)
  }
}

function place(input: Uint8Array, random: Random): number {
  return random.below(input.length + 1)
}

/** Where a piece begins and ends. */
function piece(input: Uint8Array, random: Random): readonly [from: number, to: number] {
  const from = place(input, random)
  return [from, Math.min(input.length, from + random.upTo(Math.max(1, input.length)))]
}

const changes: readonly Change[] = [
  function flipBit(input, { random }) {
    const result = input.slice()
    const at = random.below(input.length || 1)
    if (at < result.length) result[at] = result[at]! ^ (1 << random.below(8))
    return result
  },
  function setByte(input, { random }) {
    const result = input.slice()
    const at = random.below(input.length || 1)
    if (at < result.length) result[at] = random.once(2) ? random.below(256) : random.pick(edges)
    return result
  },
  function insertBytes(input, { random }) {
    const at = place(input, random)
    return replaced(input, at, at, random.bytes(random.upTo(16)))
  },
  function repeatByte(input, { random }) {
    const at = place(input, random)
    const byte = random.once(2) ? (input[at] ?? 0) : random.below(256)
    return replaced(input, at, at, new Uint8Array(random.upTo(256)).fill(byte))
  },
  function remove(input, { random }) {
    const [from, to] = piece(input, random)
    return replaced(input, from, to, new Uint8Array(0))
  },
  function truncate(input, { random }) {
    return input.slice(0, place(input, random))
  },
  function repeatPiece(input, { random }) {
    const [from, to] = piece(input, random)
    return replaced(input, from, from, input.subarray(from, to))
  },
  function movePiece(input, { random }) {
    const [from, to] = piece(input, random)
    const moved = input.slice(from, to)
    const rest = replaced(input, from, to, new Uint8Array(0))
    const at = place(rest, random)
    return replaced(rest, at, at, moved)
  },
  function splice(input, { random, other }) {
    const [from, to] = piece(input, random)
    return replaced(input, from, random.once(2) ? to : from, other.subarray(...piece(other, random)))
  },
  function joinHalves(input, { random, other }) {
    return replaced(input, place(input, random), input.length, other.subarray(place(other, random)))
  },
  function edgeInt16(input, { random }) {
    return withInt16(input, place(input, random), random.pick(edges))
  },
  function edgeInt32(input, { random }) {
    const at = place(input, random)
    return withInt32(input, at, lie(input.length - at, input.length - at - 4, random))
  },
  function shiftNumber(input, { random }) {
    const result = input.slice()
    const at = random.below(input.length || 1)
    if (at < result.length) result[at] = result[at]! + random.pick([-2, -1, 1, 2])
    return result
  },
  function insertWord(input, { random, words }) {
    if (words.length === 0) return input
    const [from, to] = piece(input, random)
    return replaced(input, from, random.once(3) ? to : from, random.pick(words))
  },
  function insertDigits(input, { random }) {
    const at = place(input, random)
    const digits = Uint8Array.from({ length: random.upTo(24) }, () => 0x30 + random.below(10))
    return replaced(input, at, at, digits)
  },
]
