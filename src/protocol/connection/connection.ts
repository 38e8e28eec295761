import { decodeBackend, unknownTag } from '../messages/backend.ts'
import type { ErrorFields } from '../messages/error-fields.ts'
import { WalwireError } from '../messages/errors.ts'
import type { Framer } from '../messages/framer.ts'
import { errorFieldsOf } from '../messages/server-error.ts'
import type { BackendKeyData } from '../messages/session-messages.ts'
import { type Attempt, withinLimits } from './attempt.ts'
import { requestCancel } from './cancel.ts'
import type { ResolvedConnection, ResolvedHost } from './connection-options.ts'
import { copyDoneMessage, flushMessage, terminateMessage } from './frontend.ts'
import { logIn } from './login.ts'
import { openStream, type Route } from './open-stream.ts'
import { reach, type Way } from './reach.ts'
import { Session } from './session.ts'
import { expectedSettings } from './session-settings.ts'
import { putSettingsInForce } from './settings-in-force.ts'
import { beginCopy, finishCopy, type QueryResult, readText, runQuery } from './simple-query.ts'
import { lookUp } from './socket.ts'
import { type SessionWishes, serverVersionNumber } from './startup.ts'
import { checkTarget } from './target-session.ts'
import { patienceMs, within } from './within.ts'

const defaultMaxBufferedBytes = 8 * 1024 * 1024

/** How long the server may take to give up a query once it has the request to cancel it. */
const cancelledWithinMs = 2_000
/** How long a server that is not the one that is meant may take to take the goodbye. */
const goodbyeMs = 200
/** SQLSTATE query_canceled. */
const queryCanceled = '57014'

/** How a {@link Connection} is opened. */
export interface OpenOptions extends SessionWishes {
  /** Goes the way that this one took, whose server is meant: the same of several hosts, and of the addresses behind a name. */
  readonly beside?: Connection | undefined
  /** Bytes read ahead before reading pauses. Default 8 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** Aborting it makes `open` reject with its reason. It means nothing to a connection that is open. */
  readonly signal?: AbortSignal | undefined
  /** Gets every NoticeResponse. Must not throw. */
  readonly onNotice?: ((notice: ErrorFields) => void) | undefined
  /**
   * Called when opening takes longer than {@link patienceMs}, and each minute from then on, with what it waits for:
   * completes "no answer came while …". Must not throw.
   */
  readonly onSlowOpening?: ((step: string) => void) | undefined
  /**
   * Called when a wait for the server has taken {@link patienceMs}: for the answer to a query or command, for a copy to begin
   * or to end, for what a `COPY … TO STDOUT` has next. In a copy in both directions, whose server may be silent for as long
   * as it likes, nobody but the caller knows whether it waits. Must not throw.
   */
  readonly onUnanswered?: ((wait: UnansweredWait) => void) | undefined
}

/** What was asked of a server over a connection, and is not answered for long. */
export interface UnansweredWait {
  readonly connection: Connection
  /** Settles when the answer came, and when the connection is gone. */
  readonly answer: Promise<unknown>
  /** As {@link QueryLimit.isReported}. */
  readonly isReported: boolean
}

/** How long a query may go without its answer, and who says so. */
export interface QueryLimit {
  /**
   * Milliseconds from when it is sent until its whole answer is here; without it there is no limit. A query that is not
   * answered by then is cancelled, so that no backend is left waiting for a lock, and rejects with `query_timeout`: the
   * connection can be used again. Where nothing comes after that either, something between here and the server swallows
   * what is sent, and the connection is given up: `connection_lost`. Both can be tried again.
   */
  readonly limitMs?: number | undefined
  /** Whoever asks says by itself what the server waits for, and knows better. */
  readonly isReported?: boolean | undefined
}

/** How a copy's message that is not data was dealt with, see {@link Connection.sideMessage}. */
export type SideMessage = 'handled' | 'done' | 'complete'

/** The SQLSTATE with which `transaction_timeout` ends a session: one of a millisecond may end the look at the settings. */
const transactionTimeout = '25P04'

/**
 * One session with a server over one stream: simple queries, and copies that the caller pulls itself.
 *
 * In a copy nothing is read beyond `maxBufferedBytes` until the caller takes it. Between commands the connection reads
 * by itself, so that {@link ended} resolves when the server ends the session.
 */
export class Connection {
  readonly #resolved: ResolvedConnection
  readonly #route: Route
  readonly #session: Session
  readonly #key: BackendKeyData | undefined
  readonly #onUnanswered: OpenOptions['onUnanswered']
  #processId = 0
  #queue: Promise<unknown> = Promise.resolve()
  #copyDoneOwed = false
  #copiesOut = false

  private constructor(
    resolved: ResolvedConnection,
    route: Route,
    session: Session,
    key: BackendKeyData | undefined,
    onUnanswered: OpenOptions['onUnanswered'],
  ) {
    this.#resolved = resolved
    this.#route = route
    this.#session = session
    this.#key = key
    this.#onUnanswered = onUnanswered
  }

  /**
   * Connects, with TLS as the sslmode says, logs in, waits for the session to be ready, and sees to it that its settings
   * are in force: all within `connectTimeoutMs`, at each address of each host that is tried (see {@link reach}). When it
   * fails, no socket stays open.
   *
   * @throws {WalwireError} `connect_failed`, `connect_timeout`, `target_not_met`, `not_postgres`, `tls_refused`, `tls_failed`,
   * `auth_failed`, `auth_unsupported`, `database_missing`, `not_permitted`, `too_many_connections`,
   * `server_not_ready`, `server_error`, `protocol_violation`, `settings_not_in_force`, `not_replication`; the signal's
   * reason
   */
  static open(resolved: ResolvedConnection, options: OpenOptions = {}): Promise<Connection> {
    const { connectTimeoutMs: timeoutMs } = resolved
    const { signal, beside, onSlowOpening: onSlow } = options
    const limited = <T>(host: ResolvedHost, work: (attempt: Attempt) => Promise<T>): Promise<T> =>
      withinLimits({ timeoutMs, signal, what: `connect to ${host.description}`, onSlow }, work)
    const open = (way: Way, former?: Route): Promise<Connection> =>
      limited(way.host, async (attempt) => {
        try {
          return await Connection.#begin(resolved, way, options, attempt, former)
        } catch (error) {
          if (errorFieldsOf(error)?.code !== transactionTimeout) throw error
          // A server that knows it takes it in the startup packet, too: then there is none when the look begins.
          const settings = { ...options.settings, transaction_timeout: '0' }
          return await Connection.#begin(resolved, way, { ...options, settings }, attempt, former)
        }
      })
    if (beside !== undefined) {
      const { host, endpoint } = beside.#route
      return open({ host, endpoint, target: 'any' }, beside.#route)
    }
    const lookUpOf = (host: ResolvedHost) => limited(host, (attempt) => lookUp(host, attempt))
    return reach(resolved, { lookUp: lookUpOf, open, signal })
  }

  static async #begin(
    resolved: ResolvedConnection,
    { host, endpoint, target }: Way,
    options: OpenOptions,
    attempt: Attempt,
    former: Route | undefined,
  ): Promise<Connection> {
    const { maxBufferedBytes = defaultMaxBufferedBytes, onNotice, replication, clientEncoding = () => 'UTF8' } = options
    const server = { ...resolved, ...host }
    const { stream, encrypted, certificate } = await openStream(server, endpoint, attempt, former)
    const { description } = host
    const session = new Session({ stream, encrypted, description, maxBufferedBytes, onNotice })
    const key = await logIn(session, server, options, certificate, attempt)
    try {
      checkTarget(host, target, session.parameters)
    } catch (error) {
      await session.close(terminateMessage(), goodbyeMs)
      throw error
    }
    const connection = new Connection(resolved, { host, endpoint, encrypted }, session, key, options.onUnanswered)
    attempt.step = "waiting for the session's settings"
    const encoding = clientEncoding(connection.parameters.get('server_encoding') ?? '')
    const expected = expectedSettings(connection.serverVersion, { client_encoding: encoding, ...options.settings })
    connection.#processId = await putSettingsInForce(session, expected, key?.processId, replication !== undefined)
    return connection
  }

  /** ParameterStatus so far: `server_version`, `server_encoding`, `integer_datetimes` … */
  get parameters(): ReadonlyMap<string, string> {
    return this.#session.parameters
  }

  /** The server's version as it counts itself: 170010 for 17.10. */
  get serverVersion(): number {
    return serverVersionNumber(this.parameters.get('server_version') ?? '')
  }

  /** The process ID of the server's backend, as that says itself. */
  get processId(): number {
    return this.#processId
  }

  /** The same connection, to the host alone that this one reached. */
  get reached(): ResolvedConnection {
    const { host } = this.#route
    return { ...this.#resolved, hosts: [host], description: host.description }
  }

  /** Whether the bytes go over TLS. */
  get encrypted(): boolean {
    return this.#route.encrypted
  }

  /**
   * Resolves, and never rejects, when the connection is gone, whatever the reason: with what the server said last
   * (`server_stopping` …), `connection_lost` for a stream that broke or ended without a word, `protocol_violation`, or
   * `connection_closed` after {@link close} or {@link destroy}.
   */
  get ended(): Promise<WalwireError> {
    return this.#session.ended
  }

  /** What {@link ended} resolves with; undefined while the connection is there. */
  get failure(): WalwireError | undefined {
    return this.#session.failure
  }

  /**
   * Runs one or several statements by the simple protocol, or a replication command. Calls queue up.
   *
   * @returns one result for each statement, values in text format
   * @throws {WalwireError} of the server's ErrorResponse (`server_error`, `cancelled` …; the connection stays usable
   * unless it is gone); `bad_option` during a copy, or for a statement that begins one; `invalid_text` for a value that
   * is not UTF-8; `query_timeout` at its limit, `connection_lost` where nothing comes even after it was cancelled; why
   * the connection is gone
   */
  query(sql: string, limit: QueryLimit = {}): Promise<QueryResult[]> {
    return this.#exclusively(() => this.#limited(runQuery(this.#session, sql, readText), limit))
  }

  /** The same with each value as its bytes, for what need not be text (TIMELINE_HISTORY). */
  queryBytes(sql: string, limit: QueryLimit = {}): Promise<QueryResult<Uint8Array>[]> {
    return this.#exclusively(() =>
      this.#limited(
        runQuery(this.#session, sql, (value) => value),
        limit,
      ),
    )
  }

  /**
   * Sends a command that begins a copy (COPY … TO STDOUT, START_REPLICATION) and waits until it has begun, which may have
   * a limit. From then on the caller pulls until {@link endCopy}:
   *
   * ```ts
   * do {
   *   while (framer.next()) {
   *     if (framer.tag === backendTag.CopyData) take(framer.bytes, framer.start, framer.end)
   *     else if (connection.sideMessage() !== 'handled') return connection.endCopy()
   *   }
   * } while (await connection.more())
   * throw connection.failure
   * ```
   *
   * @throws {WalwireError} as {@link query}
   */
  copy(sql: string, limit: QueryLimit = {}): Promise<'both' | 'out'> {
    return this.#exclusively(async () => {
      const direction = await this.#limited(beginCopy(this.#session, sql), limit)
      this.#copyDoneOwed = direction === 'both'
      this.#copiesOut = direction === 'out'
      return direction
    })
  }

  /** In a copy: the messages, for the caller to pull. */
  get framer(): Framer {
    return this.#session.framer
  }

  /**
   * Waits for bytes, after the framer said that it has no whole message: true when more came, false when the connection
   * is gone ({@link failure} says why). Everything that came before the end is in the framer.
   */
  more(): Promise<boolean> {
    const more = this.#session.readAhead.more()
    return this.#copiesOut ? this.#awaited(more) : more
  }

  /** See {@link ReadAhead.keepReading}: to be called now and then by a consumer that takes long between two `more()`. */
  keepReading(): void {
    this.#session.readAhead.keepReading()
  }

  /** See {@link ReadAhead.pacing}. */
  get pacing(): boolean {
    return this.#session.readAhead.pacing
  }

  set pacing(on: boolean) {
    this.#session.readAhead.pacing = on
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
        throw this.#session.serverError('the copy was broken off', message.fields)
      default:
        if (this.#session.takeAside(message)) return 'handled'
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
    if (!this.#session.copying) return []
    this.sendCopyDone()
    return this.#awaited(finishCopy(this.#session))
  }

  /**
   * Sends a whole message as it is. The bytes must not change until they are sent. On a connection that is gone it does
   * nothing; {@link ended} tells.
   */
  write(bytes: Uint8Array): void {
    this.#session.write(bytes)
  }

  /**
   * Sends what the server takes at any time and answers with nothing, so that something in between sees that the
   * connection is in use. Also in the middle of a copy, which a query would have to wait for.
   */
  nudge(): void {
    this.write(flushMessage())
  }

  /**
   * Asks the server to cancel what this connection runs, over a second connection that goes the same way: to the address
   * that this one reached, encrypted if this one is. Resolves
   * when the server has taken the request, which says nothing about whether there was something to cancel.
   *
   * @param signal gives up earlier than after 5 s
   * @throws {WalwireError} as {@link open}; the signal's reason
   */
  cancel(signal?: AbortSignal): Promise<void> {
    return requestCancel(this.#resolved, this.#key, this.#route, signal)
  }

  /**
   * Says goodbye and waits until the stream is closed, at most `graceMs`; then the stream is destroyed. What was written
   * before is sent first. Unread data is dropped. A query or copy that is under way is cancelled, since the server would
   * not read the goodbye before its end. Calling it again only waits.
   */
  async close(graceMs = 500): Promise<void> {
    const cancelled = this.#session.occupied ? this.cancel(AbortSignal.timeout(graceMs)).catch(() => {}) : undefined
    await this.#session.close(terminateMessage(), graceMs)
    await cancelled
  }

  /**
   * Drops the connection at once. Where the server waits for a command, it is told so (Terminate): a connection that
   * breaks off in a transaction is an error in its log.
   *
   * @param reason when this is no wish but a judgement about the connection: it then ends as `connection_lost`, with
   * this as cause
   */
  destroy(reason?: Error): void {
    if (reason === undefined && this.#session.leavable) this.#session.leave(terminateMessage())
    else this.#session.destroy(reason)
  }

  #limited<T>(answer: Promise<T>, { limitMs, isReported }: QueryLimit): Promise<T> {
    return this.#awaited(limitMs === undefined ? answer : this.#within(answer, limitMs), isReported)
  }

  /** Lets it be known that an answer does not come. */
  async #awaited<T>(answer: Promise<T>, isReported = false): Promise<T> {
    if (this.#onUnanswered === undefined) return answer
    const timer = setTimeout(() => this.#onUnanswered?.({ connection: this, answer, isReported }), patienceMs)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  async #within<T>(answer: Promise<T>, limitMs: number): Promise<T> {
    let outcome = await within(answer, limitMs)
    if (outcome === undefined) {
      // Awaited, since a cancel request that comes late would cancel the next query instead.
      await this.cancel().catch(() => {})
      outcome = await within(answer, cancelledWithinMs)
      if (outcome === undefined) {
        this.destroy(new Error(`no answer came to a query within ${limitMs / 1000} s, nor after it was cancelled`))
        outcome = { ok: false, error: await this.ended }
      } else if (!outcome.ok && errorFieldsOf(outcome.error)?.code === queryCanceled) {
        outcome = { ok: false, error: tooSlow(limitMs, outcome.error) }
      }
    }
    if (!outcome.ok) throw outcome.error
    return outcome.value
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => {})
    return result
  }
}

function tooSlow(limitMs: number, cause: unknown): WalwireError {
  return new WalwireError('query_timeout', {
    what: 'the server did not answer a query in time',
    why: `its answer was not there after ${limitMs / 1000} s, and it was cancelled`,
    hint: 'look in pg_stat_activity and pg_locks what it waited for; try again',
    sqlstate: queryCanceled,
    cause,
  })
}
