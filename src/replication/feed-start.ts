import { WalwireError } from '../protocol/messages/errors.ts'
import { orAbort } from './abortable.ts'
import type { FeedStart } from './feed.ts'
import { type CheckedStart, checkStart } from './follow-options.ts'

/**
 * Asks where a feed begins. To be called once no other run has the slot: only then is the answer the last word.
 *
 * @param signal gives up waiting for the answer, with its reason
 * @throws {WalwireError} `start_failed` with what the function fails with as its cause; as {@link checkStart} for what it answers
 */
export async function askForStart(
  ask: () => FeedStart | Promise<FeedStart>,
  slot: string,
  signal: AbortSignal,
): Promise<CheckedStart> {
  const asking = (async () => await ask())().catch((cause: unknown) => {
    throw startFailed(slot, cause)
  })
  return checkStart(await orAbort(asking, signal))
}

function startFailed(slot: string, cause: unknown): WalwireError {
  return new WalwireError('start_failed', {
    what: `where slot ${slot} is to be followed from is not known`,
    why: `the function that was given as start failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'see its cause; mend that and begin again',
    slot,
    cause,
  })
}

/** A gap that another run made while this one waited for it: its start was right when it was given. */
export function outdatedStart(error: unknown): unknown {
  if (!(error instanceof WalwireError) || error.code !== 'gap') return error
  const { what, why, slot, lsn } = error
  return new WalwireError('gap', {
    what,
    why: `${why}; another run over this slot lived when this one began, and has moved it on`,
    hint: 'begin again with what is stored now; give start as a function, and it is asked for that once the slot is free',
    slot,
    lsn,
    cause: error,
  })
}
