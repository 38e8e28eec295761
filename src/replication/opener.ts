import { Connection, type OpenOptions } from '../protocol/connection/connection.ts'
import type { ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { Lookout, reachableWithinMs } from './catalog/lookout.ts'
import type { Queryable } from './catalog/queryable.ts'
import { checkSameServer, type ServerProcess } from './catalog/same-server.ts'
import type { FollowSettings } from './follow-options.ts'
import type { Waits } from './waits.ts'

/** Data in this encoding is whatever bytes the clients sent: nobody has checked that it is text. */
const uncheckedEncoding = 'SQL_ASCII'

/** A connection of a run, by what it is for. */
export type ConnectionRole = 'replication' | 'ordinary' | 'worker'

/** What waits, for the log, when the server does not answer over a connection. */
const waits: Readonly<Record<ConnectionRole, string>> = {
  replication: 'a command over the replication connection',
  ordinary: 'a question about the catalog',
  worker: 'the copy',
}

/**
 * Opens the connections of a run, all to the address that the first one reached, and sees to it that none of them waits
 * without a word, or for ever.
 */
export class Opener {
  /** What all connections must be to the server of, once it is known: the walsender. */
  process: ServerProcess | undefined
  readonly #resolved: ResolvedConnection
  readonly #settings: FollowSettings
  readonly #waits: Waits
  #first: Connection | undefined
  /** Over connections of its own, which leave the ordinary one to its questions. */
  readonly #ofQuestions: Lookout
  /** Over the ordinary connection, as soon as there is one: another may be one too many for the server. */
  readonly #ofOthers: Lookout

  constructor(resolved: ResolvedConnection, settings: FollowSettings, waits: Waits) {
    this.#resolved = resolved
    this.#settings = settings
    this.#waits = waits
    const parts = { open: (signal: AbortSignal) => this.#openToLook(signal), logger: settings.logger, waits }
    const unreachableMs = reachableWithinMs(resolved.connectTimeoutMs)
    this.#ofQuestions = new Lookout(parts, unreachableMs)
    this.#ofOthers = new Lookout(parts, unreachableMs)
  }

  /** What the others wait for is asked over the ordinary connection from now on. @param unreachableMs see {@link Lookout} */
  askOver(ordinary: Queryable, unreachableMs: number): void {
    this.#ofOthers.over = ordinary
    this.#ofOthers.unreachableMs = unreachableMs
    this.#ofQuestions.unreachableMs = unreachableMs
  }

  /** @throws {WalwireError} as {@link Connection.open} */
  async open(role: ConnectionRole, options: OpenOptions): Promise<Connection> {
    const lookout = role === 'ordinary' ? this.#ofQuestions : this.#ofOthers
    const connection = await this.#connect({
      ...options,
      onUnanswered: (wait) => void lookout.lookAfter(wait, waits[role]),
    })
    this.#first ??= connection
    return connection
  }

  async #openToLook(signal: AbortSignal): Promise<Connection> {
    const connection = await this.#connect({ signal })
    try {
      await checkSameServer(connection, this.process)
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  /**
   * Of a database whose text nobody has checked the server would refuse to send what is not UTF-8, and not say where it
   * stands; so it is asked not to look, and the reader of the column does.
   */
  #connect(options: OpenOptions): Promise<Connection> {
    const { logger, maxBufferedBytes } = this.#settings
    const { description } = this.#resolved
    return this.#waits.during((say) =>
      Connection.open(this.#resolved, {
        ...options,
        beside: this.#first,
        maxBufferedBytes,
        clientEncoding: (serverEncoding) => (serverEncoding === uncheckedEncoding ? uncheckedEncoding : 'UTF8'),
        onNotice: ({ code, message }) => logger.warn({ sqlstate: code }, `the server says: ${message}`),
        onSlowOpening: (step) => {
          say(`a connection to ${description}: no answer came while ${step}`)
          logger.warn({}, `a connection to ${description} is not there yet: no answer came while ${step}`)
        },
      }),
    )
  }
}
