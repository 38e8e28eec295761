/**
 * Every way in which walwire fails, with whether trying the same again can help. One table, so that a code is stable,
 * documented and classified in one place.
 */
export const errorCodes = {
  // what the caller asked for
  bad_option: { retryable: false },
  bad_connection: { retryable: false },
  unsupported_option: { retryable: false },
  start_failed: { retryable: false },
  feed_used: { retryable: false },
  ack_ahead: { retryable: false },
  // reaching a server
  connect_failed: { retryable: true },
  connect_timeout: { retryable: true },
  target_not_met: { retryable: true },
  not_postgres: { retryable: false },
  tls_refused: { retryable: false },
  tls_failed: { retryable: false },
  auth_failed: { retryable: false },
  auth_unsupported: { retryable: false },
  database_missing: { retryable: false },
  too_many_connections: { retryable: true },
  server_not_ready: { retryable: true },
  // a connection that was there
  connection_lost: { retryable: true },
  connection_closed: { retryable: false },
  server_stopping: { retryable: true },
  standby_promoted: { retryable: true },
  timeline_changed: { retryable: true },
  two_servers: { retryable: true },
  server_error: { retryable: false },
  cancelled: { retryable: false },
  query_timeout: { retryable: true },
  protocol_violation: { retryable: false },
  settings_not_in_force: { retryable: false },
  not_replication: { retryable: false },
  // what replication needs of the server
  unsupported_server: { retryable: false },
  wal_level: { retryable: false },
  not_permitted: { retryable: false },
  publication_missing: { retryable: false },
  publication_conflict: { retryable: false },
  identity_conflict: { retryable: false },
  row_security: { retryable: false },
  // slots
  slot_exists: { retryable: false },
  slot_lost: { retryable: false },
  slot_recreated: { retryable: false },
  slot_invalidated: { retryable: false },
  slot_active: { retryable: true },
  slot_taken: { retryable: true },
  slot_physical: { retryable: false },
  slot_plugin: { retryable: false },
  slot_two_phase: { retryable: false },
  slot_database: { retryable: false },
  slot_synchronized: { retryable: false },
  slot_creation_timeout: { retryable: true },
  slots_exhausted: { retryable: true },
  temporary_slot_lost: { retryable: false },
  // positions
  gap: { retryable: false },
  position_malformed: { retryable: false },
  position_ahead: { retryable: false },
  position_incompatible: { retryable: false },
  position_not_found: { retryable: false },
  other_system: { retryable: false },
  other_database: { retryable: false },
  other_slot: { retryable: false },
  timeline_diverged: { retryable: false },
  // values and snapshots
  value_too_long: { retryable: false },
  invalid_text: { retryable: false },
  row_unidentified: { retryable: false },
  types_failed: { retryable: false },
  snapshot_unstable: { retryable: true },
  locks_exhausted: { retryable: true },
  // delivering, and the file destination
  drain_timeout: { retryable: true },
  checkpoint_start: { retryable: false },
  checkpoint_malformed: { retryable: false },
  checkpoint_output: { retryable: false },
  checkpoint_publications: { retryable: false },
  checkpoint_locked: { retryable: true },
  checkpoint_lock_lost: { retryable: false },
  checkpoint_failed: { retryable: false },
  output_shorter: { retryable: false },
  output_not_empty: { retryable: false },
  output_changed: { retryable: false },
  output_failed: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>

/** The stable name of a failure: what a program branches on. */
export type ErrorCode = keyof typeof errorCodes

/** The data at hand when something failed; which fields are there depends on the code. */
export interface ErrorData {
  readonly slot?: string | undefined
  readonly lsn?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  /** The server's five-character error code. */
  readonly sqlstate?: string | undefined
  /** The message's tag byte as a character. */
  readonly tag?: string | undefined
  /** Byte offset of the failure, from the start of the message's body. */
  readonly offset?: number | undefined
}

/** What an error is made of: three plain sentences without a full stop, and what is known. */
export interface ErrorParts extends ErrorData {
  /** What did not work. */
  readonly what: string
  /** Why. */
  readonly why: string
  /** What to do about it. */
  readonly hint: string
  /** Overrides the code's own answer to whether the same may work later. */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

/** Any failure that walwire reports. `message` is `what: why`; `hint` says what to do. Never holds a secret. */
export class WalwireError extends Error {
  override readonly name: string = 'WalwireError'
  readonly code: ErrorCode
  readonly what: string
  readonly why: string
  readonly hint: string
  /** Whether the same call may work later, without anything being changed by hand. */
  readonly retryable: boolean
  readonly slot: string | undefined
  readonly lsn: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly sqlstate: string | undefined
  readonly tag: string | undefined
  readonly offset: number | undefined

  constructor(code: ErrorCode, parts: ErrorParts) {
    super(`${parts.what}: ${parts.why}`, parts.cause === undefined ? undefined : { cause: parts.cause })
    this.code = code
    this.what = parts.what
    this.why = parts.why
    this.hint = parts.hint
    this.retryable = parts.retryable ?? errorCodes[code].retryable
    this.slot = parts.slot
    this.lsn = parts.lsn
    this.table = parts.table
    this.column = parts.column
    this.sqlstate = parts.sqlstate
    this.tag = parts.tag
    this.offset = parts.offset
  }
}

/** Bytes that do not follow the protocol: a bug on either side, or something between the two that is not a wire. */
export class ProtocolError extends WalwireError {
  override readonly name = 'ProtocolError'

  /**
   * @param what which message or value could not be read
   * @param why what stood there and what was expected
   * @param offset byte offset from the start of the message's body
   * @param tag the message's tag, where there is one
   */
  constructor(what: string, why: string, offset: number, tag?: string) {
    super('protocol_violation', {
      what,
      why: `${why} (byte ${offset})`,
      hint: 'check that nothing between client and server changes bytes; otherwise please report it with the message',
      tag,
      offset,
    })
  }
}
