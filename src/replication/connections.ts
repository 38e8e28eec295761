import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '../protocol/connection/connection.ts'
import { resolveConnection } from '../protocol/connection/resolve-connection.ts'
import { within } from '../protocol/connection/within.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { errorFieldsOf } from '../protocol/messages/server-error.ts'
import { CatalogConnection } from './catalog/catalog-connection.ts'
import { reachableWithinMs } from './catalog/lookout.ts'
import { checkSameServer, readServerProcess } from './catalog/same-server.ts'
import { asReplicationRefusal, checkServer, readServerFacts, type ServerFacts } from './catalog/server-facts.ts'
import type { FollowSettings } from './follow-options.ts'
import { Opener } from './opener.ts'
import type { Waits } from './waits.ts'

const cancelMs = 500
/** How long to look for the reason of a loss. */
const inquiryMs = 3_000
/** A walsender that was told goodbye makes room for another one within moments. */
const goodbyeMs = 1_000
const roomMs = 5_000
const roomRetryMs = 50
/** A question that is not answered by then is taken to wait for something. */
const busyMs = 100

/** By which a set of connections is known to its server. */
export interface ServingProcesses {
  /** When the server was started; undefined where it does not say. */
  readonly serverStart: string | undefined
  readonly replication: number
  readonly ordinary: number
}

/**
 * One set of connections: one for replication, one ordinary for the catalog, which is opened again where something in
 * between closed it, and the snapshot's workers. When the first is lost, or the server ends the second, all are closed, and
 * {@link failure} says what came first.
 */
export class Connections {
  /** Another one after {@link renewReplication}. */
  replication: Connection
  /** On a standby a walsender too, though it only answers questions. */
  readonly ordinary: CatalogConnection
  /** What the server said of itself when the connections were opened. */
  readonly server: ServerFacts
  readonly #opener: Opener
  readonly #workers = new Set<Connection>()
  /** Looks for what the server did not say when it ended the replication connection, over the other one. */
  #inquiry: (() => Promise<WalwireError | undefined>) | undefined
  #failure: WalwireError | undefined
  #tellWhy: (why: WalwireError) => void = () => {}
  /** Resolves with why the connections are gone, when that is known; see {@link inquireWith}. */
  readonly lost = new Promise<WalwireError>((resolve) => {
    this.#tellWhy = resolve
  })
  #closing = false
  /** The replication connection was closed for another one to take its place. */
  #renewing = false

  private constructor(
    { logger }: FollowSettings,
    opener: Opener,
    replication: Connection,
    ordinary: Connection,
    server: ServerFacts,
  ) {
    this.#opener = opener
    this.replication = replication
    this.server = server
    const unreachableMs = reachableWithinMs(server.walSenderTimeoutMs)
    this.ordinary = new CatalogConnection({
      first: ordinary,
      open: (signal) => this.#openOrdinary(signal),
      // A shutdown is said on this connection only while the other one is busy sending; a walsender that is blocked by
      // our back-pressure would hold the server up.
      onEnd: (reason) => this.abandon(reason),
      unreachableMs,
      logger,
    })
    opener.askOver(this.ordinary, unreachableMs)
    this.#watchReplication()
  }

  /** @throws {WalwireError} what the connections throw, and {@link checkServer} */
  static async open(settings: FollowSettings, waits: Waits, signal: AbortSignal): Promise<Connections> {
    const resolved = await resolveConnection(settings.connection)
    for (const warning of resolved.warnings) settings.logger.warn({}, warning)
    const opener = new Opener(resolved, settings, waits)
    const opened: Connection[] = []
    const destroyAll = () => {
      for (const connection of opened) connection.destroy()
    }
    const open = async (role: 'replication' | 'ordinary', replication: 'database' | undefined) => {
      const connection = await opener.open(role, { replication, signal })
      opened.push(connection)
      return connection
    }
    // an abort must also end the wait for an answer to a question
    signal.addEventListener('abort', destroyAll)
    try {
      const replication = await open('replication', 'database').catch((error: unknown) => {
        throw asReplicationRefusal(error, resolved.user)
      })
      const server = await readServerFacts(replication)
      checkServer(server)
      const ordinary = await open('ordinary', ordinaryKind(server))
      opener.process = await readServerProcess(replication)
      await checkSameServer(ordinary, opener.process)
      signal.throwIfAborted()
      return new Connections(settings, opener, replication, ordinary, server)
    } catch (error) {
      destroyAll()
      throw error
    } finally {
      signal.removeEventListener('abort', destroyAll)
    }
  }

  /** What ended the first connection that was lost while they were in use. */
  get failure(): WalwireError | undefined {
    return this.#failure
  }

  get processes(): ServingProcesses {
    const { replication, ordinary } = this
    const serverStart = this.#opener.process?.serverStart
    return { serverStart, replication: replication.processId, ordinary: ordinary.processId }
  }

  /** Bytes that were read ahead. */
  get bufferedBytes(): number {
    let bytes = this.replication.framer.buffered
    for (const worker of this.#workers) bytes += worker.framer.buffered
    return bytes
  }

  async #openOrdinary(signal: AbortSignal): Promise<Connection> {
    const replication = ordinaryKind(this.server)
    const connection = await this.#opener.open('ordinary', { replication, signal })
    try {
      await checkSameServer(connection, this.#opener.process)
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  /** Another ordinary connection, for a copy. */
  async openWorker(signal: AbortSignal): Promise<Connection> {
    const worker = await this.#opener.open('worker', { signal })
    this.#workers.add(worker)
    if (this.#failure !== undefined || this.#closing) worker.destroy()
    await checkSameServer(this.ordinary, await readServerProcess(worker))
    return worker
  }

  /** Closes one that is not needed any more; what {@link closeWorkers} closes is left to that. */
  closeWorker(worker: Connection): void {
    if (this.#workers.delete(worker)) worker.destroy()
  }

  /**
   * Another replication connection takes the place of this one, which must hold no slot any more; this one is closed
   * first, since the server may have no walsender to spare. A walsender cannot be used for a second logical stream: after
   * CopyDone it ends the next one at once, and after a cancel request it still takes the relations for described that it
   * described before. So what was described begins anew as well.
   *
   * @see PG18: src/backend/replication/walsender.c streamingDoneReceiving, src/backend/replication/pgoutput/pgoutput.c
   * RelationSyncCache
   */
  async renewReplication(signal: AbortSignal): Promise<void> {
    this.#renewing = true
    await this.replication.close(goodbyeMs)
    this.replication = await this.#openInItsPlace(signal)
    this.#renewing = false
    this.#watchReplication()
    if (this.#failure !== undefined || this.#closing) this.replication.destroy()
    this.#opener.process = await readServerProcess(this.replication)
    await checkSameServer(this.ordinary, this.#opener.process)
  }

  /** The server is told goodbye, and has room for another one when the process has ended. */
  async #openInItsPlace(signal: AbortSignal): Promise<Connection> {
    const deadline = performance.now() + roomMs
    for (;;) {
      try {
        return await this.#opener.open('replication', { replication: 'database', signal })
      } catch (error) {
        const isFull = error instanceof WalwireError && error.code === 'too_many_connections'
        if (!isFull || performance.now() >= deadline) throw error
        await delay(roomRetryMs, undefined, { signal })
      }
    }
  }

  #watchReplication(): void {
    const { replication } = this
    void replication.ended.then((error) => {
      if (replication === this.replication && !this.#renewing) void this.#lose(error)
    })
  }

  /** Sets how to find out why the server ended the replication connection, where it said something. */
  inquireWith(inquiry: () => Promise<WalwireError | undefined>): void {
    this.#inquiry = inquiry
  }

  async #lose(error: WalwireError): Promise<void> {
    const inquiry = errorFieldsOf(error) === undefined ? undefined : this.#inquiry
    if (inquiry === undefined || this.#closing || this.#failure !== undefined) return this.abandon(error)
    this.#failure = error
    for (const worker of this.#workers) worker.destroy()
    this.replication.destroy()
    const found = await within(inquiry(), inquiryMs)
    this.#tellWhy(found?.ok && found.value !== undefined ? found.value : error)
    this.ordinary.destroy()
  }

  /**
   * Closes the workers, and cancels what they do: a backend that waits for a lock does not notice that nobody waits for
   * it any more. The other two connections are still needed to end well. Resolves after `ms` at most.
   */
  async closeWorkers(ms = cancelMs): Promise<void> {
    this.#closing = true
    const workers = [...this.#workers]
    this.#workers.clear()
    await Promise.all(workers.map((worker) => worker.close(Math.max(0, Math.floor(ms)))))
  }

  /** Closes all, and cancels what an ordinary one may wait for. Resolves when they are closed, after `ms` at most. */
  async close(ms: number): Promise<void> {
    const graceMs = Math.max(0, Math.floor(ms))
    await Promise.all([this.closeWorkers(graceMs), this.replication.close(graceMs), this.ordinary.close(graceMs)])
  }

  /** Closes all connections because of a failure, which {@link failure} is from then on. The first one counts. */
  abandon(error: WalwireError): void {
    if (this.#closing || this.#failure !== undefined) return
    this.#failure = error
    this.#tellWhy(error)
    for (const worker of this.#workers) worker.destroy()
    this.replication.destroy()
    this.ordinary.destroy()
  }

  /**
   * Has the ordinary connection free for the last questions, at the end: whatever is still asked over it is cancelled,
   * since a backend that waits for a lock does not notice that nobody waits for it any more.
   */
  async freeOrdinary(ms: number): Promise<void> {
    const deadline = performance.now() + ms
    const probe = this.ordinary.query('SELECT 1')
    while ((await within(probe, Math.min(busyMs, deadline - performance.now()))) === undefined) {
      const remainingMs = Math.floor(deadline - performance.now())
      if (remainingMs <= 0) return
      await this.ordinary.cancel(AbortSignal.timeout(remainingMs)).catch(() => {})
    }
  }
}

/** Which timeline a standby replays is told to walsenders alone, which take queries as well. */
function ordinaryKind({ inRecovery }: ServerFacts): 'database' | undefined {
  return inRecovery ? 'database' : undefined
}
