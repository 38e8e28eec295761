import { ProtocolError } from './errors.ts'
import { encodeUntagged } from './frame.ts'
import { Reader } from './reader.ts'
import { checkSecretKey, readSecretKey } from './secret-key.ts'
import { refuse } from './writer.ts'

/*
 * The messages that have no tag: what a client begins with, and the byte that a server answers a request for encryption
 * with. They are told apart by the Int32 that stands first, a version of the protocol or a number that none will have.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */

/** What the Int32 says, where it is no version. */
const requestCode = { CancelRequest: 80_877_102, SSLRequest: 80_877_103, GSSENCRequest: 80_877_104 } as const

/** A connection of its own that asks to cancel what another one runs. */
export interface CancelRequest {
  readonly type: 'CancelRequest'
  readonly processId: number
  /** As BackendKeyData had it: 4 bytes up to protocol 3.1, up to 256 from 3.2 on. */
  readonly secretKey: Uint8Array
}

/** `Int32 80877102, Int32 processId, Byte[n] secretKey` */
export function decodeCancelRequest(reader: Reader): CancelRequest {
  return { type: 'CancelRequest', processId: reader.int32('process ID'), secretKey: readSecretKey(reader) }
}

export function encodeCancelRequest({ processId, secretKey }: CancelRequest): Uint8Array {
  checkSecretKey(secretKey)
  return encodeUntagged((writer) => writer.int32(requestCode.CancelRequest).int32(processId).bytes(secretKey))
}

/** Asks for encryption by GSSAPI. */
export interface GSSENCRequest {
  readonly type: 'GSSENCRequest'
}

/** `Int32 80877104` */
export function decodeGSSENCRequest(reader: Reader): GSSENCRequest {
  reader.finish()
  return { type: 'GSSENCRequest' }
}

export function encodeGSSENCRequest(_message: GSSENCRequest): Uint8Array {
  return encodeUntagged((writer) => writer.int32(requestCode.GSSENCRequest))
}

/** Asks for TLS. */
export interface SSLRequest {
  readonly type: 'SSLRequest'
}

/** `Int32 80877103` */
export function decodeSSLRequest(reader: Reader): SSLRequest {
  reader.finish()
  return { type: 'SSLRequest' }
}

export function encodeSSLRequest(_message: SSLRequest): Uint8Array {
  return encodeUntagged((writer) => writer.int32(requestCode.SSLRequest))
}

/** Begins a session. */
export interface StartupMessage {
  readonly type: 'StartupMessage'
  /** The major version in the upper 16 bits, the minor in the lower: 0x00030000 is 3.0, 0x00030002 is 3.2. */
  readonly protocolVersion: number
  /**
   * Names and values as they were sent: `user`, `database`, `options`, `replication`, settings of the session, and options
   * of the protocol itself, which begin with `_pq_.`.
   */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

/** `Int32 version, each: String name, String value`, until an empty name */
export function decodeStartupMessage(protocolVersion: number, reader: Reader): StartupMessage {
  const parameters: [string, string][] = []
  for (;;) {
    const name = reader.cstring('name of a parameter')
    if (name === '') break
    parameters.push([name, reader.cstring(`value of ${name}`)])
  }
  reader.finish()
  return { type: 'StartupMessage', protocolVersion, parameters }
}

export function encodeStartupMessage({ protocolVersion, parameters }: StartupMessage): Uint8Array {
  return encodeUntagged((writer) => {
    writer.int32(protocolVersion)
    for (const [name, value] of parameters) {
      if (name === '') refuse('a parameter has no name, and an empty one ends the list')
      writer.cstring(name, 'the name of a parameter').cstring(value, `the value of ${name}`)
    }
    writer.uint8(0)
  })
}

/** Any of them. */
export type UntaggedMessage = CancelRequest | GSSENCRequest | SSLRequest | StartupMessage

/**
 * Reads one of the messages that have no tag.
 *
 * @param bytes the array that holds what stands behind the length word, from `start` to `end`
 * @throws {ProtocolError} when it is none of them, or of another major version than 3
 */
export function decodeUntagged(bytes: Uint8Array, start: number, end: number): UntaggedMessage {
  const code = new Reader(bytes, start, end, 'The first message').int32('version')
  const body = (name: UntaggedMessage['type']) => {
    const reader = new Reader(bytes, start, end, name)
    reader.int32('version')
    return reader
  }
  switch (code) {
    case requestCode.CancelRequest:
      return decodeCancelRequest(body('CancelRequest'))
    case requestCode.GSSENCRequest:
      return decodeGSSENCRequest(body('GSSENCRequest'))
    case requestCode.SSLRequest:
      return decodeSSLRequest(body('SSLRequest'))
    default:
      if (code >> 16 === 3) return decodeStartupMessage(code, body('StartupMessage'))
      throw new ProtocolError(
        'The first message could not be read',
        `its version is ${code >>> 16}.${code & 0xffff}, and 3.x is known`,
        0,
      )
  }
}

export function encodeUntaggedMessage(message: UntaggedMessage): Uint8Array {
  switch (message.type) {
    case 'CancelRequest':
      return encodeCancelRequest(message)
    case 'GSSENCRequest':
      return encodeGSSENCRequest(message)
    case 'SSLRequest':
      return encodeSSLRequest(message)
    case 'StartupMessage':
      return encodeStartupMessage(message)
    default:
      return message satisfies never
  }
}

/**
 * A server's answer to SSLRequest or GSSENCRequest: one byte alone. After `S` and `G` everything is encrypted; after `N` the
 * client goes on as it likes. Instead of it an ErrorResponse may come, which begins with `E`.
 */
export interface EncryptionResponse {
  readonly type: 'EncryptionResponse'
  readonly answer: 'S' | 'G' | 'N'
}

/** `Byte1 answer` */
export function decodeEncryptionResponse(to: 'SSLRequest' | 'GSSENCRequest', byte: number): EncryptionResponse {
  const answer = String.fromCharCode(byte)
  if (answer === 'N' || answer === (to === 'SSLRequest' ? 'S' : 'G')) return { type: 'EncryptionResponse', answer }
  throw new ProtocolError(
    `the answer to ${to} could not be read`,
    `it is 0x${byte.toString(16).padStart(2, '0')}, and ${to === 'SSLRequest' ? 'S' : 'G'} and N are known`,
    0,
  )
}

export function encodeEncryptionResponse({ answer }: EncryptionResponse): Uint8Array {
  return Uint8Array.of(answer.charCodeAt(0))
}
