import type { PgoutputDecoder } from '../decoder/pgoutput.ts'
import { type ErrorCode, WalwireError } from '../protocol/messages/errors.ts'
import { errorFieldsOf, isFatal } from '../protocol/messages/server-error.ts'

interface Meaning {
  readonly sqlstate: string
  /** Tells apart what shares a SQLSTATE, by the server's function, which unlike the message is never translated. */
  readonly routines?: readonly string[]
  readonly code: ErrorCode
  /** Said of other things too, where it is not the walsender that says it. */
  readonly ofWalsender?: true
  /** It is the fault of a change, and so of a table. */
  readonly ofChange?: true
  readonly hint: string
}

/** What SQLSTATEs mean to a feed, above all when they come from START_REPLICATION or out of the stream. The first that fits. */
const meanings: readonly Meaning[] = [
  {
    sqlstate: '55006',
    ofWalsender: true,
    code: 'slot_active',
    hint: 'stop the other follower of this slot, or wait until the server notices that it is gone (wal_sender_timeout)',
  },
  {
    sqlstate: '42704',
    routines: ['get_publication_oid'],
    code: 'publication_missing',
    hint: 'the publication did not exist when the change was made, or was dropped since; make it, and begin with a new slot and snapshot',
  },
  {
    sqlstate: '42704',
    ofWalsender: true,
    code: 'slot_lost',
    hint: 'the slot was dropped: what it held is gone; begin again with a new slot and snapshot',
  },
  {
    sqlstate: '55000',
    // where versions 14 to 18 find a slot invalidated
    routines: [
      'StartLogicalReplication',
      'CreateDecodingContext',
      'ReplicationSlotAcquire',
      'RaiseSlotInvalidationError',
    ],
    code: 'slot_invalidated',
    hint: 'what the slot held was removed; drop it, begin again with a new snapshot, and see max_slot_wal_keep_size',
  },
  {
    sqlstate: '55000',
    routines: ['exec_replication_command'],
    code: 'server_stopping',
    hint: 'the server is stopping; begin again at the stored position when it is back',
  },
  {
    sqlstate: '0A000',
    // what the server finds at a change whose publications did not agree on the table's columns when it was made
    routines: ['pgoutput_column_list_init', 'check_and_init_gencol'],
    code: 'publication_conflict',
    hint: 'give the table the same column list in all publications (ALTER PUBLICATION … SET TABLE); what was written while they differed can be streamed through one of them alone: continue with that one, or begin with a new slot and snapshot',
  },
  {
    // a character of the database's encoding that Unicode has none for
    sqlstate: '22P05',
    ofWalsender: true,
    code: 'invalid_text',
    ofChange: true,
    hint: 'correct the stored value, or leave its column out of the publication; the change is in the WAL as it was, so begin with a new slot and snapshot',
  },
  {
    sqlstate: '42501',
    code: 'not_permitted',
    hint: 'the role needs the attribute REPLICATION: ALTER ROLE … REPLICATION',
  },
]

/** Where the change stands that the output plugin failed at: logical.c output_plugin_error_callback says it in any language. */
function associatedLsn(where: string | undefined): string | undefined {
  return where?.match(/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/)?.[0]
}

/** Where an error came up. */
export interface ErrorPlace {
  /** The table that the stream spoke of last. */
  readonly last: PgoutputDecoder['lastTable']
  /** Whether START_REPLICATION was answered with it, or a stream. */
  readonly isOfWalsender: boolean
}

/** Gives an error of the server its own code, where it means something to a feed, and the slot's name. */
export function asReplicationError(error: unknown, slot: string, { last, isOfWalsender }: ErrorPlace): unknown {
  const fields = errorFieldsOf(error)
  if (error instanceof WalwireError && error.code === 'cancelled' && fields !== undefined) return cancelled(error, slot)
  if (!(error instanceof WalwireError) || error.code !== 'server_error' || fields === undefined) return error
  const meaning = meanings.find(
    ({ sqlstate, routines, ofWalsender }) =>
      sqlstate === fields.code &&
      (routines === undefined || routines.includes(fields.routine ?? '')) &&
      (ofWalsender !== true || isOfWalsender),
  )
  const lsn = associatedLsn(fields.where)
  // of what nothing is known, the place is told all the same
  if (meaning === undefined && lsn === undefined) return error
  const place =
    last === undefined
      ? ''
      : last.sure
        ? `, at a change of table ${last.table}`
        : `, after a change of table ${last.table}`
  const ofChange = meaning?.ofChange === true || meaning === undefined
  return new WalwireError(meaning?.code ?? error.code, {
    what: `slot ${slot} cannot be streamed from${ofChange ? place : ''}`,
    why: lsn === undefined ? error.why : `${error.why} (change at ${lsn})`,
    hint: meaning?.hint ?? error.hint,
    retryable: meaning === undefined ? error.retryable : undefined,
    slot,
    table: ofChange && last?.sure === true ? last.table : undefined,
    lsn,
    sqlstate: error.sqlstate,
    cause: error,
  })
}

/** What a feed cancels itself it answers for itself: this was somebody else. */
function cancelled(cause: WalwireError, slot: string): WalwireError {
  return new WalwireError('cancelled', {
    what: `slot ${slot} was not followed any further`,
    why: cause.why,
    hint: 'somebody cancelled it (pg_cancel_backend, or a timeout of the server); begin again at the stored position',
    retryable: true,
    slot,
    sqlstate: cause.sqlstate,
    cause,
  })
}

/** Without a connection there is no telling more; a FATAL is said before the connection closes, which may come unnoticed. */
export function isConnectionLoss(error: unknown): error is WalwireError {
  if (!(error instanceof WalwireError)) return false
  const fields = errorFieldsOf(error)
  const isLastWord = fields !== undefined && isFatal(fields)
  return isLastWord || error.code === 'connection_closed' || error.code === 'connection_lost'
}
