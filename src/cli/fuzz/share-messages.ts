import type { ShareRequest, ShareResult } from '../../fuzz/share.ts'
import type { Progress } from '../../fuzz/tally.ts'
import type { ConnectionInput } from '../../protocol/connection/connection-options.ts'
import { type ErrorCode, WalwireError } from '../../protocol/messages/errors.ts'
import { CommandError, type CommandErrorCode } from '../command-error.ts'

/** What a thread is to do. */
export interface ShareTask {
  /** Plain data: a URI, or keywords. */
  readonly server: ConnectionInput
  readonly request: ShareRequest
}

/** What a thread tells. */
export type ShareMessage =
  | { readonly kind: 'database'; readonly name: string }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'result'; readonly result: ShareResult }
  | { readonly kind: 'failure'; readonly failure: Failure }

/** A failure as data: between threads an error loses its class. */
export type Failure =
  | { readonly of: 'library'; readonly code: ErrorCode; readonly parts: Parts }
  | { readonly of: 'command'; readonly code: CommandErrorCode; readonly parts: Parts }
  | { readonly of: 'other'; readonly error: unknown }

interface Parts {
  readonly what: string
  readonly why: string
  readonly hint: string
}

/** Takes a failure apart. */
export function failureOf(error: unknown): Failure {
  if (error instanceof WalwireError) return { of: 'library', code: error.code, parts: partsOf(error) }
  if (error instanceof CommandError) return { of: 'command', code: error.code, parts: partsOf(error) }
  return { of: 'other', error: error instanceof Error ? new Error(`${error.name}: ${error.message}`) : String(error) }
}

/** Puts it together again. */
export function errorOf(failure: Failure): unknown {
  switch (failure.of) {
    case 'library':
      return new WalwireError(failure.code, failure.parts)
    case 'command':
      return new CommandError(failure.code, failure.parts)
    case 'other':
      return failure.error
    default:
      return failure satisfies never
  }
}

function partsOf({ what, why, hint }: Parts): Parts {
  return { what, why, hint }
}

/** Whether what a thread was given is a task. */
export function isShareTask(data: unknown): data is ShareTask {
  return typeof data === 'object' && data !== null && 'server' in data && 'request' in data
}
