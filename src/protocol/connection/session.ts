import type { Duplex } from 'node:stream'
import { type BackendMessage, decodeBackend } from '../messages/backend.ts'
import type { ErrorFields } from '../messages/error-fields.ts'
import { ProtocolError, WalwireError } from '../messages/errors.ts'
import { type Framer, longestMessage } from '../messages/framer.ts'
import { isFatal, serverError } from '../messages/server-error.ts'
import { backendTag } from '../messages/tags.ts'
import { ReadAhead } from './read-ahead.ts'
import { type ExpectedSettings, settingChanged } from './session-settings.ts'
import { tlsFailed } from './tls.ts'

/** The most that a message may have before the other side has shown that it is a server. */
const startupMessageBytes = 1024 * 1024

/** How long the system may take to take the last message. */
const leaveMs = 100

/** What a {@link Session} is made over. */
export interface SessionParts {
  /** Connected, encrypted if it is to be, and nothing of the session sent yet. */
  readonly stream: Duplex
  readonly encrypted: boolean
  /** Names the server in errors. */
  readonly description: string
  readonly maxBufferedBytes: number
  readonly onNotice: ((notice: ErrorFields) => void) | undefined
}

/**
 * The messages of one session, both ways, and how it ends.
 *
 * Notices, parameters and notifications can come at any time and never come out of {@link receive}. While the session is
 * idle the session reads by itself, so that it notices when the server ends the session; otherwise whoever is at work
 * pulls.
 */
export class Session {
  readonly readAhead: ReadAhead
  readonly encrypted: boolean
  /** See {@link Connection.ended}. */
  readonly ended: Promise<WalwireError>
  readonly parameters = new Map<string, string>()

  /** Names the server in errors. */
  readonly description: string

  readonly #stream: Duplex
  readonly #onNotice: ((notice: ErrorFields) => void) | undefined
  readonly #closed: Promise<void>
  #resolveEnded: (error: WalwireError) => void = () => {}
  #phase: 'startup' | 'idle' | 'busy' | 'copy' = 'startup'
  #failure: WalwireError | undefined
  /** A FATAL of the server's, after which it closes the connection, or bytes that could not be understood. */
  #lastWords: WalwireError | undefined
  #closing = false
  #kept: ExpectedSettings = new Map()

  constructor(parts: SessionParts) {
    this.#stream = parts.stream
    this.encrypted = parts.encrypted
    this.description = parts.description
    this.#onNotice = parts.onNotice
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#closed = new Promise((resolve) => {
      parts.stream.once('close', resolve)
    })
    this.readAhead = new ReadAhead(parts.stream, parts.maxBufferedBytes, {
      chunk: () => this.#readWhileIdle(),
      end: (cause) => this.#finish(cause),
    })
    this.readAhead.framer.maxMessageBytes = startupMessageBytes
  }

  get framer(): Framer {
    return this.readAhead.framer
  }

  /** Why the session is over; undefined while it is not. */
  get failure(): WalwireError | undefined {
    return this.#failure
  }

  /** In a copy the caller pulls the messages. */
  get copying(): boolean {
    return this.#phase === 'copy'
  }

  /** Does nothing when the session is over. */
  write(bytes: Uint8Array): void {
    if (this.#failure === undefined && this.#stream.writable) this.#stream.write(bytes)
  }

  /** The session waits for a command: at the end of the startup, and after each command. */
  becomeIdle(): void {
    this.#phase = 'idle'
    this.framer.maxMessageBytes = longestMessage
    this.#readWhileIdle()
  }

  /** From now on the session ends when the server reports another value of one of these. */
  keepSettings(expected: ExpectedSettings): void {
    this.#kept = expected
  }

  becomeBusy(): void {
    this.#phase = 'busy'
  }

  becomeCopying(): void {
    this.#phase = 'copy'
  }

  /**
   * The next message that is not one of those that can come anywhere.
   *
   * @param dropCopyData skips what a copy still sends
   * @throws {WalwireError} why the session is over; {@link ProtocolError}, which also ends it
   */
  async receive(dropCopyData = false): Promise<BackendMessage> {
    const { framer, readAhead } = this
    for (;;) {
      try {
        while (framer.next()) {
          if (dropCopyData && framer.tag === backendTag.CopyData) continue
          const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
          if (!this.takeAside(message)) return message
        }
      } catch (error) {
        throw this.broken(error)
      }
      if (!(await readAhead.more())) throw this.#failure ?? this.#lost(undefined)
    }
  }

  /**
   * Takes a message that can come at any time; false for any other.
   *
   * @throws {WalwireError} `settings_not_in_force`, which also ends the session
   */
  takeAside(message: BackendMessage): boolean {
    switch (message.type) {
      case 'NoticeResponse':
        this.#onNotice?.(message.fields)
        return true
      case 'ParameterStatus':
        this.#takeParameter(message.name, message.value)
        return true
      case 'NotificationResponse':
        return true
      default:
        return false
    }
  }

  #takeParameter(name: string, value: string): void {
    this.parameters.set(name, value)
    const expected = this.#kept.get(name)
    if (expected === undefined || expected === value) return
    throw this.broken(settingChanged(this.description, name, value, expected))
  }

  /** The error for an ErrorResponse. After a FATAL one it is also how the session will have ended. */
  serverError(what: string, fields: ErrorFields, hint?: string): WalwireError {
    const error = serverError(what, fields, this.#phase === 'startup' ? 'startup' : 'session', hint)
    if (isFatal(fields)) this.#lastWords ??= error
    return error
  }

  /** Ends the session over bytes that cannot be understood, since there is nothing to go on with. Gives the error back. */
  broken(error: unknown): unknown {
    if (error instanceof WalwireError) this.#lastWords ??= error
    this.#stream.destroy()
    return error
  }

  /** The same for a message that could be read and must not come here. */
  outOfOrder(message: BackendMessage): unknown {
    return this.broken(
      new ProtocolError('the server sent a message out of order', `${message.type} is not expected here`, 0),
    )
  }

  /** Sends this last message, drops what still comes, and resolves when the stream is closed, at the latest by force. */
  async close(goodbye: Uint8Array, graceMs: number): Promise<void> {
    if (this.#failure === undefined && !this.#closing) {
      this.#closing = true
      this.#stream.end(goodbye)
      this.readAhead.discard()
    }
    const timer = setTimeout(() => this.destroy(), graceMs)
    await this.#closed
    clearTimeout(timer)
  }

  /** Whether the server waits for a command, which may be the last one: {@link leave}. */
  get leavable(): boolean {
    return this.#phase === 'idle' && this.#failure === undefined && !this.#closing
  }

  /** Whether the server is at work for this session, so that it does not read what it is told. */
  get occupied(): boolean {
    return (this.#phase === 'busy' || this.#phase === 'copy') && this.#failure === undefined && !this.#closing
  }

  /** Sends this last message and drops the stream as soon as it is on its way. */
  leave(goodbye: Uint8Array): void {
    this.#closing = true
    this.readAhead.discard()
    const timer = setTimeout(() => this.#stream.destroy(), leaveMs)
    void this.#closed.then(() => clearTimeout(timer))
    this.#stream.end(goodbye, () => this.#stream.destroy())
  }

  /** See {@link Connection.destroy}. */
  destroy(reason?: Error): void {
    if (reason === undefined) this.#closing = true
    this.#stream.destroy(reason)
  }

  /** Between commands nobody else reads what comes unasked. */
  #readWhileIdle(): void {
    if (this.#phase !== 'idle') return
    const { framer } = this
    try {
      while (framer.next()) {
        const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
        if (message.type === 'ErrorResponse') this.serverError('the server ended the session', message.fields)
        else if (!this.takeAside(message)) this.outOfOrder(message)
      }
    } catch (error) {
      this.broken(error)
    }
  }

  #finish(cause: Error | undefined): void {
    this.#failure = this.#reason(cause)
    this.#resolveEnded(this.#failure)
  }

  #reason(cause: Error | undefined): WalwireError {
    if (this.#lastWords) return this.#lastWords
    if (this.#closing) {
      return new WalwireError('connection_closed', {
        what: `the connection to ${this.description} is over`,
        why: 'this side closed it',
        hint: 'open another one',
      })
    }
    this.#readLastWords()
    return this.#lastWords ?? this.#lost(cause)
  }

  /** A server that ends a session says why just before; that may still lie unread behind other messages. */
  #readLastWords(): void {
    const ahead = this.framer.fork()
    try {
      while (ahead.next()) {
        if (ahead.tag !== backendTag.ErrorResponse) continue
        const message = decodeBackend(ahead.tag, ahead.bytes, ahead.start, ahead.end)
        if (message.type === 'ErrorResponse') this.serverError('the server ended the session', message.fields)
      }
    } catch {
      // whoever pulls these bytes will meet the same
    }
  }

  #lost(cause: Error | undefined): WalwireError {
    if (this.#phase !== 'startup') {
      return new WalwireError('connection_lost', {
        what: `the connection to ${this.description} is lost`,
        why: cause ? cause.message : 'the server closed it without saying why',
        hint: "connect again; a crash, a network failure or wal_sender_timeout does this, and the server's log says which",
        cause,
      })
    }
    // with TLS 1.3 a server refuses a client's certificate only after the client's handshake is over
    if (this.encrypted && cause && 'code' in cause && String(cause.code).startsWith('ERR_SSL')) {
      return tlsFailed(this.description, cause)
    }
    return new WalwireError('connect_failed', {
      what: `could not connect to ${this.description}`,
      why: cause
        ? `the connection broke before the session began (${cause.message})`
        : 'the connection was closed before the session began',
      hint: "check that host and port are those of a Postgres server, and see the server's log",
      cause,
    })
  }
}
