import { WalwireError } from '../messages/errors.ts'
import { copyDoneMessage, copyFailMessage, queryMessage } from './frontend.ts'
import type { Link } from './link.ts'

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
  link: Link,
  sql: string,
  read: (value: Uint8Array) => Value,
): Promise<QueryResult<Value>[]> {
  send(link, sql)
  const results: QueryResult<Value>[] = []
  let columns: string[] = []
  let rows: (Value | null)[][] = []
  let error: unknown
  for (;;) {
    const message = await link.receive()
    switch (message.type) {
      case 'RowDescription':
        columns = message.fields.map((field) => field.name)
        break
      case 'DataRow':
        try {
          rows.push(message.values.map((value) => (value === null ? null : read(value))))
        } catch (unreadable) {
          error ??= unreadable
        }
        break
      case 'CommandComplete':
      case 'EmptyQueryResponse':
        results.push({ columns, rows, command: message.type === 'CommandComplete' ? message.command : '' })
        columns = []
        rows = []
        break
      case 'ErrorResponse':
        error ??= link.serverError(refused, message.fields)
        break
      case 'CopyInResponse':
        error ??= copyFromClient(link)
        break
      case 'CopyBothResponse':
        error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
        link.write(copyDoneMessage())
        break
      case 'CopyOutResponse':
        error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
        break
      case 'CopyData':
      case 'CopyDone':
        if (error === undefined) throw link.outOfOrder(message)
        break
      case 'ReadyForQuery':
        link.becomeIdle()
        if (error !== undefined) throw error
        return results
      default:
        throw link.outOfOrder(message)
    }
  }
}

/** Sends a command that begins a copy, and waits until it has begun. */
export async function beginCopy(link: Link, sql: string): Promise<'both' | 'out'> {
  send(link, sql)
  let error: WalwireError | undefined
  for (;;) {
    const message = await link.receive()
    switch (message.type) {
      case 'CopyBothResponse':
      case 'CopyOutResponse':
        link.becomeCopying()
        return message.type === 'CopyBothResponse' ? 'both' : 'out'
      case 'ErrorResponse':
        error ??= link.serverError(refused, message.fields)
        break
      case 'CopyInResponse':
        error ??= copyFromClient(link)
        break
      case 'RowDescription':
      case 'DataRow':
      case 'CommandComplete':
      case 'EmptyQueryResponse':
        error ??= wrongCall('the statement does not begin a copy', 'call query instead of copy')
        break
      case 'ReadyForQuery':
        link.becomeIdle()
        throw error ?? link.outOfOrder(message)
      default:
        throw link.outOfOrder(message)
    }
  }
}

/**
 * Reads a copy to its end and up to ReadyForQuery, dropping its data.
 *
 * @returns the tags of the commands that ended
 */
export async function finishCopy(link: Link): Promise<string[]> {
  const commands: string[] = []
  let error: WalwireError | undefined
  for (;;) {
    const message = await link.receive(true)
    switch (message.type) {
      case 'CopyDone':
        break
      case 'CommandComplete':
        commands.push(message.command)
        break
      case 'ErrorResponse':
        error ??= link.serverError('the copy was broken off', message.fields)
        break
      case 'ReadyForQuery':
        link.becomeIdle()
        if (error) throw error
        return commands
      default:
        throw link.outOfOrder(message)
    }
  }
}

function send(link: Link, sql: string): void {
  if (link.failure) throw link.failure
  if (link.copying) throw wrongCall('the connection is in the middle of a copy', 'end it with endCopy first')
  const message = queryMessage(sql)
  link.becomeBusy()
  link.write(message)
}

function copyFromClient(link: Link): WalwireError {
  link.write(copyFailMessage('walwire does not copy to the server'))
  return wrongCall('the statement begins a copy to the server', 'use another statement')
}

function wrongCall(why: string, hint: string): WalwireError {
  return new WalwireError('bad_option', { what: 'the command cannot be run like this', why, hint })
}
