import type { AuthenticationMessage } from './authentication-messages.ts'
import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { frontendTag } from './tags.ts'

/*
 * What a client answers to an Authentication message. All have the tag `p`: which one it is follows from what the server
 * asked for last.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-GSSRESPONSE
 */

/** `p`: a step of GSSAPI or SSPI. */
export interface GSSResponse {
  readonly type: 'GSSResponse'
  readonly data: Uint8Array
}

/** `Byte[n] data` */
export function decodeGSSResponse(reader: Reader): GSSResponse {
  return { type: 'GSSResponse', data: reader.bytes(reader.remaining, 'data') }
}

export function encodeGSSResponse({ data }: GSSResponse): Uint8Array {
  return encodeTagged(frontendTag.Password, (writer) => writer.bytes(data))
}

/** `p`: the password, or `md5` and what was made of it. */
export interface PasswordMessage {
  readonly type: 'PasswordMessage'
  readonly password: string
}

/** `String password` */
export function decodePasswordMessage(reader: Reader): PasswordMessage {
  const password = reader.cstring('password')
  reader.finish()
  return { type: 'PasswordMessage', password }
}

export function encodePasswordMessage({ password }: PasswordMessage): Uint8Array {
  return encodeTagged(frontendTag.Password, (writer) => writer.cstring(password, 'the password'))
}

/** `p`: the first step of SASL. */
export interface SASLInitialResponse {
  readonly type: 'SASLInitialResponse'
  readonly mechanism: string
  /** Null where the mechanism does not begin with the client. */
  readonly data: string | null
}

/** `String mechanism, Int32 length (-1 is none), Byte[n] data` */
export function decodeSASLInitialResponse(reader: Reader): SASLInitialResponse {
  const mechanism = reader.cstring('mechanism')
  const length = reader.int32('length of the data')
  const data = length === -1 ? null : reader.string(length, 'data')
  reader.finish()
  return { type: 'SASLInitialResponse', mechanism, data }
}

export function encodeSASLInitialResponse({ mechanism, data }: SASLInitialResponse): Uint8Array {
  return encodeTagged(frontendTag.Password, (writer) => {
    writer.cstring(mechanism, 'the mechanism').int32(-1)
    if (data === null) return
    const at = writer.length
    writer.string(data, 'the data').int32At(at - 4, writer.length - at)
  })
}

/** `p`: a further step of SASL. */
export interface SASLResponse {
  readonly type: 'SASLResponse'
  readonly data: string
}

/** `Byte[n] data` */
export function decodeSASLResponse(reader: Reader): SASLResponse {
  return { type: 'SASLResponse', data: reader.string(reader.remaining, 'data') }
}

export function encodeSASLResponse({ data }: SASLResponse): Uint8Array {
  return encodeTagged(frontendTag.Password, (writer) => writer.string(data, 'the data'))
}

/** Any of them. */
export type AuthenticationResponse = GSSResponse | PasswordMessage | SASLInitialResponse | SASLResponse

/** Which of them the client answers with; undefined after one that wants no answer, or an answer outside of messages. */
export function responseTo({ type }: AuthenticationMessage): AuthenticationResponse['type'] | undefined {
  switch (type) {
    case 'AuthenticationCleartextPassword':
    case 'AuthenticationMD5Password':
      return 'PasswordMessage'
    case 'AuthenticationGSS':
    case 'AuthenticationGSSContinue':
    case 'AuthenticationSSPI':
      return 'GSSResponse'
    case 'AuthenticationSASL':
      return 'SASLInitialResponse'
    case 'AuthenticationSASLContinue':
      return 'SASLResponse'
    case 'AuthenticationOk':
    case 'AuthenticationSASLFinal':
    case 'AuthenticationKerberosV5':
    case 'AuthenticationSCMCredential':
      return undefined
    default:
      return type satisfies never
  }
}
