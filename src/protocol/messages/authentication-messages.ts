import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { backendTag } from './tags.ts'
import { refuse, type Writer } from './writer.ts'

/**
 * The server's side of authentication: all of it comes under the tag `R` and is told apart by an Int32.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 */
export type AuthenticationMessage =
  | { readonly type: 'AuthenticationOk' }
  | { readonly type: 'AuthenticationKerberosV5' }
  | { readonly type: 'AuthenticationCleartextPassword' }
  | { readonly type: 'AuthenticationMD5Password'; readonly salt: Uint8Array }
  | { readonly type: 'AuthenticationSCMCredential' }
  | { readonly type: 'AuthenticationGSS' }
  | { readonly type: 'AuthenticationGSSContinue'; readonly data: Uint8Array }
  | { readonly type: 'AuthenticationSSPI' }
  | { readonly type: 'AuthenticationSASL'; readonly mechanisms: readonly string[] }
  | { readonly type: 'AuthenticationSASLContinue'; readonly data: string }
  | { readonly type: 'AuthenticationSASLFinal'; readonly data: string }

/** The Int32. */
const authenticationKinds = {
  AuthenticationOk: 0,
  AuthenticationKerberosV5: 2,
  AuthenticationCleartextPassword: 3,
  AuthenticationMD5Password: 5,
  AuthenticationSCMCredential: 6,
  AuthenticationGSS: 7,
  AuthenticationGSSContinue: 8,
  AuthenticationSSPI: 9,
  AuthenticationSASL: 10,
  AuthenticationSASLContinue: 11,
  AuthenticationSASLFinal: 12,
} as const satisfies Record<AuthenticationMessage['type'], number>

/** `Int32 kind`, and what the kind has. */
export function decodeAuthentication(reader: Reader): AuthenticationMessage {
  const kind = reader.int32('authentication kind')
  const message = readKind(kind, reader)
  reader.finish()
  return message
}

export function encodeAuthentication(message: AuthenticationMessage): Uint8Array {
  return encodeTagged(backendTag.Authentication, (writer) => {
    writer.int32(authenticationKinds[message.type])
    writeKind(writer, message)
  })
}

/** Whether a message is one of these. */
export function isAuthentication<M extends { readonly type: string }>(
  message: M | AuthenticationMessage,
): message is AuthenticationMessage {
  return Object.hasOwn(authenticationKinds, message.type)
}

function readKind(kind: number, reader: Reader): AuthenticationMessage {
  switch (kind) {
    case authenticationKinds.AuthenticationOk:
      return { type: 'AuthenticationOk' }
    case authenticationKinds.AuthenticationKerberosV5:
      return { type: 'AuthenticationKerberosV5' }
    case authenticationKinds.AuthenticationCleartextPassword:
      return { type: 'AuthenticationCleartextPassword' }
    case authenticationKinds.AuthenticationMD5Password:
      return { type: 'AuthenticationMD5Password', salt: reader.bytes(4, 'salt') }
    case authenticationKinds.AuthenticationSCMCredential:
      return { type: 'AuthenticationSCMCredential' }
    case authenticationKinds.AuthenticationGSS:
      return { type: 'AuthenticationGSS' }
    case authenticationKinds.AuthenticationGSSContinue:
      return { type: 'AuthenticationGSSContinue', data: reader.bytes(reader.remaining, 'GSSAPI data') }
    case authenticationKinds.AuthenticationSSPI:
      return { type: 'AuthenticationSSPI' }
    case authenticationKinds.AuthenticationSASL:
      return { type: 'AuthenticationSASL', mechanisms: readMechanisms(reader) }
    case authenticationKinds.AuthenticationSASLContinue:
      return { type: 'AuthenticationSASLContinue', data: reader.string(reader.remaining, 'SASL data') }
    case authenticationKinds.AuthenticationSASLFinal:
      return { type: 'AuthenticationSASLFinal', data: reader.string(reader.remaining, 'SASL data') }
    default:
      return reader.fail(`authentication kind ${kind} is not known`)
  }
}

function writeKind(writer: Writer, message: AuthenticationMessage): void {
  switch (message.type) {
    case 'AuthenticationMD5Password':
      if (message.salt.length !== 4) refuse(`the salt has ${message.salt.length} bytes, and 4 are wanted`)
      writer.bytes(message.salt)
      return
    case 'AuthenticationGSSContinue':
      writer.bytes(message.data)
      return
    case 'AuthenticationSASL':
      writeMechanisms(writer, message.mechanisms)
      return
    case 'AuthenticationSASLContinue':
    case 'AuthenticationSASLFinal':
      writer.string(message.data, 'the data')
      return
    case 'AuthenticationOk':
    case 'AuthenticationKerberosV5':
    case 'AuthenticationCleartextPassword':
    case 'AuthenticationSCMCredential':
    case 'AuthenticationGSS':
    case 'AuthenticationSSPI':
      return
    default:
      message satisfies never
  }
}

/** Names, best first, each NUL-terminated; an empty name ends the list. */
function readMechanisms(reader: Reader): string[] {
  const mechanisms: string[] = []
  for (;;) {
    const mechanism = reader.cstring('mechanism')
    if (mechanism === '') return mechanisms
    mechanisms.push(mechanism)
  }
}

function writeMechanisms(writer: Writer, mechanisms: readonly string[]): void {
  for (const mechanism of mechanisms) {
    if (mechanism === '') refuse('a mechanism has no name, and an empty one ends the list')
    writer.cstring(mechanism, 'a mechanism')
  }
  writer.uint8(0)
}
