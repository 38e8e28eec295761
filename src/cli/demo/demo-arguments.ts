import { readDuration, readNumber, type SortedArguments, sortArguments, usageError } from '../arguments.ts'
import { quotedArgument } from '../quoted-argument.ts'
import { demoOptionKinds } from './demo-options.ts'

/** What `walwire demo` was asked for. */
export interface DemoArguments {
  /** Undefined: until somebody ends it. */
  readonly durationMs: number | undefined
  /** Transactions in a second. */
  readonly rate: number
  readonly seed: number
  /** Undefined: any that is free. */
  readonly port: number | undefined
}

/** Sorts the arguments of `walwire demo`. */
export function sortDemoArguments(argv: readonly string[]): SortedArguments {
  return sortArguments('demo', argv, demoOptionKinds)
}

/** @throws {CommandError} `usage` */
export function readDemoArguments(given: SortedArguments): DemoArguments {
  const [extra] = given.positionals
  if (extra !== undefined) {
    throw usageError(
      `walwire demo takes no argument ${quotedArgument(extra)}`,
      'it boots a server of its own',
      'to follow a server that is there: walwire follow URL',
    )
  }
  return {
    durationMs: readDuration('duration', given.value('duration')),
    rate: readNumber('rate', given.value('rate'), { standard: 3, least: 0, most: 10_000 }),
    seed: readNumber('seed', given.value('seed'), { standard: 1, least: 0, most: 2 ** 32 - 1, whole: true }),
    port:
      given.value('port') === undefined
        ? undefined
        : readNumber('port', given.value('port'), { standard: 5433, least: 1, most: 65_535, whole: true }),
  }
}
