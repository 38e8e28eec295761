import { within } from '../protocol/connection/within.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../protocol/messages/lsn.ts'
import { quoteLiteral } from '../protocol/messages/quote.ts'
import { dropSlotCommand, startReplicationCommand } from '../protocol/messages/replication-commands.ts'
import { errorFieldsOf, isFatal } from '../protocol/messages/server-error.ts'
import type { Batch } from './batch.ts'
import type { FollowSettings } from './follow-options.ts'
import type { Position } from './position.ts'
import { Progress } from './progress.ts'
import { findPublications, type PublishedTable, readPublications } from './publication/publication.ts'
import { asReplicationError } from './replication-error.ts'
import { Session } from './session.ts'
import { dropSlot, readSlot } from './slot/slot.ts'
import { checkSlotUnmoved, checkSlotUsable } from './slot/slot-check.ts'
import { createSlot } from './slot/slot-creation.ts'
import { Snapshot, TableChanged } from './snapshot/snapshot.ts'
import { planStart, type StartPlan } from './start.ts'
import { AnnouncedRelations } from './stream/announced-relations.ts'
import { Assembler } from './stream/assembler.ts'
import { BinaryNotExact } from './stream/binary-format.ts'
import { endStream, leaveStream } from './stream/ending.ts'
import { Stream } from './stream/stream.ts'

/** How often a snapshot is begun before giving up, when tables are changed under it. */
const maxSnapshotAttempts = 5
/** A slot that is made anew waits this long for a walsender of an earlier run to let go of it. */
const leftoverDeadlineMs = 5_000
/** At the end, the acknowledgement of the batch in hand may come until then, */
const lastAckMs = 600
/** a slot that is being made has until then to be given up, */
const giveUpMs = 750
/** and a slot that nobody will continue is dropped until then, from the end of the loop. */
const dropUntilMs = 950

/**
 * One run of a feed from its first connection to its end, in the order of things: connect, check, make the slot and
 * copy, or continue; then stream. Between two pulls nothing happens but status updates.
 */
export class Run {
  readonly progress = new Progress()
  readonly #settings: FollowSettings
  readonly #announced = new AnnouncedRelations()
  readonly #abort = new AbortController()
  #session: Session | undefined
  #stream: Stream | undefined
  #snapshot: Snapshot | undefined
  /** This run made the slot, and nobody can hold a position that continues it: it goes with the run. */
  #unclaimedSlot = false
  /** A slot is being made. */
  #creation: Promise<unknown> | undefined
  #temporarySlotMade = false
  #acknowledgedAll: (() => void) | undefined
  #ending = false

  constructor(settings: FollowSettings) {
    this.#settings = settings
  }

  /** There while tables are copied. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** There while changes are followed. */
  get stream(): Stream | undefined {
    return this.#stream
  }

  /** Bytes that were read ahead. */
  get bufferedBytes(): number {
    return this.#session?.bufferedBytes ?? 0
  }

  /** The caller stored a position. @throws {WalwireError} as {@link Progress.acknowledge} */
  acknowledge(position: Position): void {
    if (!this.progress.acknowledge(position)) return
    if (position.phase === 'snapshot') this.#unclaimedSlot = false
    this.#stream?.acknowledged()
    if (this.progress.allAcknowledged) this.#acknowledgedAll?.()
  }

  /** Everything that the feed delivers, in order. */
  async *batches(): AsyncGenerator<Batch, undefined> {
    try {
      const session = await Session.open(this.#settings, this.#abort.signal)
      this.#session = session
      if (this.#ending) {
        session.destroy()
        return undefined
      }
      for await (const batch of this.#plan(session)) {
        // it would be taken for delivered, and nobody takes it any more
        if (this.#ending) return undefined
        this.progress.deliver(batch.position)
        // the caller may be storing it, acknowledged or not: without the slot it could not be continued
        if (batch.position.phase === 'stream') this.#unclaimedSlot = false
        yield batch
      }
    } catch (error) {
      throw this.#explain(error)
    }
    return undefined
  }

  /** Why the run failed: a query that failed because its connection is gone says less than why that went. */
  #explain(error: unknown): unknown {
    const lost = isConnectionLoss(error) ? (this.#session?.failure ?? error) : undefined
    if (lost !== undefined && this.#temporarySlotMade) return temporarySlotLost(lost, this.#settings.slot)
    return asReplicationError(lost ?? error, this.#settings.slot)
  }

  /**
   * Ends the run: everything is closed when this resolves, within a second.
   *
   * @param awaitAck whether the batch in hand may still be acknowledged
   */
  async end(awaitAck: boolean): Promise<void> {
    const begunMs = performance.now()
    this.#ending = true
    if (awaitAck && !this.progress.allAcknowledged) {
      const acknowledged = new Promise<void>((resolve) => {
        this.#acknowledgedAll = resolve
      })
      await within(acknowledged, lastAckMs)
    }
    this.#abort.abort(ended())
    const session = this.#session
    if (session === undefined) return
    const workersClosed = session.closeWorkers(begunMs + dropUntilMs - performance.now())
    if (this.#creation !== undefined) await within(this.#creation, begunMs + giveUpMs - performance.now())
    const pid = session.replication.processId
    if (this.#stream !== undefined) await endStream(session.replication, this.#stream, begunMs)
    if (this.#unclaimedSlot) {
      const { slot, logger } = this.#settings
      const remainingMs = begunMs + dropUntilMs - performance.now()
      const dropped = dropSlot(session.ordinary, slot, { deadlineMs: remainingMs, pid }).catch((error) => {
        logger.warn({ slot, error }, `slot ${slot} was made by this run and could not be dropped: drop it by hand`)
      })
      await within(dropped, remainingMs)
    }
    await workersClosed
    session.destroy()
  }

  async *#plan(session: Session): AsyncGenerator<Batch, undefined> {
    const { slot: name, start, temporary, snapshot, publications } = this.#settings
    const slot = await readSlot(session.ordinary, name)
    const history = isPosition(start) ? await session.readHistory(start.timeline) : []
    const plan = planStart({ start, slotName: name, temporary, snapshot, publications }, session.server, slot, history)
    // Before anything is made or sent: up to 17 the server says only at the first change that one is missing.
    if (plan.kind === 'continue') {
      await findPublications(session.ordinary, publications)
      this.progress.continueFrom(plan.position)
      if (plan.waitFor !== undefined) await session.waitFor(plan.waitFor, this.#abort.signal)
      yield* this.#follow(session, plan.position, plan.from)
    } else {
      await readPublications(session.ordinary, publications, session.server.version)
      yield* this.#begin(session, plan)
    }
    return undefined
  }

  /** A run that has no slot yet, or one that is to be made anew. */
  async *#begin(session: Session, plan: Exclude<StartPlan, { kind: 'continue' }>): AsyncGenerator<Batch, undefined> {
    const { slot, snapshot } = this.#settings
    const { position } = plan
    // Stored before the slot is made, it tells a later run that the slot is a leftover of this one.
    if (plan.kind === 'create') yield { events: [], position, atCommit: true }
    else if (plan.dropSlot) await dropSlot(session.ordinary, slot, { deadlineMs: leftoverDeadlineMs })
    const replaced = plan.kind === 'remake' && plan.mode === 'replace' ? 'all' : new Set<number>()
    const base = yield* snapshot === 'never'
      ? this.#skipCopy(session, position)
      : this.#copy(session, position, replaced)
    if (snapshot !== 'only') {
      yield* this.#follow(session, base, parseLsn(base.lsn))
    }
    return undefined
  }

  async *#skipCopy(session: Session, position: Position): AsyncGenerator<Batch, Position> {
    const { consistentPoint } = await this.#createSlot(session, 'nothing')
    const base = streamPosition(position, consistentPoint)
    yield { events: [], position: base, atCommit: true }
    return base
  }

  /** Makes the slot and copies the tables at its consistent point; again from the start when one was changed meanwhile. */
  async *#copy(session: Session, position: Position, replaced: Set<number> | 'all'): AsyncGenerator<Batch, Position> {
    const { logger, slot } = this.#settings
    for (let attempt = 1; ; attempt++) {
      const { consistentPoint, snapshotName } = await this.#createSlot(session, 'export')
      const base = streamPosition(position, consistentPoint)
      try {
        yield* this.#copyOnce(session, base, consistentPoint, snapshotName, replaced)
        return base
      } catch (error) {
        if (!(error instanceof TableChanged)) throw error
        if (attempt === maxSnapshotAttempts) throw unstable(error, attempt)
        logger.warn({ table: error.table, attempt }, `${error.message}: the snapshot begins again`)
        session.renewTypes()
        // by the connection that made it: nobody else may drop a temporary slot
        await session.replication.query(dropSlotCommand(slot))
      }
    }
  }

  async *#copyOnce(
    session: Session,
    base: Position,
    at: Lsn,
    snapshotName: string,
    replaced: Set<number> | 'all',
  ): AsyncGenerator<Batch, undefined> {
    const { logger, publications, maxBatchRows, maxBatchBytes } = this.#settings
    const worker = await session.openWorker(this.#abort.signal)
    try {
      await worker.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}`,
      )
      const tables = await readPublications(worker, publications, session.server.version)
      await worker.query('COMMIT')
      await session.learnTypes(tables.flatMap(({ relation }) => relation.columns.map((column) => column.typeOid)))
      const snapshot = new Snapshot({
        worker,
        ordinary: session.ordinary,
        snapshotName,
        at,
        tables: tables.map((table) => this.#remember(session, table)),
        types: session.types,
        typeWatch: session.typeWatch,
        announced: this.#announced,
        replaced,
        base,
        limits: { maxBatchRows, maxBatchBytes },
        logger,
        binaryFormat: this.#settings.binary ? session.binaryFormat : undefined,
      })
      this.#snapshot = snapshot
      logger.info({ tables: tables.length, lsn: formatLsn(at) }, 'the snapshot begins')
      yield* snapshot.batches()
      logger.info(snapshot.progress, 'the snapshot is complete')
    } finally {
      this.#snapshot = undefined
      session.closeWorker(worker)
    }
    return undefined
  }

  /** The relation of a copied table is the one that the stream will speak of, as long as nothing differs. */
  #remember(session: Session, table: PublishedTable): PublishedTable {
    const { relation } = table
    const columns = relation.columns.map((column) => ({
      ...column,
      type: session.types.get(column.typeOid)?.label ?? column.type,
    }))
    return { ...table, relation: session.decoder.remember({ ...relation, columns }) }
  }

  async #createSlot(
    session: Session,
    snapshot: 'export' | 'nothing',
  ): Promise<{ consistentPoint: Lsn; snapshotName: string }> {
    const { slot, temporary, slotTimeoutMs, logger } = this.#settings
    const creation = createSlot(session.replication, session.ordinary, {
      name: slot,
      temporary,
      snapshot,
      timeoutMs: slotTimeoutMs,
      logger,
      version: session.server.version,
      signal: this.#abort.signal,
    }).then((made) => {
      this.#unclaimedSlot = !temporary
      this.#temporarySlotMade = temporary
      return made
    })
    this.#creation = creation
    const { consistentPoint, snapshotName } = await creation
    return { consistentPoint, snapshotName: snapshotName ?? '' }
  }

  /** Follows from a position on: in binary form where that was asked for and is exact, until it is not any more. */
  async *#follow(session: Session, base: Position, from: Lsn): AsyncGenerator<Batch, undefined> {
    const { logger } = this.#settings
    const binary = this.#settings.binary && (await this.#isExactInBinary(session))
    try {
      return yield* this.#streamFrom(session, base, from, binary)
    } catch (error) {
      const stream = this.#stream
      const position = this.progress.delivered
      if (!(error instanceof BinaryNotExact) || stream === undefined || position === undefined) throw error
      logger.warn(error.because, error.message)
      await leaveStream(session.replication, stream)
      await session.renewReplication(this.#abort.signal)
      return yield* this.#streamFrom(session, position, parseLsn(position.lsn), false)
    }
  }

  /** A stream in binary form may have to be begun again over another connection, which a temporary slot does not survive. */
  async #isExactInBinary(session: Session): Promise<boolean> {
    const { temporary, publications, logger } = this.#settings
    if (temporary) {
      logger.info({}, 'the slot is temporary: its stream cannot change to text later, so text is used')
      return false
    }
    const tables = await readPublications(session.ordinary, publications, session.server.version)
    await session.learnTypes(tables.flatMap(({ relation }) => relation.columns.map((column) => column.typeOid)))
    return tables.every(({ relation }) => session.binaryFormat.isExact(relation))
  }

  /** Streams from a position of the slot, once it is sure that nobody moved the slot since. */
  async *#streamFrom(session: Session, base: Position, from: Lsn, binary: boolean): AsyncGenerator<Batch, undefined> {
    const { slot, publications, stop, logger, maxBatchRows, maxBatchBytes } = this.#settings
    const { replication, ordinary, decoder, server } = session
    const before = checkSlotUsable(slot, await readSlot(ordinary, slot), server)
    const format = binary ? { binary } : {}
    await replication.copy(
      startReplicationCommand({ slot, from, publications, protoVersion: 1, messages: true, ...format }),
    )
    checkSlotUnmoved(from, before, await readSlot(ordinary, slot))
    logger.info({ slot, lsn: formatLsn(from) }, 'following')
    const assembler = new Assembler(base, { maxBatchRows, maxBatchBytes }, stop, this.#announced)
    const stream = new Stream({
      connection: replication,
      decoder,
      assembler,
      progress: this.progress,
      abandon: (reason) => session.abandon(reason),
      types: session.types,
      learnTypes: (relation) => session.learnRelationTypes(relation, assembler.xid),
      checkTypes: (commitLsn, xid) => session.typeWatch.before(commitLsn, xid),
      logger,
      binary,
      walSenderTimeoutMs: server.walSenderTimeoutMs,
      from,
      stop,
    })
    this.#stream = stream
    for (;;) {
      const batch = await stream.next()
      if (batch === undefined) return undefined
      if (server.inRecovery) await session.checkStillStandby()
      yield batch
    }
  }
}

/** Where the stream begins: at the slot's consistent point. */
function streamPosition(first: Position, consistentPoint: Lsn): Position {
  const lsn = formatLsn(consistentPoint)
  return { ...first, consistentPoint: lsn, phase: 'stream', lsn }
}

function ended(): WalwireError {
  return new WalwireError('cancelled', {
    what: 'the feed ended',
    why: 'it was closed',
    hint: 'begin another feed at the position that was stored last',
  })
}

function isPosition(start: FollowSettings['start']): start is Position {
  return typeof start === 'object'
}

/** Without a connection there is no telling more; a FATAL is said before the connection closes, which may come unnoticed. */
function isConnectionLoss(error: unknown): error is WalwireError {
  if (!(error instanceof WalwireError)) return false
  const fields = errorFieldsOf(error)
  const isLastWord = fields !== undefined && isFatal(fields)
  return isLastWord || error.code === 'connection_closed' || error.code === 'connection_lost'
}

/** A new temporary slot would begin later: a gap that nobody sees. */
function temporarySlotLost(cause: WalwireError, slot: string): WalwireError {
  return new WalwireError('temporary_slot_lost', {
    what: `the temporary slot ${slot} is lost`,
    why: `it lived as long as its connection, which ended: ${cause.message}`,
    hint: 'begin again with a snapshot; use a slot that is not temporary to continue after such a failure',
    slot,
    cause,
  })
}

function unstable(error: TableChanged, attempts: number): WalwireError {
  return new WalwireError('snapshot_unstable', {
    what: `the snapshot was given up after ${attempts} attempts`,
    why: error.message,
    hint: 'wait until migrations are over, and do not rewrite or truncate published tables between two attempts',
    table: error.table,
    cause: error,
  })
}
