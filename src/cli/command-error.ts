/**
 * What fails in the command itself, with the exit code that it ends in: what the library says nothing about, since it
 * knows no arguments. The library's own errors are mapped in exit-code.ts.
 *
 * 2 is for what the arguments alone show to be wrong; 1 for what may work at another time.
 */
export const commandErrorCodes = {
  /** An argument is wrong, missing, or contradicts another. */
  usage: { exitCode: 2 },
  /** A package that this command or option needs is not installed. */
  package_missing: { exitCode: 2 },
  /** The command does not run on this kind of machine. */
  platform_unsupported: { exitCode: 2 },
  /** The demo's own server did not start. */
  server_failed: { exitCode: 1 },
} as const satisfies Record<string, { exitCode: 1 | 2 }>

/** The stable name of a failure of the command. */
export type CommandErrorCode = keyof typeof commandErrorCodes

/** A failure of the command: three plain sentences, as the library's errors have them. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: CommandErrorCode
  readonly what: string
  readonly why: string
  readonly hint: string

  constructor(code: CommandErrorCode, parts: { what: string; why: string; hint: string; cause?: unknown }) {
    super(`${parts.what}: ${parts.why}`, parts.cause === undefined ? undefined : { cause: parts.cause })
    this.code = code
    this.what = parts.what
    this.why = parts.why
    this.hint = parts.hint
  }
}
