import type { Random } from './random.ts'

/** Something that reads bytes it cannot trust, and how it is tried. */
export interface Target {
  /** What `--target` calls it, and the folder of its own files in fuzz/corpus. */
  readonly name: string
  /** One line: what is read, and what must hold of it. */
  readonly about: string
  /** Inputs to begin with, beside those in fuzz/corpus. */
  readonly seeds: () => Iterable<Uint8Array>
  /**
   * Tries one input. What it throws is judged by {@link judge}: walwire's own errors are as good as a value. What it
   * finds wrong by itself it says with {@link demand}.
   */
  readonly run: (input: Uint8Array) => void | Promise<void>
  /** Words of the input's language, which mutations put in. */
  readonly words?: readonly (string | Uint8Array)[]
  /** Changes that know how the input is made; without it, and beside it, come those of any bytes. */
  readonly mutate?: (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array
  /**
   * Chooses a part of an input; what comes back repeats it so many times, with lengths and counts that fit, to see how
   * time grows. By default any piece of the bytes.
   */
  readonly grow?: (input: Uint8Array, random: Random) => Grow
  /** What may be allocated for an input of so many bytes; by default 64 times that, beside {@link allocationFloor}. */
  readonly mayAllocate?: (inputBytes: number) => number
  /** Errors say where in the input they are: by default true. */
  readonly hasOffsets?: boolean
  /** Inputs that mutations make are not longer than this; by default 4096 bytes. */
  readonly longestInput?: number
  /** Inputs between two looks at what they covered: few where each takes long. By default 64. */
  readonly batchInputs?: number
}

/** The input with a part of it so many times. */
export type Grow = (times: number) => Uint8Array

/** What any input may allocate: the buffers that are kept, strings of errors, stack traces. */
export const allocationFloor = 1 << 20

/** A target's own finding: a value came out, and it is wrong. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

/**
 * @param otherwise what is wrong, made only when it is
 * @throws {Broken} unless it holds
 */
export function demand(holds: boolean, otherwise: string | (() => string)): asserts holds {
  if (!holds) throw new Broken(typeof otherwise === 'string' ? otherwise : otherwise())
}
