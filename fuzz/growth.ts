import { collectGarbage } from './allocation.ts'
import { processorMs } from './processor-time.ts'
import type { Random } from './random.ts'
import type { Grow } from './target.ts'

/** How much longer the longer of two inputs is. */
const factor = 8
const longerBytes = 1 << 17
/** Less cannot be told from noise. */
const leastMs = 20
/** Eight times the input takes eight times the time if time is linear, 64 times if it is quadratic. */
const mostRatio = 30

/** An input whose time grows faster than it does. */
export interface Superlinear {
  readonly input: Uint8Array
  readonly ratio: number
  readonly shorterMs: number
  readonly longerMs: number
}

/**
 * Repeats what is in an input until it is long, once 16 kB and once 128 kB, and compares the times.
 *
 * @returns undefined when time grew as the input did, or there was nothing to measure
 */
export async function superlinear(
  grow: Grow,
  run: (input: Uint8Array) => Promise<unknown>,
): Promise<Superlinear | undefined> {
  const each = grow(2).length - grow(1).length
  if (each <= 0) return undefined
  const times = Math.ceil(longerBytes / each)
  const longer = grow(times)
  const shorter = grow(Math.ceil(times / factor))
  let fewest: Superlinear | undefined
  // garbage of the inputs before makes a time longer, never shorter
  for (let attempt = 0; attempt < 4; attempt++) {
    const longerMs = await fastest(longer, run, attempt === 0 ? 1 : 5)
    if (longerMs < leastMs) return undefined
    const shorterMs = await fastest(shorter, run, 5)
    const ratio = longerMs / shorterMs
    if (ratio < mostRatio) return undefined
    if (fewest === undefined || ratio < fewest.ratio) fewest = { input: longer, ratio, shorterMs, longerMs }
  }
  return fewest
}

async function fastest(
  input: Uint8Array,
  run: (input: Uint8Array) => Promise<unknown>,
  attempts: number,
): Promise<number> {
  let fastestMs = Number.POSITIVE_INFINITY
  if (attempts > 1) collectGarbage()
  for (let attempt = 0; attempt < attempts; attempt++) {
    const begunMs = processorMs()
    await run(input)
    fastestMs = Math.min(fastestMs, processorMs() - begunMs)
  }
  return fastestMs
}

/** Repeats a random piece of the input where it stands. */
export function repeatPiece(input: Uint8Array, random: Random): Grow {
  const from = random.below(Math.max(1, input.length))
  const to = Math.min(input.length, from + random.upTo(Math.max(1, input.length)))
  return (times) => {
    const piece = input.subarray(from, to)
    const result = new Uint8Array(input.length + piece.length * (times - 1))
    result.set(input.subarray(0, from))
    for (let time = 0; time < times; time++) result.set(piece, from + time * piece.length)
    result.set(input.subarray(to), from + times * piece.length)
    return result
  }
}
