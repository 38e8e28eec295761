import type { FuzzedType } from '../../fuzz/forms/fuzzed-types.ts'
import { readDuration, readNumber, readUrl, type SortedArguments, sortArguments, usageError } from '../arguments.ts'
import { nearest } from '../nearest.ts'
import { quotedArgument } from '../quoted-argument.ts'
import { fuzzOptionKinds } from './fuzz-options.ts'

/** What `walwire fuzz` was asked for. */
export interface FuzzArguments {
  /** Undefined: a server is booted. */
  readonly url: string | undefined
  /** Undefined: all. */
  readonly types: readonly string[] | undefined
  /** Undefined: no end but the time's. */
  readonly runs: number | undefined
  readonly durationMs: number | undefined
  /** Undefined: any. */
  readonly seed: number | undefined
}

const usualRuns = 1000

/** Sorts the arguments of `walwire fuzz`. */
export function sortFuzzArguments(argv: readonly string[]): SortedArguments {
  return sortArguments('fuzz', argv, fuzzOptionKinds)
}

/** @throws {CommandError} `usage` */
export function readFuzzArguments(given: SortedArguments): FuzzArguments {
  const durationMs = readDuration('duration', given.value('duration'))
  const usual = durationMs === undefined ? usualRuns : undefined
  const seed = given.value('seed')
  return {
    url: readUrl('fuzz', given),
    types: readTypes(given.value('types')),
    runs: given.has('runs')
      ? readNumber('runs', given.value('runs'), { standard: usualRuns, least: 1, most: 1e9, whole: true })
      : usual,
    durationMs,
    seed:
      seed === undefined
        ? undefined
        : readNumber('seed', seed, { standard: 1, least: 0, most: 2 ** 32 - 1, whole: true }),
  }
}

function readTypes(list: string | undefined): string[] | undefined {
  if (list === undefined) return undefined
  const names = list.split(',').map((name) => name.trim())
  if (!names.includes('')) return [...new Set(names)]
  throw usageError(
    `--types cannot be ${quotedArgument(list)}`,
    'a name in it is empty',
    "give names with commas between them, like --types 'int4,text[]'",
  )
}

/** @throws {CommandError} `usage` for a name that no type has */
export function chooseTypes(
  wanted: readonly string[] | undefined,
  types: readonly FuzzedType[],
): readonly FuzzedType[] {
  if (wanted === undefined) return types
  return wanted.map((name) => {
    const type = types.find((candidate) => candidate.name === name)
    if (type !== undefined) return type
    const meant = nearest(
      name,
      types.map((candidate) => candidate.name),
    )
    throw usageError(
      `--types names ${quotedArgument(name)}`,
      'no type that is tried is called so on this server',
      meant === undefined ? 'a run without --types lists all names in its table' : `did you mean ${meant}?`,
    )
  })
}
