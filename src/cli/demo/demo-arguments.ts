import { type SortedArguments, sortArguments, usageError } from '../arguments.ts'
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
      `walwire demo takes no argument ${JSON.stringify(extra)}`,
      'it boots a server of its own',
      'to follow a server that is there: walwire follow URL',
    )
  }
  return {
    durationMs: readDuration(given.value('duration')),
    rate: readNumber('rate', given.value('rate'), { standard: 3, least: 0, most: 10_000 }),
    seed: readNumber('seed', given.value('seed'), { standard: 1, least: 0, most: 2 ** 32 - 1, whole: true }),
    port:
      given.value('port') === undefined
        ? undefined
        : readNumber('port', given.value('port'), { standard: 0, least: 1, most: 65_535, whole: true }),
  }
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, m: 60_000, h: 3_600_000 }
/** The longest that a timer waits. */
const mostMs = 0x7fff_ffff

function readDuration(given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?$/.exec(given) ?? []
  const ms = Number(number) * (unitMs[unit] ?? Number.NaN)
  if (ms > 0 && ms <= mostMs) return ms
  throw usageError(
    `--duration cannot be ${JSON.stringify(given)}`,
    'it is a time above 0, like 10s, 1.5min or 2h, and 24 days at most',
    'give --duration 10s, for example',
  )
}

interface Range {
  readonly standard: number
  readonly least: number
  readonly most: number
  readonly whole?: boolean
}

function readNumber(
  option: string,
  given: string | undefined,
  { standard, least, most, whole = false }: Range,
): number {
  if (given === undefined) return standard
  const number = (whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(given) ? Number(given) : Number.NaN
  if (number >= least && number <= most) return number
  throw usageError(
    `--${option} cannot be ${JSON.stringify(given)}`,
    `it is a ${whole ? 'whole ' : ''}number from ${least} to ${most}`,
    `give --${option} ${standard || 5433}, for example`,
  )
}
