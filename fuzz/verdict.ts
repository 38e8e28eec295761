import { ProtocolError, WalwireError } from '../src/protocol/messages/errors.ts'
import { Broken } from './target.ts'

/** What is wrong with what an input did. */
export interface Fault {
  /** `threw`: not an error of walwire's; `broken`: a wrong value, or an error without its place. */
  readonly kind: 'threw' | 'broken' | 'hung' | 'quadratic' | 'allocated' | 'died'
  readonly message: string
  /** Where, for what was thrown. */
  readonly stack?: string | undefined
}

/** How an input ended: in words, of which every new one is worth keeping, or with a fault. */
export type Verdict = { readonly outcome: string } | { readonly fault: Fault }

/**
 * Judges what was thrown. A WalwireError is an answer like a value; a ProtocolError has to say where, as a place in the
 * input. (Messages that are well formed and out of order are no such error: no byte of theirs is wrong.)
 */
export function judge(error: unknown, inputBytes: number, hasOffsets: boolean): Verdict {
  if (error instanceof Broken) return { fault: { kind: 'broken', message: error.message, stack: error.stack } }
  if (!(error instanceof WalwireError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { fault: { kind: 'threw', message, stack: error instanceof Error ? error.stack : undefined } }
  }
  const offset = offsetOf(error)
  if (hasOffsets && offset !== undefined && !isPlace(offset, inputBytes)) {
    const message = `an error says that it is at byte ${offset} of ${inputBytes}: ${error.message}`
    return { fault: { kind: 'broken', message, stack: error.stack } }
  }
  for (const part of [error.what, error.why, error.hint]) {
    if (typeof part === 'string' && part !== '') continue
    return { fault: { kind: 'broken', message: `an error has nothing to say: ${error.message}`, stack: error.stack } }
  }
  return { outcome: `${error.code} ${masked(error.message)}` }
}

/** The offset of a ProtocolError. One about a value in a row is wrapped by an error that names table and column. */
function offsetOf(error: WalwireError): number | undefined {
  if (error instanceof ProtocolError) return error.offset ?? Number.NaN
  return error.cause instanceof WalwireError ? offsetOf(error.cause) : undefined
}

function isPlace(offset: number, inputBytes: number): boolean {
  return Number.isSafeInteger(offset) && offset >= 0 && offset <= inputBytes
}

/** A message without what differs from input to input. */
export function masked(message: string): string {
  return message
    .slice(0, 400)
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/0x[0-9a-f]+|\d+/g, '0')
    .slice(0, 160)
}

/** The same for two inputs that show the same bug. */
export function signature(fault: Fault): string {
  const frame = fault.stack?.split('\n').find((line) => /^\s+at /.test(line)) ?? ''
  return `${fault.kind} ${masked(fault.message)} ${frame.replace(/^.*\/|:\d+\)?$/g, '')}`
}
