/**
 * What fails in the command itself, with the exit code that it ends in: what the library says nothing about, since it
 * knows neither arguments nor files. The library's own errors are mapped in exit-code.ts.
 *
 * 2 is for what the arguments alone show to be wrong; 3 for a checkpoint or an output that cannot be continued without
 * loss or repetition; 1 for what may work at another time.
 */
export const commandErrorCodes = {
  /** An argument is wrong, missing, or contradicts another. */
  usage: { exitCode: 2 },
  /** A package that this command or option needs is not installed. */
  package_missing: { exitCode: 2 },
  /** The command does not run on this kind of machine. */
  platform_unsupported: { exitCode: 2 },
  /** `--start` says something else than the run that began the checkpoint. */
  checkpoint_start: { exitCode: 2 },
  /** Not a checkpoint, or of a newer format. */
  checkpoint_malformed: { exitCode: 3 },
  /** The checkpoint was made with another `--output`. */
  checkpoint_output: { exitCode: 3 },
  /** The checkpoint was made with other publications. */
  checkpoint_publications: { exitCode: 3 },
  /** The output has less than the checkpoint covers. */
  output_shorter: { exitCode: 3 },
  /** There is no checkpoint, and the output has something in it. */
  output_not_empty: { exitCode: 3 },
  /** Another process writes to the output. */
  output_changed: { exitCode: 3 },
  /** Another process uses the checkpoint. */
  checkpoint_locked: { exitCode: 1 },
  /** Another process took the checkpoint's lock away. */
  checkpoint_lock_lost: { exitCode: 1 },
  /** The checkpoint could not be read or written. */
  checkpoint_failed: { exitCode: 1 },
  /** The demo's own server did not start. */
  server_failed: { exitCode: 1 },
  /** The output could not be written. */
  output_failed: { exitCode: 1 },
  /** A signal came, and what was in hand could not be written in time. */
  drain_timeout: { exitCode: 1 },
} as const satisfies Record<string, { exitCode: 1 | 2 | 3 }>

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

/** What the system said about a file operation, without Node's repetition of the path: `ENOSPC: no space left on device`. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message.replace(/, [a-z]+( '.*')?$/, '')
}
