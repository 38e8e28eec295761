import { serialize } from 'pg-protocol'
import { WalwireError } from '../messages/errors.ts'

/**
 * What a client sends, as whole messages.
 *
 * Strings end at their first NUL on the wire, so a NUL inside one would cut it short and put the rest where the server
 * reads the next field or message; each is refused here before it is serialised.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** `StartupMessage`, protocol 3.0. `client_encoding=UTF8` is added by itself. */
export function startupMessage(parameters: Readonly<Record<string, string>>): Uint8Array {
  for (const [name, value] of Object.entries(parameters)) {
    refuseNul(name, 'a startup parameter')
    refuseNul(value, `the startup parameter ${name}`)
  }
  return serialize.startup({ ...parameters })
}

/** `SSLRequest`: the first message where TLS is wanted; the answer is one byte. */
export function sslRequest(): Uint8Array {
  return serialize.requestSsl()
}

/** `PasswordMessage`: the password itself, or its MD5 answer. */
export function passwordMessage(password: string): Uint8Array {
  refuseNul(password, 'the password')
  return serialize.password(password)
}

/** `SASLInitialResponse` */
export function saslInitialResponse(mechanism: string, response: string): Uint8Array {
  refuseNul(mechanism, 'the SASL mechanism')
  refuseNul(response, 'the SASL response')
  return serialize.sendSASLInitialResponseMessage(mechanism, response)
}

/** `SASLResponse` */
export function saslResponse(response: string): Uint8Array {
  refuseNul(response, 'the SASL response')
  return serialize.sendSCRAMClientFinalMessage(response)
}

/** `Query` */
export function queryMessage(sql: string): Uint8Array {
  refuseNul(sql, 'the query')
  return serialize.query(sql)
}

/** `Flush`: asks for what is ready to be sent, which outside of the extended protocol is nothing. */
export function flushMessage(): Uint8Array {
  return serialize.flush()
}

/** `CopyDone` */
export function copyDoneMessage(): Uint8Array {
  return serialize.copyDone()
}

/** `CopyFail`, with the reason that the server's error then names. */
export function copyFailMessage(reason: string): Uint8Array {
  refuseNul(reason, 'the reason')
  return serialize.copyFail(reason)
}

/** `Terminate` */
export function terminateMessage(): Uint8Array {
  return serialize.end()
}

/**
 * `CancelRequest`: goes over a connection of its own.
 * A key of more than 4 bytes is protocol 3.2's: `Int32 length, Int32 80877102, Int32 processId, Byte[n] key`.
 */
export function cancelRequest(processId: number, secretKey: Uint8Array): Uint8Array {
  if (secretKey.length === 4) {
    const key = new DataView(secretKey.buffer, secretKey.byteOffset, 4)
    return serialize.cancel(processId, key.getInt32(0))
  }
  const message = new Uint8Array(12 + secretKey.length)
  const view = new DataView(message.buffer)
  view.setInt32(0, message.length)
  view.setInt32(4, 80_877_102)
  view.setInt32(8, processId)
  message.set(secretKey, 12)
  return message
}

function refuseNul(text: string, name: string): void {
  if (!text.includes('\0')) return
  throw new WalwireError('bad_option', {
    what: `${name} cannot be sent`,
    why: 'it contains a zero byte, which ends a string in the protocol',
    hint: 'remove the zero byte (\\0)',
  })
}
