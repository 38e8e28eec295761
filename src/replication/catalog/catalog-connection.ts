import type { Connection, QueryLimit } from '../../protocol/connection/connection.ts'
import type { QueryResult } from '../../protocol/connection/simple-query.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { errorFieldsOf, isFatal } from '../../protocol/messages/server-error.ts'
import type { Logger } from '../logger.ts'
import type { Queryable } from './queryable.ts'

/** What a {@link CatalogConnection} is made with. */
export interface CatalogConnectionParts {
  /** Open, and of nobody else. */
  readonly first: Connection
  /** Opens another one. */
  readonly open: (signal: AbortSignal) => Promise<Connection>
  /** Called when nothing is to be gone on with: the server is stopping, an administrator wants it, or {@link CatalogConnection.whenRenewed} rejects. */
  readonly onEnd: (reason: WalwireError) => void
  /** How long a server is waited for that cannot be reached by another connection either; see reachableWithinMs. */
  readonly unreachableMs: number
  readonly logger: Logger
}

/** A server that works on a question, or waits for a lock with it, has so long for the answer. */
const questionLimitMs = 60_000
/** SQLSTATE cannot_connect_now. */
const cannotConnectNow = '57P03'

/**
 * The ordinary connection of a run, for questions about the catalog. It is idle for long, so that something in between may
 * close it, or swallow what is sent without a word: then it is opened again when it is needed, and what was asked is asked
 * again. So it is for questions, and for what may be said twice. Every question has a limit, and whoever opened the connections
 * looks after it ({@link Connection} `onUnanswered`).
 *
 * A server that is stopping says so here even while the replication connection is blocked by back-pressure.
 */
export class CatalogConnection implements Queryable {
  /** What must be done over a connection that takes the place of a former one, before anything else is asked. */
  whenRenewed: (connection: Connection, former: Connection) => Promise<void> = async () => {}
  readonly #parts: CatalogConnectionParts
  readonly #closing = new AbortController()
  #connection: Connection
  #renewal: Promise<Connection> | undefined

  constructor(parts: CatalogConnectionParts) {
    this.#parts = parts
    this.#connection = this.#watch(parts.first)
  }

  /**
   * @param limit default: a minute
   * @throws {WalwireError} as {@link Connection.query}; what {@link CatalogConnectionParts.open} throws
   */
  async query(sql: string, limit: QueryLimit = { limitMs: questionLimitMs }): Promise<QueryResult[]> {
    const connection = await this.#usable()
    try {
      return await connection.query(sql, limit)
    } catch (error) {
      if (!this.#wasDropped(connection)) throw error
    }
    const another = await this.#usable()
    return another.query(sql, limit)
  }

  /** Of the server. */
  get processId(): number {
    return this.#connection.processId
  }

  /** Cancels what is asked, see {@link Connection.cancel}. */
  cancel(signal: AbortSignal): Promise<void> {
    return this.#connection.cancel(signal)
  }

  /** Closes it in good order, see {@link Connection.close}, and opens no other. */
  close(graceMs: number): Promise<void> {
    this.#closing.abort(closed())
    return this.#connection.close(graceMs)
  }

  /** Closes it, and opens no other. */
  destroy(): void {
    this.#closing.abort(closed())
    this.#connection.destroy()
  }

  #watch(connection: Connection): Connection {
    void connection.ended.then((error) => {
      if (isShutdown(error)) this.#parts.onEnd(error)
    })
    return connection
  }

  /** Whether a connection is gone for a reason that another one may not meet. */
  #wasDropped({ failure }: Connection): boolean {
    return failure !== undefined && !this.#closing.signal.aborted && !isShutdown(failure)
  }

  #usable(): Promise<Connection> | Connection {
    this.#closing.signal.throwIfAborted()
    return this.#wasDropped(this.#connection) ? this.#renew() : this.#connection
  }

  /** Another connection takes the place of this one, once for all who wait for it. */
  #renew(): Promise<Connection> {
    this.#renewal ??= this.#reopen().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #reopen(): Promise<Connection> {
    const { logger, unreachableMs, onEnd } = this.#parts
    const former = this.#connection
    logger.info(
      { error: former.failure },
      'the ordinary connection was closed by something in between: another one is opened',
    )
    const connection = await this.#open(unreachableMs, former.failure)
    try {
      await this.whenRenewed(connection, former)
    } catch (error) {
      if (error instanceof WalwireError && connection.failure === undefined) onEnd(error)
      connection.destroy()
      throw error
    }
    this.#connection = this.#watch(connection)
    return connection
  }

  /** @throws {WalwireError} `connection_lost` when there is none within `ms` */
  async #open(ms: number, cause?: unknown): Promise<Connection> {
    const { signal } = this.#closing
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(unreachable(ms, cause)), ms)
    try {
      const connection = await this.#parts.open(AbortSignal.any([signal, late.signal]))
      if (!signal.aborted) return connection
      connection.destroy()
      throw signal.reason
    } catch (error) {
      // With a walsender of ours at work the server is not starting: it is stopping, and waits for that walsender.
      if (error instanceof WalwireError && error.sqlstate === cannotConnectNow) this.#parts.onEnd(error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

/** FATAL of class 57P, operator intervention: the server is stopping, it crashed, or an administrator ended the session. */
function isShutdown(error: WalwireError): boolean {
  const fields = errorFieldsOf(error)
  return fields !== undefined && isFatal(fields) && /^57P0[1-4]$/.test(fields.code)
}

function closed(): WalwireError {
  return new WalwireError('connection_closed', {
    what: 'the ordinary connection is over',
    why: 'this side closed it',
    hint: 'open another one',
  })
}

function unreachable(ms: number, cause: unknown): WalwireError {
  return new WalwireError('connection_lost', {
    what: 'the server cannot be asked any more',
    why: `no ordinary connection could be opened within ${ms / 1000} s`,
    hint: 'begin again at the stored position; a network in between may drop what is sent',
    cause,
  })
}
