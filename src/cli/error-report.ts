import { WalwireError } from '../protocol/messages/errors.ts'
import { oneLine } from '../protocol/messages/one-line.ts'
import { CommandError } from './command-error.ts'

/** What a person needs to know of a failure. */
export interface ErrorReport {
  /** The failure's stable name, where it has one. */
  readonly code: string | undefined
  readonly what: string
  readonly why: string
  readonly hint: string
}

/** Takes a failure apart. One that nobody foresaw gets the same three sentences. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof WalwireError || error instanceof CommandError) {
    return { code: error.code, what: oneLine(error.what), why: oneLine(error.why), hint: oneLine(error.hint) }
  }
  return {
    code: undefined,
    what: 'walwire failed in a way that it does not know',
    why: oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
    hint: 'run it again with --log-level debug, and report what it says',
  }
}

/** The failure as lines for a terminal: what, why, what to do; the stack, with every cause, only when asked for. */
export function errorLines(error: unknown, options: { stack: boolean }): string[] {
  const { code, what, why, hint } = reportOf(error)
  const lines = [`error: ${what}${code === undefined ? '' : ` [${code}]`}`, `why:   ${why}`, `hint:  ${hint}`]
  return options.stack ? [...lines, ...stackLines(error)] : lines
}

function stackLines(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const own = (error.stack ?? error.message).split('\n')
  return error.cause === undefined ? own : [...own, 'caused by:', ...stackLines(error.cause)]
}
