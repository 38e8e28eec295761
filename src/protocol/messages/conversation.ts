import { type AuthenticationMessage, isAuthentication } from './authentication-messages.ts'
import { type BackendMessage, decodeBackend } from './backend.ts'
import { Framer } from './framer.ts'
import { decodeFrontend, type FrontendMessage } from './frontend.ts'
import { responseTo } from './password-messages.ts'
import {
  decodeEncryptionResponse,
  decodeUntagged,
  type EncryptionResponse,
  type UntaggedMessage,
} from './startup-messages.ts'
import { backendTag } from './tags.ts'

/** What a TLS handshake begins with, and no length word does: a client may begin with TLS at once, from 17 on. */
const tlsHandshake = 0x16

/** A message, and who sent it. */
export type ConversationMessage =
  | { readonly from: 'client'; readonly message: UntaggedMessage | FrontendMessage }
  | { readonly from: 'server'; readonly message: EncryptionResponse | BackendMessage }

/**
 * Reads both sides of one connection from its first byte on, as somebody between the two sees them. What a client's
 * bytes mean depends on what was said before: its first messages have no tag, a request for encryption is answered by one
 * byte, and one tag stands for four answers to the server's authentication.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export class Conversation {
  readonly #client = new Framer('client')
  readonly #server = new Framer('server')
  /** The request for encryption that the server has not answered. */
  #asked: 'SSLRequest' | 'GSSENCRequest' | undefined
  #stage: 'beginning' | 'session' | 'encrypted' | 'cancelled' = 'beginning'
  #authentication: AuthenticationMessage | undefined

  /**
   * Whether the two agreed on encryption, or the client began with it: what they say from there on is none of these messages, and a conversation of
   * its own when it was decrypted.
   */
  get encrypted(): boolean {
    return this.#stage === 'encrypted'
  }

  /**
   * Gives what one side sent, and reads what is whole by then. Chunks are given in the order in which they were sent; all
   * of one must be read before the next is given.
   *
   * @throws {ProtocolError} when something is no message, or not one that may come there
   */
  *read(from: 'client' | 'server', chunk: Uint8Array): Generator<ConversationMessage, undefined> {
    if (from === 'client') this.#client.push(chunk)
    else this.#server.push(chunk)
    for (;;) {
      // the client's first: what waited for the server's answer was sent before anything that follows the answer
      const message = this.#fromClient() ?? this.#fromServer()
      if (message === undefined) return undefined
      yield message
    }
  }

  #fromClient(): ConversationMessage | undefined {
    const framer = this.#client
    if (this.#stage === 'session') {
      if (!framer.next()) return undefined
      const { tag, bytes, start, end } = framer
      const expected = this.#authentication && responseTo(this.#authentication)
      return { from: 'client', message: decodeFrontend(tag, bytes, start, end, expected) }
    }
    if (this.#stage !== 'beginning' || this.#asked !== undefined) return undefined
    if (framer.firstByte === tlsHandshake) this.#stage = 'encrypted'
    if (this.#stage === 'encrypted' || !framer.nextUntagged()) return undefined
    const message = decodeUntagged(framer.bytes, framer.start, framer.end)
    if (message.type === 'CancelRequest') this.#stage = 'cancelled'
    else if (message.type === 'StartupMessage') this.#stage = 'session'
    else this.#asked = message.type
    return { from: 'client', message }
  }

  #fromServer(): ConversationMessage | undefined {
    const framer = this.#server
    if (this.#stage === 'encrypted') return undefined
    // a server that cannot go on says so with an error instead of the byte
    if (this.#asked !== undefined && framer.firstByte !== backendTag.ErrorResponse) {
      if (!framer.nextByte()) return undefined
      const message = decodeEncryptionResponse(this.#asked, framer.bytes[framer.start]!)
      this.#asked = undefined
      if (message.answer !== 'N') this.#stage = 'encrypted'
      return { from: 'server', message }
    }
    if (!framer.next()) return undefined
    const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
    if (isAuthentication(message)) this.#authentication = message
    return { from: 'server', message }
  }
}
