import type { Reader } from './reader.ts'

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

/** `Int32 kind`, and what the kind has. */
export function readAuthentication(reader: Reader): AuthenticationMessage {
  const kind = reader.int32('authentication kind')
  const message = readKind(kind, reader)
  reader.finish()
  return message
}

function readKind(kind: number, reader: Reader): AuthenticationMessage {
  switch (kind) {
    case 0:
      return { type: 'AuthenticationOk' }
    case 2:
      return { type: 'AuthenticationKerberosV5' }
    case 3:
      return { type: 'AuthenticationCleartextPassword' }
    case 5:
      return { type: 'AuthenticationMD5Password', salt: reader.bytes(4, 'salt') }
    case 6:
      return { type: 'AuthenticationSCMCredential' }
    case 7:
      return { type: 'AuthenticationGSS' }
    case 8:
      return { type: 'AuthenticationGSSContinue', data: reader.bytes(reader.remaining, 'GSSAPI data') }
    case 9:
      return { type: 'AuthenticationSSPI' }
    case 10:
      return { type: 'AuthenticationSASL', mechanisms: readMechanisms(reader) }
    case 11:
      return { type: 'AuthenticationSASLContinue', data: reader.string(reader.remaining, 'SASL data') }
    case 12:
      return { type: 'AuthenticationSASLFinal', data: reader.string(reader.remaining, 'SASL data') }
    default:
      return reader.fail(`authentication kind ${kind} is not known`)
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
