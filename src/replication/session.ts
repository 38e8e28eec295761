import type { RelationMessage } from '../decoder/messages.ts'
import { PgoutputDecoder } from '../decoder/pgoutput.ts'
import { TypeRegistry } from '../decoder/types/registry.ts'
import { Connection, type OpenOptions } from '../protocol/connection/connection.ts'
import type { ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { resolveConnection } from '../protocol/connection/resolve-connection.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import type { Lsn } from '../protocol/messages/lsn.ts'
import { queryRows } from './catalog/queryable.ts'
import { asReplicationRefusal, checkServer, readServerFacts, type ServerFacts } from './catalog/server-facts.ts'
import { readTimelineHistory, type TimelineSwitch } from './catalog/timeline-history.ts'
import { readTypes } from './catalog/type-catalog.ts'
import { TypeWatch, withUncertainty } from './catalog/type-watch.ts'
import { waitUntilVisible } from './catalog/visibility.ts'
import { waitForLsn } from './catalog/wait-for-lsn.ts'
import type { FollowSettings } from './follow-options.ts'
import { BinaryFormat } from './stream/binary-format.ts'

/** Data in this encoding is whatever bytes the clients sent: nobody has checked that it is text. */
const uncheckedEncoding = 'SQL_ASCII'

const cancelMs = 500
/** What a primary has written it flushes within moments. */
const flushTimeoutMs = 10_000

/**
 * The connections of one run, and what was learned over them: one for replication, one ordinary for the catalog, and
 * the snapshot's workers. When one of the first two is lost all are closed, and {@link failure} says what came first.
 */
export class Session {
  /** Another one after {@link renewReplication}. */
  replication: Connection
  readonly ordinary: Connection
  readonly server: ServerFacts
  /** As the catalog has them: see {@link renewTypes}. */
  types: TypeRegistry
  typeWatch: TypeWatch
  binaryFormat: BinaryFormat
  /** Of the stream that runs, or of the next one. */
  decoder: PgoutputDecoder
  readonly #resolved: ResolvedConnection
  readonly #settings: FollowSettings
  readonly #workers = new Set<Connection>()
  #failure: WalwireError | undefined
  #closing = false

  private constructor(
    settings: FollowSettings,
    resolved: ResolvedConnection,
    replication: Connection,
    ordinary: Connection,
    server: ServerFacts,
  ) {
    this.#settings = settings
    this.#resolved = resolved
    this.replication = replication
    this.ordinary = ordinary
    this.server = server
    this.types = this.#newTypes()
    this.typeWatch = new TypeWatch(this.types, ordinary)
    this.binaryFormat = new BinaryFormat(this.types, settings.logger)
    this.decoder = this.#newDecoder()
    this.#watchReplication()
    // An administrator's shutdown is said on this connection only while the other one is busy sending; a walsender that
    // is blocked by our back-pressure would hold the server up.
    void ordinary.ended.then((error) => this.abandon(error))
  }

  /** @throws {WalwireError} what the connections throw, and {@link checkServer} */
  static async open(settings: FollowSettings, signal: AbortSignal): Promise<Session> {
    const resolved = await resolveConnection(settings.connection)
    for (const warning of resolved.warnings) settings.logger.warn({}, warning)
    const opened: Connection[] = []
    const destroyAll = () => {
      for (const connection of opened) connection.destroy()
    }
    const open = async (replication: 'database' | undefined) => {
      const connection = await connect(resolved, settings, { replication, signal })
      opened.push(connection)
      return connection
    }
    // an abort must also end the wait for an answer to a question
    signal.addEventListener('abort', destroyAll)
    try {
      const replication = await open('database').catch((error: unknown) => {
        throw asReplicationRefusal(error, resolved.user)
      })
      const server = await readServerFacts(replication)
      checkServer(server)
      const ordinary = await open(undefined)
      signal.throwIfAborted()
      return new Session(settings, resolved, replication, ordinary, server)
    } catch (error) {
      destroyAll()
      throw error
    } finally {
      signal.removeEventListener('abort', destroyAll)
    }
  }

  /** What ended the first connection that was lost while the session was in use. */
  get failure(): WalwireError | undefined {
    return this.#failure
  }

  /** Bytes that were read ahead. */
  get bufferedBytes(): number {
    let bytes = this.replication.framer.buffered
    for (const worker of this.#workers) bytes += worker.framer.buffered
    return bytes
  }

  /** Another ordinary connection, for a copy. */
  async openWorker(signal: AbortSignal): Promise<Connection> {
    const worker = await connect(this.#resolved, this.#settings, { signal })
    this.#workers.add(worker)
    if (this.#failure !== undefined || this.#closing) worker.destroy()
    return worker
  }

  closeWorker(worker: Connection): void {
    this.#workers.delete(worker)
    worker.destroy()
  }

  /**
   * Another replication connection takes the place of this one, which must hold no slot any more. A walsender cannot be
   * used for a second logical stream: after CopyDone it ends the next one at once, and after a cancel request it still
   * takes the relations for described that it described before.
   *
   * @see PG18: src/backend/replication/walsender.c streamingDoneReceiving, src/backend/replication/pgoutput/pgoutput.c
   * RelationSyncCache
   */
  async renewReplication(signal: AbortSignal): Promise<void> {
    const former = this.replication
    this.replication = await connect(this.#resolved, this.#settings, { replication: 'database', signal })
    this.#watchReplication()
    former.destroy()
    this.decoder = this.#newDecoder(this.decoder)
    if (this.#failure !== undefined || this.#closing) this.replication.destroy()
  }

  #watchReplication(): void {
    const { replication } = this
    void replication.ended.then((error) => {
      if (replication === this.replication) this.abandon(error)
    })
  }

  /** Types were altered before any was streamed: they are asked for again when they are needed. */
  renewTypes(): void {
    this.types = this.#newTypes()
    this.typeWatch = new TypeWatch(this.types, this.ordinary)
    this.binaryFormat = new BinaryFormat(this.types, this.#settings.logger)
    this.decoder = this.#newDecoder(this.decoder)
  }

  #newTypes(): TypeRegistry {
    const { types, values, invalidText, logger } = this.#settings
    return new TypeRegistry({
      overrides: types,
      values,
      uncheckedText: hasUncheckedText(this.replication) ? invalidText : undefined,
      serverVersion: Math.floor(this.server.version / 10_000),
      onMismatch: ({ label }, why) => logger.warn({ type: label }, `type ${label} is delivered as text: ${why}`),
    })
  }

  #newDecoder(former?: PgoutputDecoder): PgoutputDecoder {
    return new PgoutputDecoder({ protoVersion: 1, types: this.types, ...(former === undefined ? {} : { former }) })
  }

  /**
   * Closes the workers; the other two connections are still needed to end well. Resolves when the requests that cancel
   * what the workers did are closed as well, after `ms` at most.
   */
  async closeWorkers(ms = cancelMs): Promise<void> {
    this.#closing = true
    const signal = AbortSignal.timeout(Math.max(0, Math.floor(ms)))
    const cancelled = [...this.#workers].map((worker) => {
      // a backend that waits for a lock does not notice that nobody waits for it any more
      const request = worker.cancel(signal).catch(() => {})
      this.closeWorker(worker)
      return request
    })
    await Promise.all(cancelled)
  }

  destroy(): void {
    void this.closeWorkers()
    this.replication.destroy()
    this.ordinary.destroy()
  }

  /** Closes all connections because of a failure, which {@link failure} is from then on. The first one counts. */
  abandon(error: WalwireError): void {
    if (this.#closing || this.#failure !== undefined) return
    this.#failure = error
    for (const worker of this.#workers) worker.destroy()
    this.replication.destroy()
    this.ordinary.destroy()
  }

  /** The ancestors of the server's timeline, where a position of another one is to be found among them. */
  async readHistory(timeline: number): Promise<readonly TimelineSwitch[]> {
    return timeline >= this.server.timeline ? [] : readTimelineHistory(this.replication, this.server.timeline)
  }

  /**
   * A walsender lives on when its standby is promoted. The positions of this run would name the old timeline for what
   * is on the new one, so the run ends before it delivers any.
   *
   * @throws {WalwireError} `standby_promoted`
   */
  async checkStillStandby(): Promise<void> {
    const [[inRecovery] = []] = await queryRows(this.ordinary, 'SELECT pg_catalog.pg_is_in_recovery()')
    if (inRecovery === 't') return
    throw new WalwireError('standby_promoted', {
      what: 'the feed cannot go on as it began',
      why: 'the server was a standby and was promoted, and positions must name its new timeline',
      hint: 'begin again at the stored position',
    })
  }

  /** Waits until the server can send up to this LSN. @throws {WalwireError} `position_ahead` */
  waitFor(lsn: Lsn, signal: AbortSignal): Promise<void> {
    return waitForLsn(this.replication, lsn, {
      primaryTimeoutMs: flushTimeoutMs,
      logger: this.#settings.logger,
      signal,
    })
  }

  /**
   * Makes types known that are not yet, over the ordinary connection. Undefined when there is nothing to ask.
   *
   * @param xid the transaction in which they came, which may have made them
   */
  learnTypes(oids: readonly number[], xid?: number): Promise<void> | undefined {
    const unknown = this.#unknown(oids)
    return unknown.length === 0 ? undefined : this.#readTypes(unknown, xid)
  }

  /** The same for the columns of a relation. */
  learnRelationTypes(relation: RelationMessage, xid: number | undefined): Promise<void> | undefined {
    return this.learnTypes(
      relation.columns.map((column) => column.typeOid),
      xid,
    )
  }

  #unknown(oids: readonly number[]): number[] {
    return [...new Set(oids)].filter((oid) => this.types.get(oid) === undefined)
  }

  async #readTypes(oids: readonly number[], xid: number | undefined): Promise<void> {
    await this.#addTypes(oids)
    if (xid !== undefined && this.#unknown(oids).length > 0 && (await waitUntilVisible(this.ordinary, xid))) {
      await this.#addTypes(this.#unknown(oids))
    }
    for (const oid of this.#unknown(oids)) {
      this.types.addUnknown(oid)
      this.#settings.logger.warn({ oid }, `type ${oid} is not in the catalog: its values are delivered as text`)
    }
  }

  async #addTypes(oids: readonly number[]): Promise<void> {
    const types = await withUncertainty(await readTypes(this.ordinary, oids), this.ordinary, this.#settings.slot)
    // what is known stays what it is: others are made of it
    for (const type of types) if (this.types.get(type.oid) === undefined) this.types.add(type)
  }
}

/**
 * Opens a connection. Of a database whose text nobody has checked the server would refuse to send what is not UTF-8, and
 * not say where it stands; so it is asked not to look, and the reader of the column does.
 */
async function connect(
  resolved: ResolvedConnection,
  { logger, maxBufferedBytes }: FollowSettings,
  options: OpenOptions,
): Promise<Connection> {
  const connection = await Connection.open(resolved, {
    ...options,
    maxBufferedBytes,
    onNotice: ({ code, message }) => logger.warn({ sqlstate: code }, `the server says: ${message}`),
  })
  if (!hasUncheckedText(connection)) return connection
  try {
    await connection.query(`SET client_encoding = '${uncheckedEncoding}'`)
    return connection
  } catch (error) {
    connection.destroy()
    throw error
  }
}

function hasUncheckedText(connection: Connection): boolean {
  return connection.parameters.get('server_encoding') === uncheckedEncoding
}
