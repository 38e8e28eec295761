import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { checkSecretKey, readSecretKey } from './secret-key.ts'
import { backendTag } from './tags.ts'

/*
 * What a server says about the session, in the documentation's order.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** `K`: what a CancelRequest needs. The key has 4 bytes up to protocol 3.1, up to 256 from 3.2 on. */
export interface BackendKeyData {
  readonly type: 'BackendKeyData'
  readonly processId: number
  readonly secretKey: Uint8Array
}

/** `Int32 processId, Byte[n] secretKey` */
export function decodeBackendKeyData(reader: Reader): BackendKeyData {
  return { type: 'BackendKeyData', processId: reader.int32('process ID'), secretKey: readSecretKey(reader) }
}

export function encodeBackendKeyData({ processId, secretKey }: BackendKeyData): Uint8Array {
  checkSecretKey(secretKey)
  return encodeTagged(backendTag.BackendKeyData, (writer) => writer.int32(processId).bytes(secretKey))
}

/** `v`: the server knows only an older minor version, or not some of the startup's `_pq_.` options. */
export interface NegotiateProtocolVersion {
  readonly type: 'NegotiateProtocolVersion'
  /** The newest version that it speaks, as in the startup message: 0x00030000 is 3.0. */
  readonly version: number
  readonly unrecognizedOptions: readonly string[]
}

/** `Int32 version, Int32 number, String option each` */
export function decodeNegotiateProtocolVersion(reader: Reader): NegotiateProtocolVersion {
  const version = reader.int32('version')
  const unrecognizedOptions: string[] = []
  const options = reader.count(reader.int32('number of options'), 1, 'number of options')
  for (let option = 0; option < options; option++) unrecognizedOptions.push(reader.cstring('option'))
  reader.finish()
  return { type: 'NegotiateProtocolVersion', version, unrecognizedOptions }
}

export function encodeNegotiateProtocolVersion(message: NegotiateProtocolVersion): Uint8Array {
  return encodeTagged(backendTag.NegotiateProtocolVersion, (writer) => {
    writer.int32(message.version).int32(message.unrecognizedOptions.length)
    for (const option of message.unrecognizedOptions) writer.cstring(option, 'an option')
  })
}

/** `S` */
export interface ParameterStatus {
  readonly type: 'ParameterStatus'
  readonly name: string
  readonly value: string
}

/** `String name, String value`, with what is not UTF-8 escaped: a value such as session_authorization comes in whatever encoding it has. */
export function decodeParameterStatus(reader: Reader): ParameterStatus {
  const name = reader.escapedCstring('name')
  const value = reader.escapedCstring('value')
  reader.finish()
  return { type: 'ParameterStatus', name, value }
}

export function encodeParameterStatus({ name, value }: ParameterStatus): Uint8Array {
  return encodeTagged(backendTag.ParameterStatus, (writer) =>
    writer.cstring(name, 'the name').cstring(value, 'the value'),
  )
}

/** `Z`: the server waits for the next query. */
export interface ReadyForQuery {
  readonly type: 'ReadyForQuery'
  /** `I` idle, `T` in a transaction, `E` in a failed one. */
  readonly status: 'I' | 'T' | 'E'
}

/** `Byte1 status` */
export function decodeReadyForQuery(reader: Reader): ReadyForQuery {
  const status = String.fromCharCode(reader.uint8('status'))
  reader.finish()
  if (status !== 'I' && status !== 'T' && status !== 'E') {
    return reader.fail(`the transaction status is ${JSON.stringify(status)}, and I, T and E are known`)
  }
  return { type: 'ReadyForQuery', status }
}

export function encodeReadyForQuery({ status }: ReadyForQuery): Uint8Array {
  return encodeTagged(backendTag.ReadyForQuery, (writer) => writer.tag(status))
}
