import { type ErrorCode, WalwireError } from '../protocol/errors.ts'

interface Meaning {
  readonly sqlstate: string
  /** Tells apart what shares a SQLSTATE, by words of the server's English message. */
  readonly text?: RegExp
  readonly code: ErrorCode
  readonly hint: string
}

/** What SQLSTATEs mean when they come from START_REPLICATION or out of the stream. The first that fits. */
const meanings: readonly Meaning[] = [
  {
    sqlstate: '55006',
    code: 'slot_active',
    hint: 'stop the other follower of this slot, or wait until the server notices that it is gone (wal_sender_timeout)',
  },
  {
    sqlstate: '42704',
    text: /publication/i,
    code: 'publication_missing',
    hint: 'the publication did not exist when the change was made, or was dropped since; make it, and begin with a new slot and snapshot',
  },
  {
    sqlstate: '42704',
    code: 'slot_lost',
    hint: 'the slot was dropped: what it held is gone; begin again with a new slot and snapshot',
  },
  {
    sqlstate: '55000',
    text: /can no longer|invalidated|exceeded the maximum reserved size/i,
    code: 'slot_invalidated',
    hint: 'what the slot held was removed; drop it, begin again with a new snapshot, and see max_slot_wal_keep_size',
  },
  {
    sqlstate: '42501',
    code: 'not_permitted',
    hint: 'the role needs the attribute REPLICATION: ALTER ROLE … REPLICATION',
  },
]

/** Gives an error that came out of a replication command or a stream its own code, and the slot's name. */
export function asReplicationError(error: unknown, slot: string): unknown {
  if (!(error instanceof WalwireError) || error.sqlstate === undefined) return error
  const meaning = meanings.find(({ sqlstate, text }) => sqlstate === error.sqlstate && (text?.test(error.why) ?? true))
  if (meaning === undefined || error.code !== 'server_error') return error
  return new WalwireError(meaning.code, {
    what: `slot ${slot} cannot be streamed from`,
    why: error.why,
    hint: meaning.hint,
    slot,
    sqlstate: error.sqlstate,
    cause: error,
  })
}
