import { WalwireError } from '../messages/errors.ts'
import { escapedText } from '../messages/escaped-text.ts'
import { copyDoneMessage, copyFailMessage, queryMessage } from './frontend.ts'
import type { Session } from './session.ts'

/** What one statement gave. */
export interface QueryResult<Value = string> {
  /** Empty for a statement without rows. */
  readonly columns: readonly string[]
  /** Text format, whatever the types. */
  readonly rows: readonly (readonly (Value | null)[])[]
  /** The command's tag (`SELECT 3`); empty for an empty statement. */
  readonly command: string
}

const refused = 'the server refused a command'

/**
 * Sends a query string and reads everything up to ReadyForQuery, also after an error, so that the session can go on.
 *
 * @param read makes a value of a column's bytes
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY
 */
export async function runQuery<Value>(
  session: Session,
  sql: string,
  read: (value: Uint8Array) => Value,
): Promise<QueryResult<Value>[]> {
  send(session, sql)
  const results: QueryResult<Value>[] = []
  let columns: string[] = []
  let rows: (Value | null)[][] = []
  let error: unknown
  for (;;) {
    const message = await session.receive()
    switch (message.type) {
      case 'RowDescription':
        columns = message.fields.map((field) => field.name)
        break
      case 'DataRow':
        try {
          rows.push(message.values.map((value) => (value === null ? null : read(value))))
        } catch (unreadable) {
          error ??= nameRow(unreadable, message.values)
        }
        break
      case 'CommandComplete':
      case 'EmptyQueryResponse':
        results.push({ columns, rows, command: message.type === 'CommandComplete' ? message.command : '' })
        columns = []
        rows = []
        break
      case 'ErrorResponse':
        error ??= session.serverError(refused, message.fields)
        break
      case 'CopyInResponse':
        error ??= copyFromClient(session)
        break
      case 'CopyBothResponse':
        error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
        session.write(copyDoneMessage())
        break
      case 'CopyOutResponse':
        error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
        break
      case 'CopyData':
      case 'CopyDone':
        if (error === undefined) throw session.outOfOrder(message)
        break
      case 'ReadyForQuery':
        session.becomeIdle()
        if (error !== undefined) throw error
        return results
      default:
        throw session.outOfOrder(message)
    }
  }
}

/** Sends a command that begins a copy, and waits until it has begun. */
export async function beginCopy(session: Session, sql: string): Promise<'both' | 'out'> {
  send(session, sql)
  let error: WalwireError | undefined
  for (;;) {
    const message = await session.receive()
    switch (message.type) {
      case 'CopyBothResponse':
      case 'CopyOutResponse':
        session.becomeCopying()
        return message.type === 'CopyBothResponse' ? 'both' : 'out'
      case 'ErrorResponse':
        error ??= session.serverError(refused, message.fields)
        break
      case 'CopyInResponse':
        error ??= copyFromClient(session)
        break
      case 'RowDescription':
      case 'DataRow':
      case 'CommandComplete':
      case 'EmptyQueryResponse':
        error ??= wrongCall('the statement does not begin a copy', 'call query instead of copy')
        break
      case 'ReadyForQuery':
        session.becomeIdle()
        throw error ?? session.outOfOrder(message)
      default:
        throw session.outOfOrder(message)
    }
  }
}

/**
 * Reads a copy to its end and up to ReadyForQuery, dropping its data.
 *
 * @returns the tags of the commands that ended
 */
export async function finishCopy(session: Session): Promise<string[]> {
  const commands: string[] = []
  let error: WalwireError | undefined
  for (;;) {
    const message = await session.receive(true)
    switch (message.type) {
      case 'CopyDone':
        break
      case 'CommandComplete':
        commands.push(message.command)
        break
      case 'ErrorResponse':
        error ??= session.serverError('the copy was broken off', message.fields)
        break
      case 'ReadyForQuery':
        session.becomeIdle()
        if (error) throw error
        return commands
      default:
        throw session.outOfOrder(message)
    }
  }
}

function send(session: Session, sql: string): void {
  if (session.failure) throw session.failure
  if (session.copying) throw wrongCall('the connection is in the middle of a copy', 'end it with endCopy first')
  const message = queryMessage(sql)
  session.becomeBusy()
  session.write(message)
}

function copyFromClient(session: Session): WalwireError {
  session.write(copyFailMessage('walwire does not copy to the server'))
  return wrongCall('the statement begins a copy to the server', 'use another statement')
}

function wrongCall(why: string, hint: string): WalwireError {
  return new WalwireError('bad_option', { what: 'the command cannot be run like this', why, hint })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const shownCharacters = 200

/** The failure of a value, with the row that it stands in: that is how one finds a name which nobody can write. */
function nameRow(error: unknown, values: readonly (Uint8Array | null)[]): unknown {
  if (!(error instanceof WalwireError) || error.code !== 'invalid_text') return error
  const row = values.map((value) => (value === null ? 'NULL' : escapedText(value).slice(0, shownCharacters)))
  const { what, hint, cause } = error
  return new WalwireError('invalid_text', { what, why: `${error.why}: ${row.join(', ')}`, hint, cause })
}

/** A value as text. @throws {WalwireError} `invalid_text` */
export function readText(value: Uint8Array): string {
  try {
    return utf8.decode(value)
  } catch (cause) {
    throw new WalwireError('invalid_text', {
      what: 'a value in the answer to a query cannot be read',
      why: 'it is not valid UTF-8, which neither a database with the encoding SQL_ASCII prevents nor one of another encoding on the server',
      hint: 'mend the value or the name in the database (ALTER … RENAME); where it is the name of a table, a publication that does not have that table can be followed',
      cause,
    })
  }
}
