import { parseArgs } from 'node:util'
import { CommandError } from './command-error.ts'
import { nearest } from './nearest.ts'
import { quotedArgument } from './quoted-argument.ts'

/** What an option takes: nothing, one value, or one value each time that it is given. */
export type OptionKind = 'flag' | 'value' | 'values'

/** The arguments of one command, sorted but not yet understood. */
export interface SortedArguments {
  readonly positionals: readonly string[]
  has(option: string): boolean
  /** The option's value, undefined where it was not given. */
  value(option: string): string | undefined
  /** All values of an option that may be given several times. */
  values(option: string): readonly string[]
}

/** A failure of the arguments alone. */
export function usageError(what: string, why: string, hint: string): CommandError {
  return new CommandError('usage', { what, why, hint })
}

/**
 * Sorts the arguments by the options that a command knows. Node's own strict mode says the same, but with its own
 * words and without naming the option as data, so its tokens are judged here.
 *
 * @param command its name, for what is said about a mistake
 * @throws {CommandError} `usage` for an unknown option, one given twice, and a value that is missing, empty or too much.
 */
export function sortArguments(
  command: string,
  argv: readonly string[],
  kinds: Readonly<Record<string, OptionKind>>,
): SortedArguments {
  const options = Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), ...(name === 'help' && { short: 'h' }) },
    ]),
  )
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true })
  const found = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const kind = Object.hasOwn(kinds, token.name) ? kinds[token.name] : undefined
    const { rawName } = token
    if (kind === undefined) {
      const meant = nearest(token.name, Object.keys(kinds))
      throw usageError(
        `unknown option ${rawName}`,
        `walwire ${command} has no such option`,
        meant === undefined
          ? `see walwire ${command} --help`
          : `did you mean --${meant}? All options: walwire ${command} --help`,
      )
    }
    if (kind !== 'values' && found.has(token.name)) {
      throw usageError(`${rawName} is given twice`, 'it takes effect once', `give ${rawName} once`)
    }
    if (kind === 'flag') {
      if (token.value !== undefined) {
        throw usageError(
          `${rawName} takes no value`,
          `it was given ${quotedArgument(token.value)}`,
          `give ${rawName} alone`,
        )
      }
      found.set(token.name, [])
      continue
    }
    // `--slot --temporary`: the next option was taken for the value
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-') && token.value !== '-')) {
      throw usageError(
        `${rawName} needs a value`,
        token.value === undefined ? 'nothing follows it' : `what follows it is ${quotedArgument(token.value)}`,
        `write ${rawName} VALUE, or ${rawName}=VALUE where the value begins with a dash`,
      )
    }
    if (token.value === '') {
      throw usageError(`${rawName} needs a value`, 'the value is empty', 'is a shell variable not set?')
    }
    found.set(token.name, [...(found.get(token.name) ?? []), token.value])
  }
  return {
    positionals,
    has: (option) => found.has(option),
    value: (option) => found.get(option)?.[0],
    values: (option) => found.get(option) ?? [],
  }
}

/** Reads one of a few words. @throws {CommandError} `usage` naming the words. */
export function oneOf<Word extends string>(option: string, given: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === given)
  if (word !== undefined) return word
  throw usageError(
    `--${option} cannot be ${quotedArgument(given)}`,
    `it is one of ${words.join(', ')}`,
    `give --${option} one of these`,
  )
}

/** Reads a duration in seconds, above 0 and no longer than a timer can wait. @throws {CommandError} `usage` */
export function readSeconds(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const seconds = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  if (seconds * 1000 <= 0x7fff_ffff && seconds > 0) return Math.ceil(seconds * 1000)
  throw usageError(
    `--${option} cannot be ${quotedArgument(given)}`,
    'it is a number of seconds above 0',
    `give --${option} 60, for example`,
  )
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, m: 60_000, h: 3_600_000 }
/** The longest that a timer waits. */
const mostMs = 0x7fff_ffff

/** Reads a time with its unit, above 0 and no longer than a timer can wait. @throws {CommandError} `usage` */
export function readDuration(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?$/.exec(given) ?? []
  const ms = Number(number) * (unitMs[unit] ?? Number.NaN)
  if (ms > 0 && ms <= mostMs) return ms
  throw usageError(
    `--${option} cannot be ${quotedArgument(given)}`,
    'it is a time above 0, like 10s, 1.5min or 2h, and 24 days at most',
    `give --${option} 10s, for example`,
  )
}

/** Which numbers an option takes. */
export interface NumberRange {
  /** Where it is not given. */
  readonly standard: number
  readonly least: number
  readonly most: number
  readonly whole?: boolean
}

/** Reads a number. @throws {CommandError} `usage` naming the range */
export function readNumber(
  option: string,
  given: string | undefined,
  { standard, least, most, whole = false }: NumberRange,
): number {
  if (given === undefined) return standard
  const number = (whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(given) ? Number(given) : Number.NaN
  if (number >= least && number <= most) return number
  throw usageError(
    `--${option} cannot be ${quotedArgument(given)}`,
    `it is a ${whole ? 'whole ' : ''}number from ${least} to ${most}`,
    `give --${option} ${standard}, for example`,
  )
}

/** Reads where the server is: the one argument, or `--url`. @throws {CommandError} `usage` */
export function readUrl(command: string, given: SortedArguments): string | undefined {
  const [positional, ...rest] = given.positionals
  const url = given.value('url')
  if (rest.length > 0 || (positional !== undefined && url !== undefined)) {
    throw usageError(
      'more than one URL is given',
      `there are ${[...given.positionals, url].filter((one) => one !== undefined).length} arguments that name a server`,
      `give one URL, and everything else as an option; see walwire ${command} --help`,
    )
  }
  // an unset shell variable must not lead to whatever server the defaults name
  if (positional === '') throw usageError('the URL is empty', 'nothing is in it', 'is a shell variable not set?')
  return positional ?? url
}
