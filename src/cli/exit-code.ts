import { type ErrorCode, WalwireError } from '../protocol/messages/errors.ts'
import { CommandError, commandErrorCodes } from './command-error.ts'

/** What the command's exit codes mean. A second signal ends it at once with 128 and the signal's number. */
export const exitCodes = {
  /** Done, or stopped by a signal after everything in hand was written. */
  done: 0,
  /** Failed at run time: the same may work later, or after something outside was mended. */
  failed: 1,
  /** The arguments are wrong. */
  usage: 2,
  /** The position or the slot cannot be continued without loss. */
  lost: 3,
} as const

/** The library's errors that the arguments alone are the cause of. */
export const usageCodes: ReadonlySet<ErrorCode> = new Set([
  'bad_option',
  'bad_connection',
  'unsupported_option',
  'checkpoint_start',
] satisfies ErrorCode[])

/** The library's errors after which no repetition helps: what lies between the position and the slot is gone. */
export const lostCodes: ReadonlySet<ErrorCode> = new Set([
  // a slot that is there without a position of ours, or that is not the one of the position
  'slot_exists',
  'slot_lost',
  'slot_recreated',
  'slot_invalidated',
  'slot_physical',
  'slot_plugin',
  'slot_two_phase',
  'slot_database',
  'temporary_slot_lost',
  // a position that does not lie in what the slot can give
  'gap',
  'position_malformed',
  'position_ahead',
  'position_incompatible',
  'position_not_found',
  'other_system',
  'other_database',
  'other_slot',
  'timeline_diverged',
  // a checkpoint or an output that cannot be continued without loss or repetition
  'checkpoint_malformed',
  'checkpoint_output',
  'checkpoint_publications',
  'output_shorter',
  'output_not_empty',
  'output_changed',
  // a change that is there and cannot be applied
  'row_unidentified',
] satisfies ErrorCode[])

/** The exit code that a failure ends the command with: 1 for whatever is neither wrong usage nor a loss. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return commandErrorCodes[error.code].exitCode
  if (!(error instanceof WalwireError)) return exitCodes.failed
  if (usageCodes.has(error.code)) return exitCodes.usage
  return lostCodes.has(error.code) ? exitCodes.lost : exitCodes.failed
}
