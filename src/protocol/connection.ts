import type { Duplex } from 'node:stream'
import { type Attempt, withinLimits } from './attempt.ts'
import { authenticate, unauthenticated } from './authentication.ts'
import { type BackendKeyData, type BackendMessage, backendTag, decodeBackend, unknownTag } from './backend.ts'
import type { ResolvedConnection } from './connection-options.ts'
import type { ErrorFields } from './error-fields.ts'
import { ProtocolError, WalwireError } from './errors.ts'
import { type Framer, longestMessage } from './framer.ts'
import {
  cancelRequest,
  copyDoneMessage,
  copyFailMessage,
  queryMessage,
  startupMessage,
  terminateMessage,
} from './frontend.ts'
import { Intake } from './intake.ts'
import { isFatal, serverError } from './server-error.ts'
import { dial } from './socket.ts'
import { isAuthentication, type SessionWishes, serverVersionNumber, startupParameters } from './startup.ts'
import { notPostgres, secure, tlsFailed } from './tls.ts'

const defaultMaxBufferedBytes = 8 * 1024 * 1024
/** The most that a message may have before the other side has shown that it is a server. */
const startupMessageBytes = 1024 * 1024
const cancelTimeoutMs = 5_000

/** How a {@link Connection} is opened. */
export interface OpenOptions extends SessionWishes {
  /** Bytes read ahead before reading pauses. Default 8 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** Aborting it makes `open` reject with its reason. It means nothing to a connection that is open. */
  readonly signal?: AbortSignal | undefined
  /** Gets every NoticeResponse. Must not throw. */
  readonly onNotice?: ((notice: ErrorFields) => void) | undefined
}

/** What one statement gave. */
export interface QueryResult<Value = string> {
  /** Empty for a statement without rows. */
  readonly columns: readonly string[]
  /** Text format, whatever the types. */
  readonly rows: readonly (readonly (Value | null)[])[]
  /** The command's tag (`SELECT 3`); empty for an empty statement. */
  readonly command: string
}

/** How the message that a copy's consumer did not know was dealt with, see {@link Connection.sideMessage}. */
export type SideMessage = 'handled' | 'done' | 'complete'

/**
 * One session with a server over one stream: simple queries, and copies that the caller pulls itself.
 *
 * Everything is pulled: in a copy nothing is read beyond `maxBufferedBytes` until the caller takes it. Between commands
 * the connection reads by itself, so that {@link ended} resolves when the server ends the session.
 */
export class Connection {
  /** ParameterStatus so far: `server_version`, `server_encoding`, `integer_datetimes` … */
  readonly parameters: ReadonlyMap<string, string>
  /**
   * Resolves, and never rejects, when the connection is gone, whatever the reason: with what the server said last
   * (`server_stopping` …), `connection_lost` for a stream that broke or ended without a word, `connection_closed` after
   * {@link close} or {@link destroy}.
   */
  readonly ended: Promise<WalwireError>
  /** Whether the bytes go over TLS. */
  readonly encrypted: boolean

  readonly #resolved: ResolvedConnection
  readonly #stream: Duplex
  readonly #intake: Intake
  readonly #parameters = new Map<string, string>()
  readonly #onNotice: ((notice: ErrorFields) => void) | undefined
  #end: (error: WalwireError) => void = () => {}
  #failure: WalwireError | undefined
  /** A FATAL of the server's, after which it closes the connection. */
  #lastWords: WalwireError | undefined
  #phase: 'startup' | 'idle' | 'busy' | 'copy' = 'startup'
  #copyDoneOwed = false
  #closing = false
  #queue: Promise<unknown> = Promise.resolve()
  #key: BackendKeyData | undefined
  #closed: Promise<void>

  private constructor(stream: Duplex, encrypted: boolean, resolved: ResolvedConnection, options: OpenOptions) {
    this.#stream = stream
    this.encrypted = encrypted
    this.#resolved = resolved
    this.#onNotice = options.onNotice
    this.parameters = this.#parameters
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#closed = new Promise((resolve) => {
      stream.once('close', () => resolve())
    })
    this.#intake = new Intake(stream, options.maxBufferedBytes ?? defaultMaxBufferedBytes, {
      chunk: () => this.#readWhileIdle(),
      end: (cause) => this.#finish(cause),
    })
    this.#intake.framer.maxMessageBytes = startupMessageBytes
  }

  /**
   * Connects, with TLS as the sslmode says, logs in, and waits for the session to be ready: all within
   * `connectTimeoutMs`. When it fails, no socket stays open.
   *
   * @throws {WalwireError} `connect_failed`, `connect_timeout`, `not_postgres`, `tls_refused`, `tls_failed`,
   * `auth_failed`, `auth_unsupported`, `database_missing`, `not_permitted`, `too_many_connections`,
   * `server_not_ready`, `server_error`, `protocol_violation`; the signal's reason
   */
  static open(resolved: ResolvedConnection, options: OpenOptions = {}): Promise<Connection> {
    const limits = {
      timeoutMs: resolved.connectTimeoutMs,
      signal: options.signal,
      what: `connect to ${resolved.description}`,
    }
    return withinLimits(limits, async (attempt) => {
      const { stream, encrypted } = await openStream(resolved, false, attempt)
      const connection = new Connection(stream, encrypted, resolved, options)
      await connection.#start(options, attempt)
      return connection
    })
  }

  /** The server's version as it counts itself: 170010 for 17.10. */
  get serverVersion(): number {
    return serverVersionNumber(this.#parameters.get('server_version') ?? '')
  }

  /** The process ID of the server's backend, or 0 where something in between did not give one. */
  get processId(): number {
    return this.#key?.processId ?? 0
  }

  /** Why the connection is gone; undefined while it is there. */
  get failure(): WalwireError | undefined {
    return this.#failure
  }

  /** In a copy: the messages, for the caller to pull. What it does not know goes to {@link sideMessage}. */
  get framer(): Framer {
    return this.#intake.framer
  }

  /** See {@link Intake.pacing}. */
  get pacing(): boolean {
    return this.#intake.pacing
  }

  set pacing(on: boolean) {
    this.#intake.pacing = on
  }

  /** Bytes written and not yet taken by the system. */
  get unsent(): number {
    return this.#stream.writableLength
  }

  /**
   * Runs one or several statements by the simple protocol, or a replication command. Calls queue up.
   *
   * @returns one result for each statement, values in text format
   * @throws {WalwireError} of the server's ErrorResponse (`server_error`, `cancelled` …; the connection stays usable
   * unless it is gone); `bad_option` during a copy, or for a statement that begins one; `invalid_text` for a value that
   * is not UTF-8; why the connection is gone
   */
  query(sql: string): Promise<QueryResult[]> {
    return this.#exclusively(() => this.#query(sql, readText))
  }

  /** The same with each value as its bytes, for what need not be text (TIMELINE_HISTORY). */
  queryBytes(sql: string): Promise<QueryResult<Uint8Array>[]> {
    return this.#exclusively(() => this.#query(sql, (value) => value))
  }

  /**
   * Sends a command that begins a copy (COPY … TO STDOUT, START_REPLICATION) and waits until it has begun. From then on
   * the caller pulls with {@link framer}, {@link more} and {@link sideMessage}, until {@link endCopy}.
   *
   * @throws {WalwireError} as {@link query}
   */
  copy(sql: string): Promise<'both' | 'out'> {
    return this.#exclusively(() => this.#copy(sql))
  }

  /**
   * Waits for bytes when the framer has no whole message: true when more came, false when the connection is gone
   * ({@link failure} says why). Everything that came before is in the framer.
   */
  more(): Promise<boolean> {
    return this.#intake.more()
  }

  /** See {@link Intake.keepReading}: to be called now and then by a consumer that takes long between two `more()`. */
  keepReading(): void {
    this.#intake.keepReading()
  }

  /**
   * In a copy: deals with the framer's current message where it is not CopyData.
   *
   * @returns `handled` for what can come anywhere (notices, parameters); `done` for CopyDone; `complete` for
   * CommandComplete, which a server that is stopping sends without a CopyDone before it closes the connection
   * @throws {WalwireError} of an ErrorResponse: the copy is over, {@link endCopy} makes the connection usable again
   */
  sideMessage(): SideMessage {
    const { framer } = this
    const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
    switch (message.type) {
      case 'CopyDone':
        return 'done'
      case 'CommandComplete':
        return 'complete'
      case 'ErrorResponse':
        this.#copyDoneOwed = false
        throw this.#serverError('the copy was broken off', message.fields)
      default:
        if (this.#aside(message)) return 'handled'
        throw unknownTag(framer.tag)
    }
  }

  /** In a copy in both directions: says that this side is done. The server may still send a lot before it is. */
  sendCopyDone(): void {
    if (!this.#copyDoneOwed) return
    this.#copyDoneOwed = false
    this.write(copyDoneMessage())
  }

  /**
   * Ends a copy: sends CopyDone where that is owed, drops what still comes, and waits until the connection can be used
   * for queries again. For a copy that is far from its end, {@link cancel} or {@link destroy} is faster.
   *
   * @returns the tags of the commands that ended
   * @throws {WalwireError} of an ErrorResponse that comes on the way; why the connection is gone
   */
  async endCopy(): Promise<string[]> {
    if (this.#phase !== 'copy') return []
    this.sendCopyDone()
    const commands: string[] = []
    let error: WalwireError | undefined
    for (;;) {
      const message = await this.#receive(true)
      if (message.type === 'CommandComplete') commands.push(message.command)
      else if (message.type === 'ErrorResponse') error = this.#serverError('the copy was broken off', message.fields)
      else if (message.type === 'ReadyForQuery') break
      else if (message.type !== 'CopyDone') throw this.#broken(unexpected(message))
    }
    this.#becomeIdle()
    if (error) throw error
    return commands
  }

  /**
   * Sends a whole message as it is. The bytes must not change until they are sent. On a connection that is gone it does
   * nothing; {@link ended} tells.
   */
  write(bytes: Uint8Array): void {
    if (this.#failure === undefined && this.#stream.writable) this.#stream.write(bytes)
  }

  /**
   * Asks the server to cancel what this connection runs, over a second connection, encrypted if this one is. Resolves
   * when the server has taken the request, which says nothing about whether there was something to cancel.
   *
   * @throws {WalwireError} as {@link open}, within 5 s
   */
  async cancel(): Promise<void> {
    const key = this.#key
    if (key === undefined) {
      throw new WalwireError('server_error', {
        what: 'the command cannot be cancelled',
        why: 'the server gave no key for it when the session began',
        hint: 'connect to the server itself instead of a pooler',
      })
    }
    const what = `cancel a command at ${this.#resolved.description}`
    const { connectTimeoutMs } = this.#resolved
    const timeoutMs = connectTimeoutMs === 0 ? cancelTimeoutMs : Math.min(connectTimeoutMs, cancelTimeoutMs)
    await withinLimits({ timeoutMs, what }, async (attempt) => {
      const { stream } = await openStream(this.#resolved, this.encrypted, attempt)
      attempt.step = 'waiting for the server to take the cancel request'
      await new Promise<void>((resolve) => {
        // the server closes without an answer; how the close looks does not matter
        stream.on('error', () => {})
        stream.once('close', () => resolve())
        stream.resume()
        stream.end(cancelRequest(key.processId, key.secretKey))
      })
    })
  }

  /**
   * Says goodbye and waits until the stream is closed, at most `graceMs`; then the stream is destroyed. What was written
   * before is sent first. Unread data is dropped.
   */
  async close(graceMs = 500): Promise<void> {
    if (this.#failure === undefined && !this.#closing) {
      this.#closing = true
      this.#stream.end(terminateMessage())
      this.#intake.discard()
    }
    const timer = setTimeout(() => this.destroy(), graceMs)
    await this.#closed
    clearTimeout(timer)
  }

  /**
   * Drops the connection at once.
   *
   * @param reason when this is no wish but a judgement about the connection: it then ends as `connection_lost`, with
   * this as cause
   */
  destroy(reason?: Error): void {
    if (reason === undefined) this.#closing = true
    this.#stream.destroy(reason)
  }

  async #start(options: OpenOptions, attempt: Attempt): Promise<void> {
    attempt.step = 'waiting for authentication to begin'
    this.write(startupMessage(startupParameters(this.#resolved, options)))
    let state = unauthenticated
    const credentials = {
      user: this.#resolved.user,
      password: this.#resolved.password,
      accepted: this.#resolved.acceptedMethods,
    }
    for (let first = true; ; first = false) {
      const message = await this.#receiveStartup(first)
      if (message.type === 'ErrorResponse') {
        throw this.#serverError(`could not log in at ${this.#resolved.description}`, message.fields)
      }
      if (isAuthentication(message)) {
        attempt.step = 'logging in'
        const step = await authenticate(state, message, credentials)
        state = step.state
        if (step.send) this.write(step.send)
        if (state.step === 'done') attempt.step = 'waiting for the session to be ready'
      } else if (message.type === 'NegotiateProtocolVersion') {
        // 3.0 without options was asked for, so there is nothing to negotiate; harmless if it says so
        if (message.unrecognizedOptions.length !== 0) throw this.#broken(unexpected(message))
      } else if (state.step !== 'done') {
        throw this.#broken(unexpected(message))
      } else if (message.type === 'BackendKeyData') {
        this.#key = message
      } else if (message.type === 'ReadyForQuery') {
        break
      } else {
        throw this.#broken(unexpected(message))
      }
    }
    this.#intake.framer.maxMessageBytes = longestMessage
    this.#becomeIdle()
    // unknown before 17, so it cannot be in the startup packet, which is sent before the version is known
    if (this.serverVersion >= 170_000) await this.query('SET transaction_timeout = 0')
  }

  /** The first message decides whether this is a server at all. */
  async #receiveStartup(first: boolean): Promise<BackendMessage> {
    try {
      return await this.#receive()
    } catch (error) {
      if (!first || !(error instanceof ProtocolError)) throw error
      throw notPostgres(this.#resolved, 'it answered with something that is not a message of the protocol', error)
    }
  }

  async #query<Value>(sql: string, read: (value: Uint8Array) => Value): Promise<QueryResult<Value>[]> {
    this.#begin(sql)
    const results: QueryResult<Value>[] = []
    let columns: string[] = []
    let rows: (Value | null)[][] = []
    let error: unknown
    for (;;) {
      const message = await this.#receive()
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
          error ??= this.#serverError('the server refused a command', message.fields)
          break
        case 'CopyInResponse':
          error ??= wrongCall('the statement begins a copy to the server', 'use another statement')
          this.write(copyFailMessage('walwire does not copy to the server'))
          break
        case 'CopyBothResponse':
          error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
          this.write(copyDoneMessage())
          break
        case 'CopyOutResponse':
          error ??= wrongCall('the statement begins a copy', 'call copy instead of query')
          break
        case 'CopyData':
        case 'CopyDone':
          if (error === undefined) throw this.#broken(unexpected(message))
          break
        case 'ReadyForQuery':
          this.#becomeIdle()
          if (error !== undefined) throw error
          return results
        default:
          throw this.#broken(unexpected(message))
      }
    }
  }

  async #copy(sql: string): Promise<'both' | 'out'> {
    this.#begin(sql)
    let error: WalwireError | undefined
    for (;;) {
      const message = await this.#receive()
      switch (message.type) {
        case 'CopyBothResponse':
        case 'CopyOutResponse':
          this.#phase = 'copy'
          this.#copyDoneOwed = message.type === 'CopyBothResponse'
          return message.type === 'CopyBothResponse' ? 'both' : 'out'
        case 'ErrorResponse':
          error ??= this.#serverError('the server refused a command', message.fields)
          break
        case 'CopyInResponse':
          error ??= wrongCall('the statement begins a copy to the server', 'use another statement')
          this.write(copyFailMessage('walwire does not copy to the server'))
          break
        case 'RowDescription':
        case 'DataRow':
        case 'CommandComplete':
        case 'EmptyQueryResponse':
          error ??= wrongCall('the statement does not begin a copy', 'call query instead of copy')
          break
        case 'ReadyForQuery':
          this.#becomeIdle()
          throw error ?? this.#broken(unexpected(message))
        default:
          throw this.#broken(unexpected(message))
      }
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => {})
    return result
  }

  #begin(sql: string): void {
    if (this.#failure) throw this.#failure
    if (this.#phase === 'copy')
      throw wrongCall('the connection is in the middle of a copy', 'end it with endCopy first')
    const message = queryMessage(sql)
    this.#phase = 'busy'
    this.write(message)
  }

  #becomeIdle(): void {
    this.#phase = 'idle'
    this.#readWhileIdle()
  }

  /** Between commands only what comes unasked may come: it is read at once, since nobody else will. */
  #readWhileIdle(): void {
    if (this.#phase !== 'idle') return
    const { framer } = this
    try {
      while (framer.next()) {
        const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
        if (message.type === 'ErrorResponse') this.#serverError('the server ended the session', message.fields)
        else if (!this.#aside(message)) throw unexpected(message)
      }
    } catch (error) {
      this.#broken(error)
    }
  }

  /** The next message that is not one of those that can come anywhere. */
  async #receive(dropCopyData = false): Promise<BackendMessage> {
    const { framer } = this
    for (;;) {
      try {
        while (framer.next()) {
          if (dropCopyData && framer.tag === backendTag.CopyData) continue
          const message = decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)
          if (!this.#aside(message)) return message
        }
      } catch (error) {
        throw this.#broken(error)
      }
      if (!(await this.#intake.more())) throw this.#failure ?? this.#lost(undefined)
    }
  }

  /** Takes what can come at any time. */
  #aside(message: BackendMessage): boolean {
    switch (message.type) {
      case 'NoticeResponse':
        this.#onNotice?.(message.fields)
        return true
      case 'ParameterStatus':
        this.#parameters.set(message.name, message.value)
        return true
      case 'NotificationResponse':
        return true
      default:
        return false
    }
  }

  #serverError(what: string, fields: ErrorFields): WalwireError {
    const error = serverError(what, fields, this.#phase === 'startup' ? 'startup' : 'session')
    if (isFatal(fields)) this.#lastWords ??= error
    return error
  }

  /** Bytes that cannot be understood leave nothing to go on with. */
  #broken(error: unknown): unknown {
    if (error instanceof WalwireError) this.#lastWords ??= error
    this.#stream.destroy()
    return error
  }

  #finish(cause: Error | undefined): void {
    this.#failure = this.#reason(cause)
    this.#end(this.#failure)
  }

  #reason(cause: Error | undefined): WalwireError {
    if (this.#lastWords) return this.#lastWords
    if (this.#closing) {
      return new WalwireError('connection_closed', {
        what: `the connection to ${this.#resolved.description} is over`,
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
        if (message.type === 'ErrorResponse') this.#serverError('the server ended the session', message.fields)
      }
    } catch {
      // whoever pulls these bytes will meet the same
    }
  }

  #lost(cause: Error | undefined): WalwireError {
    const { description } = this.#resolved
    if (this.#phase === 'startup') {
      if (this.encrypted && cause && 'code' in cause && String(cause.code).startsWith('ERR_SSL')) {
        return tlsFailed(this.#resolved, cause)
      }
      return new WalwireError('connect_failed', {
        what: `could not connect to ${description}`,
        why: cause
          ? `the connection broke before the session began (${cause.message})`
          : 'the connection was closed before the session began',
        hint: "check that host and port are those of a Postgres server, and see the server's log",
        cause,
      })
    }
    return new WalwireError('connection_lost', {
      what: `the connection to ${description} is lost`,
      why: cause ? cause.message : 'the server closed it without saying why',
      hint: "connect again; a crash, a network failure or wal_sender_timeout does this, and the server's log says which",
      cause,
    })
  }
}

async function openStream(
  resolved: ResolvedConnection,
  mustEncrypt: boolean,
  attempt: Attempt,
): Promise<{ stream: Duplex; encrypted: boolean }> {
  const stream = await dial(resolved, attempt)
  if (resolved.tls === undefined) return { stream, encrypted: false }
  const sslmode = mustEncrypt && resolved.sslmode === 'prefer' ? 'require' : resolved.sslmode
  const secured = await secure(stream, resolved, resolved.tls, sslmode, attempt)
  return { stream: secured ?? stream, encrypted: secured !== undefined }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readText(value: Uint8Array): string {
  try {
    return utf8.decode(value)
  } catch (cause) {
    throw new WalwireError('invalid_text', {
      what: 'a value in the answer to a query cannot be read',
      why: 'it is not valid UTF-8, which a database with the encoding SQL_ASCII does not prevent',
      hint: 'mend the value or the name in the database',
      cause,
    })
  }
}

function unexpected(message: BackendMessage): ProtocolError {
  return new ProtocolError('the server sent a message out of order', `${message.type} is not expected here`, 0)
}

function wrongCall(why: string, hint: string): WalwireError {
  return new WalwireError('bad_option', { what: 'the command cannot be run like this', why, hint })
}
