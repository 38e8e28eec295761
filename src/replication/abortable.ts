import { WalwireError } from '../protocol/messages/errors.ts'

/** What comes of the work; where the signal comes first, its reason is thrown and nobody waits for the work any more. */
export function orAbort<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Why what a feed waits for is given up when it ends. */
export function feedEnded(): WalwireError {
  return new WalwireError('cancelled', {
    what: 'the feed ended',
    why: 'it was closed',
    hint: 'begin another feed at the position that was stored last',
  })
}
