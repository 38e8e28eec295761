import { type AuthenticationMessage, readAuthentication } from './authentication-messages.ts'
import { type ErrorFields, readErrorFields } from './error-fields.ts'
import { ProtocolError } from './errors.ts'
import { Reader } from './reader.ts'

/**
 * The tag bytes of what a server sends on a connection that uses the simple query protocol.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export const backendTag = {
  Authentication: 0x52, // R
  BackendKeyData: 0x4b, // K
  CommandComplete: 0x43, // C
  CopyBothResponse: 0x57, // W
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyInResponse: 0x47, // G
  CopyOutResponse: 0x48, // H
  DataRow: 0x44, // D
  EmptyQueryResponse: 0x49, // I
  ErrorResponse: 0x45, // E
  NegotiateProtocolVersion: 0x76, // v
  NoticeResponse: 0x4e, // N
  NotificationResponse: 0x41, // A
  ParameterStatus: 0x53, // S
  ReadyForQuery: 0x5a, // Z
  RowDescription: 0x54, // T
} as const

/** `K`: what a CancelRequest needs. The key has 4 bytes up to protocol 3.1, up to 256 from 3.2 on. */
export interface BackendKeyData {
  readonly type: 'BackendKeyData'
  readonly processId: number
  readonly secretKey: Uint8Array
}

/** `C`: a command ended; the tag is its name and mostly a number of rows. */
export interface CommandComplete {
  readonly type: 'CommandComplete'
  readonly command: string
}

/** `G`, `H`, `W`: copying begins. */
export interface CopyResponse {
  readonly type: 'CopyInResponse' | 'CopyOutResponse' | 'CopyBothResponse'
  /** The format of the whole; `binary` has a header and a trailer. */
  readonly format: 'text' | 'binary'
  readonly columnFormats: readonly ('text' | 'binary')[]
}

/** `d`: a piece of a copy. A server cuts at rows, except in the middle of nothing: see protocol-copy. */
export interface CopyData {
  readonly type: 'CopyData'
  readonly data: Uint8Array
}

/** `c` */
export interface CopyDone {
  readonly type: 'CopyDone'
}

/** `D`: a row; what a value's bytes mean stands in the RowDescription before it. */
export interface DataRow {
  readonly type: 'DataRow'
  readonly values: readonly (Uint8Array | null)[]
}

/** `I`: instead of CommandComplete when the query was empty. */
export interface EmptyQueryResponse {
  readonly type: 'EmptyQueryResponse'
}

/** `E` */
export interface ErrorResponse {
  readonly type: 'ErrorResponse'
  readonly fields: ErrorFields
}

/** `v`: the server knows only an older minor version, or not some of the startup's `_pq_.` options. */
export interface NegotiateProtocolVersion {
  readonly type: 'NegotiateProtocolVersion'
  /** The newest version that it speaks, as in the startup message: 0x00030000 is 3.0. */
  readonly version: number
  readonly unrecognizedOptions: readonly string[]
}

/** `N` */
export interface NoticeResponse {
  readonly type: 'NoticeResponse'
  readonly fields: ErrorFields
}

/** `A` */
export interface NotificationResponse {
  readonly type: 'NotificationResponse'
  readonly processId: number
  readonly channel: string
  readonly payload: string
}

/** `S` */
export interface ParameterStatus {
  readonly type: 'ParameterStatus'
  readonly name: string
  readonly value: string
}

/** `Z`: the server waits for the next query. */
export interface ReadyForQuery {
  readonly type: 'ReadyForQuery'
  /** `I` idle, `T` in a transaction, `E` in a failed one. */
  readonly status: 'I' | 'T' | 'E'
}

/** One column of a {@link RowDescription}. */
export interface FieldDescription {
  readonly name: string
  /** 0 when the column is not one of a table's. */
  readonly tableOid: number
  /** The column's attribute number in the table, or 0. */
  readonly columnNumber: number
  readonly typeOid: number
  /** Negative for a type of variable width. */
  readonly typeSize: number
  readonly typeModifier: number
  readonly format: 'text' | 'binary'
}

/** `T` */
export interface RowDescription {
  readonly type: 'RowDescription'
  readonly fields: readonly FieldDescription[]
}

/** Whatever a server sends, told apart by `type`, the documentation's name. */
export type BackendMessage =
  | AuthenticationMessage
  | BackendKeyData
  | CommandComplete
  | CopyResponse
  | CopyData
  | CopyDone
  | DataRow
  | EmptyQueryResponse
  | ErrorResponse
  | NegotiateProtocolVersion
  | NoticeResponse
  | NotificationResponse
  | ParameterStatus
  | ReadyForQuery
  | RowDescription

/**
 * Reads one message. What it gives shares no memory with the bytes.
 *
 * @param tag the message's tag byte
 * @param bytes the array that holds the body from `start` to `end`, as a {@link Framer} shows it
 * @throws {ProtocolError} when the tag is not known here or the body does not serve
 */
export function decodeBackend(tag: number, bytes: Uint8Array, start: number, end: number): BackendMessage {
  switch (tag) {
    case backendTag.Authentication:
      return readAuthentication(new Reader(bytes, start, end, 'Authentication'))
    case backendTag.BackendKeyData:
      return readBackendKeyData(new Reader(bytes, start, end, 'BackendKeyData'))
    case backendTag.CommandComplete:
      return readCommandComplete(new Reader(bytes, start, end, 'CommandComplete'))
    case backendTag.CopyBothResponse:
      return readCopyResponse('CopyBothResponse', bytes, start, end)
    case backendTag.CopyData:
      return { type: 'CopyData', data: new Uint8Array(bytes.subarray(start, end)) }
    case backendTag.CopyDone:
      return readEmpty({ type: 'CopyDone' }, bytes, start, end)
    case backendTag.CopyInResponse:
      return readCopyResponse('CopyInResponse', bytes, start, end)
    case backendTag.CopyOutResponse:
      return readCopyResponse('CopyOutResponse', bytes, start, end)
    case backendTag.DataRow:
      return readDataRow(new Reader(bytes, start, end, 'DataRow'))
    case backendTag.EmptyQueryResponse:
      return readEmpty({ type: 'EmptyQueryResponse' }, bytes, start, end)
    case backendTag.ErrorResponse:
      return { type: 'ErrorResponse', fields: readErrorFields(new Reader(bytes, start, end, 'ErrorResponse')) }
    case backendTag.NegotiateProtocolVersion:
      return readNegotiateProtocolVersion(new Reader(bytes, start, end, 'NegotiateProtocolVersion'))
    case backendTag.NoticeResponse:
      return { type: 'NoticeResponse', fields: readErrorFields(new Reader(bytes, start, end, 'NoticeResponse')) }
    case backendTag.NotificationResponse:
      return readNotificationResponse(new Reader(bytes, start, end, 'NotificationResponse'))
    case backendTag.ParameterStatus:
      return readParameterStatus(new Reader(bytes, start, end, 'ParameterStatus'))
    case backendTag.ReadyForQuery:
      return readReadyForQuery(new Reader(bytes, start, end, 'ReadyForQuery'))
    case backendTag.RowDescription:
      return readRowDescription(new Reader(bytes, start, end, 'RowDescription'))
    default:
      throw unknownTag(tag)
  }
}

/** A tag byte that walwire does not know where it stands. */
export function unknownTag(tag: number): ProtocolError {
  const character = tag > 0x20 && tag < 0x7f ? String.fromCharCode(tag) : `0x${tag.toString(16).padStart(2, '0')}`
  return new ProtocolError('a message could not be read', `its type ${character} is not expected here`, 0, character)
}

/** `Int32 processId, Byte[n] secretKey` */
function readBackendKeyData(reader: Reader): BackendKeyData {
  const processId = reader.int32('process ID')
  const secretKey = reader.bytes(reader.remaining, 'secret key')
  if (secretKey.length < 4 || secretKey.length > 256) {
    reader.fail(`the secret key has ${secretKey.length} bytes, and 4 to 256 are allowed`)
  }
  return { type: 'BackendKeyData', processId, secretKey }
}

/** `String command` */
function readCommandComplete(reader: Reader): CommandComplete {
  const command = reader.cstring('command')
  reader.finish()
  return { type: 'CommandComplete', command }
}

/** `Int8 format, Int16 columns, Int16 format each` */
function readCopyResponse(type: CopyResponse['type'], bytes: Uint8Array, start: number, end: number): CopyResponse {
  const reader = new Reader(bytes, start, end, type)
  const format = readFormat(reader.uint8('format'), reader)
  const columnFormats: ('text' | 'binary')[] = []
  const columns = reader.count(reader.int16('number of columns'), 2, 'number of columns')
  for (let column = 0; column < columns; column++) {
    columnFormats.push(readFormat(reader.int16('column format'), reader))
  }
  reader.finish()
  return { type, format, columnFormats }
}

/** `Int16 columns, each: Int32 length (-1 is NULL), bytes` */
function readDataRow(reader: Reader): DataRow {
  const values: (Uint8Array | null)[] = []
  const columns = reader.count(reader.int16('number of columns'), 4, 'number of columns')
  for (let column = 0; column < columns; column++) {
    const length = reader.int32('value length')
    values.push(length === -1 ? null : reader.bytes(length, 'value'))
  }
  reader.finish()
  return { type: 'DataRow', values }
}

/** `Int32 version, Int32 number, String option each` */
function readNegotiateProtocolVersion(reader: Reader): NegotiateProtocolVersion {
  const version = reader.int32('version')
  const unrecognizedOptions: string[] = []
  const options = reader.count(reader.int32('number of options'), 1, 'number of options')
  for (let option = 0; option < options; option++) unrecognizedOptions.push(reader.cstring('option'))
  reader.finish()
  return { type: 'NegotiateProtocolVersion', version, unrecognizedOptions }
}

/** `Int32 processId, String channel, String payload` */
function readNotificationResponse(reader: Reader): NotificationResponse {
  const processId = reader.int32('process ID')
  const channel = reader.cstring('channel')
  const payload = reader.cstring('payload')
  reader.finish()
  return { type: 'NotificationResponse', processId, channel, payload }
}

/** `String name, String value`, read lossily: a value such as session_authorization comes in whatever encoding it has. */
function readParameterStatus(reader: Reader): ParameterStatus {
  const name = reader.lossyCstring('name')
  const value = reader.lossyCstring('value')
  reader.finish()
  return { type: 'ParameterStatus', name, value }
}

/** `Byte1 status` */
function readReadyForQuery(reader: Reader): ReadyForQuery {
  const status = String.fromCharCode(reader.uint8('status'))
  reader.finish()
  if (status !== 'I' && status !== 'T' && status !== 'E') {
    return reader.fail(`the transaction status is ${JSON.stringify(status)}, and I, T and E are known`)
  }
  return { type: 'ReadyForQuery', status }
}

/** `Int16 fields, each: String name, Int32 table, Int16 column, Int32 type, Int16 size, Int32 modifier, Int16 format` */
function readRowDescription(reader: Reader): RowDescription {
  const fields: FieldDescription[] = []
  const count = reader.count(reader.int16('number of fields'), 19, 'number of fields')
  for (let index = 0; index < count; index++) {
    fields.push({
      name: reader.cstring('field name'),
      tableOid: reader.uint32('table OID'),
      columnNumber: reader.int16('column number'),
      typeOid: reader.uint32('type OID'),
      typeSize: reader.int16('type size'),
      typeModifier: reader.int32('type modifier'),
      format: readFormat(reader.int16('format'), reader),
    })
  }
  reader.finish()
  return { type: 'RowDescription', fields }
}

function readFormat(code: number, reader: Reader): 'text' | 'binary' {
  if (code === 0) return 'text'
  if (code === 1) return 'binary'
  return reader.fail(`format ${code} is neither text (0) nor binary (1)`)
}

function readEmpty<M extends CopyDone | EmptyQueryResponse>(
  message: M,
  bytes: Uint8Array,
  start: number,
  end: number,
): M {
  new Reader(bytes, start, end, message.type).finish()
  return message
}
