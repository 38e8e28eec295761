import { WalwireError } from '../../protocol/messages/errors.ts'

/**
 * The library's errors speak of its options and of positions, as its callers write them. Whoever runs the command writes
 * arguments, and keeps positions in checkpoints.
 */
const words: readonly (readonly [RegExp, string])[] = [
  [/give the position that was stored/g, 'use the --checkpoint of the run that made it'],
  [/begin again at the stored position/g, 'run the same command again'],
  [/(begin|start)(?: over)? without a position/g, '$1 without the checkpoint and its output'],
  [/start (\w+) without a position/g, 'use $1 without the checkpoint and its output'],
  [/^the delivery was stopped\b/g, 'walwire was stopped'],
  [/\bdeliver again\b/g, 'run the same command again'],
  [/the start (\S+) contradicts the checkpoint/g, '--start $1 contradicts the checkpoint'],
  [/(?<=without |with |leave out )(?:a|the) start\b/g, '--start'],
  [/\bthe same output\b/g, 'the same --output'],
  [/\bthe same publications\b/g, 'the same --publication'],
  [/\bgive rotate\b/g, 'give --rotate'],
  [/\bslotTimeoutMs\b/g, '--slot-timeout'],
  [/\bonLostSlot: '(\w+)'/g, '--on-lost-slot $1'],
  [/\b(start|snapshot): '(\w+)'/g, '--$1 $2'],
  [/the option '?(\w+)'?(?= )/g, 'the option --$1'],
]

/** The same failure in the command's words. Anything else than an error of the library is given back as it is. */
export function inCommandWords(error: unknown): unknown {
  if (!(error instanceof WalwireError)) return error
  const { code, slot, lsn, table, column, sqlstate, tag, offset, retryable } = error
  return new WalwireError(code, {
    what: translated(error.what),
    why: translated(error.why),
    hint: translated(error.hint),
    ...{ slot, lsn, table, column, sqlstate, tag, offset, retryable },
    cause: error,
  })
}

function translated(text: string): string {
  return words.reduce((changed, [pattern, replacement]) => changed.replace(pattern, replacement), text)
}
