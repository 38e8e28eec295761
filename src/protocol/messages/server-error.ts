import type { ErrorFields } from './error-fields.ts'
import { type ErrorCode, WalwireError } from './errors.ts'

/** The server's own account of a failure; the `cause` of every {@link WalwireError} that came out of an ErrorResponse. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError'
  readonly fields: ErrorFields

  constructor(fields: ErrorFields) {
    super(`${severityOf(fields)} ${fields.code}: ${fields.message}`)
    this.fields = fields
  }
}

/** The ErrorResponse behind an error, if that is where it came from. */
export function errorFieldsOf(error: unknown): ErrorFields | undefined {
  return error instanceof WalwireError && error.cause instanceof PostgresError ? error.cause.fields : undefined
}

/** Whether the server closes the connection after this. */
export function isFatal(fields: ErrorFields): boolean {
  const severity = severityOf(fields)
  return severity === 'FATAL' || severity === 'PANIC'
}

interface Meaning {
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable?: boolean
}

/**
 * What SQLSTATEs mean on any connection. Those that mean something only to one command are that command's to classify.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const meanings: Readonly<Record<string, Meaning>> = {
  '57P01': {
    code: 'server_stopping',
    hint: 'the server was stopped or the session ended by an administrator; connect again',
  },
  '57P02': { code: 'server_stopping', hint: 'a server process crashed and the server restarts; connect again' },
  '57P03': {
    code: 'server_not_ready',
    hint: 'the server is starting, recovering or stopping; connect again in a moment',
  },
  '25P04': {
    code: 'server_error',
    hint: "raise transaction_timeout for this role: it ended the session before the session's own, which has none, could be set",
  },
  '57P05': { code: 'connection_lost', hint: 'raise idle_session_timeout for this role; connect again' },
  '57014': { code: 'cancelled', hint: 'something cancelled the command: a cancel request or a timeout of the server' },
  '53300': {
    code: 'too_many_connections',
    hint: 'end other connections, or raise max_connections, max_wal_senders or the limit of this role or database',
  },
}

/** The same, where they mean something else while a session is being set up. */
const startupMeanings: Readonly<Record<string, Meaning>> = {
  '28P01': { code: 'auth_failed', hint: 'check user and password' },
  '28000': {
    code: 'auth_failed',
    hint: 'check that the role exists and may log in, and that pg_hba.conf has an entry for this host, user and database',
  },
  '3D000': { code: 'database_missing', hint: 'check the name of the database (dbname, PGDATABASE)' },
  '42501': {
    code: 'not_permitted',
    hint: 'give the role what it lacks: ALTER ROLE … REPLICATION for replication, GRANT CONNECT ON DATABASE … for the rest',
  },
  '08P01': {
    code: 'server_error',
    hint: 'connect to the server itself: a connection pooler in between does not pass replication or session settings on',
    retryable: false,
  },
  '42704': { code: 'server_error', hint: 'walwire needs PostgreSQL 14 or newer' },
}

/** SQLSTATEs, or their first two characters, after which the same may work later. */
const passing = new Set(['08', '40', '53', '55006', '55P03', '57P04', '58030'])

/**
 * Turns an ErrorResponse into the error that a caller sees.
 *
 * @param what what did not work, as the first sentence
 * @param during whether the session was being set up: 28000, 3D000, 42501 … then say something about the connection
 * @param hint what to do, where that is known better than from the SQLSTATE
 */
export function serverError(
  what: string,
  fields: ErrorFields,
  during: 'startup' | 'session',
  hint?: string,
): WalwireError {
  const meaning = (during === 'startup' ? startupMeanings[fields.code] : undefined) ?? meanings[fields.code]
  const detail = fields.detail === undefined ? '' : `; ${fields.detail}`
  const where = fields.where === undefined ? '' : `; ${fields.where}`
  return new WalwireError(meaning?.code ?? 'server_error', {
    what,
    why: `${severityOf(fields)} ${fields.code}: ${fields.message}${detail}${where}`.replaceAll('\n', '; '),
    hint:
      hint ??
      fields.hint ??
      meaning?.hint ??
      "look the SQLSTATE up in PostgreSQL's appendix of error codes, and see the server's log",
    retryable:
      meaning?.retryable ?? (passing.has(fields.code) || passing.has(fields.code.slice(0, 2)) ? true : undefined),
    sqlstate: fields.code,
    table: fields.table === undefined ? undefined : `${fields.schema ?? ''}.${fields.table}`,
    column: fields.column,
    cause: new PostgresError(fields),
  })
}

function severityOf(fields: ErrorFields): string {
  return fields.severityNonlocalized ?? fields.severity
}
