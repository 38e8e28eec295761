import { within } from '../protocol/connection/within.ts'
import type { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../protocol/messages/lsn.ts'
import { dropSlotCommand } from '../protocol/messages/replication-commands.ts'
import { errorFieldsOf } from '../protocol/messages/server-error.ts'
import { feedEnded } from './abortable.ts'
import type { Batch } from './batch.ts'
import { KnownTypes } from './catalog/known-types.ts'
import { checkSameTimeline } from './catalog/server-facts.ts'
import { waitForLsn } from './catalog/wait-for-lsn.ts'
import { Connections } from './connections.ts'
import { tellOfConnections } from './feed-messages.ts'
import type { FeedState } from './feed-state.ts'
import type { CheckedStart, FollowSettings } from './follow-options.ts'
import { knowingAll, withMembers } from './known-members.ts'
import type { Position } from './position.ts'
import { type PublishedMembers, readMembers, readPublications } from './publication/publication.ts'
import { foundTable } from './publication/publication-members.ts'
import { publicationNotes } from './publication/publication-notes.ts'
import { isConnectionLoss } from './replication-error.ts'
import { dropSlot, type SlotFacts } from './slot/slot.ts'
import { beginsAnew, slotExchanged } from './slot/slot-check.ts'
import { type CreatedSlot, createSlot } from './slot/slot-creation.ts'
import { readSlotFate } from './slot/slot-fate.ts'
import type { MadeSlot } from './slot/slot-ownership.ts'
import { leftoverDeadlineMs, SlotClaim } from './slot-claim.ts'
import { Copying } from './snapshot/copying.ts'
import { heldBefore } from './snapshot/held-tables.ts'
import { inTurn, type Source, single } from './source.ts'
import type { StartPlan } from './start.ts'
import { Following } from './stream/following.ts'
import type { ReplicationStream } from './stream/replication-stream.ts'

/** A connection that the server ended with a last word closes until then; */
const lastWordMs = 300
/** and what is known of a loss is known until then. */
const lossMs = 4_000
/** A standby's walsender fails with it when what its slot needs is removed, or is not in the WAL any more. */
const recoveryConflict = '40001'
/** SQLSTATEs with which a stream fails when its slot is gone, or was given up. */
const slotStates = new Set(['42704', '55000', recoveryConflict])
/** What a primary has written it flushes within moments. */
const flushTimeoutMs = 10_000
/** A slot that is being made has until then to be given up, */
const giveUpMs = 750
/** and a slot that nobody will continue is dropped until then, from the end of the loop. */
const dropUntilMs = 950
/** A connection whose server does not take the goodbye is closed by then all the same. */
const closeUntilMs = 980

/**
 * One try at a feed, over one set of connections, in the order of things: check, make the slot and copy, or continue;
 * then stream.
 */
export class FeedTry implements Source {
  readonly #settings: FollowSettings
  readonly #state: FeedState
  readonly #connections: Connections
  readonly #types: KnownTypes
  readonly #abort = new AbortController()
  readonly #signal = this.#abort.signal
  #batches: Source | undefined
  #copying: Copying | undefined
  #following: Following | undefined
  /** Where the slot begins that was made last; undefined when none was. */
  #madeAt: Lsn | undefined
  readonly #claim: SlotClaim
  /** A slot is being made. */
  #creation: Promise<unknown> | undefined
  #ended = false

  private constructor(settings: FollowSettings, state: FeedState, connections: Connections) {
    this.#settings = settings
    this.#state = state
    this.#connections = connections
    const { ordinary, server } = connections
    const source = { ordinary, version: server.version }
    this.#types = new KnownTypes(settings, source, state.said, state.decoder)
    this.#claim = new SlotClaim({
      settings,
      state,
      connections,
      signal: this.#signal,
      streams: () => this.stream !== undefined,
      madeAt: () => this.#madeAt,
    })
    connections.inquireWith(() => this.#readSlotFate())
  }

  /**
   * Opens the connections.
   *
   * @param signal when it aborts, opening them is given up; what is open is ended by {@link end}
   * @throws {WalwireError} as {@link Connections.open}
   */
  static async open(settings: FollowSettings, state: FeedState, signal: AbortSignal): Promise<FeedTry> {
    const connections = await Connections.open(settings, state.waits, signal)
    tellOfConnections(settings.slot, connections)
    return new FeedTry(settings, state, connections)
  }

  /** How far the copy has come; undefined while none runs. */
  get copied(): Copying['progress'] {
    return this.#copying?.progress
  }

  /** There while changes are followed. */
  get stream(): ReplicationStream | undefined {
    return this.#following?.stream
  }

  /** Bytes that were read ahead. */
  get bufferedBytes(): number {
    return this.#connections.bufferedBytes
  }

  /**
   * Why the try failed, where more is known than the error says: a query that failed because its connection is gone says
   * less than why that went, and an end by the server less than what became of the slot.
   */
  async explain(error: unknown): Promise<unknown> {
    // what fails at the end failed for that
    if (this.#signal.aborted) return error
    const { lost, failure } = this.#connections
    if (isConnectionLoss(error)) {
      const found = await within(lost, failure === undefined ? lastWordMs : lossMs)
      return found?.ok ? found.value : error
    }
    if (!slotStates.has(errorFieldsOf(error)?.code ?? '')) return error
    const found = await within(this.#readSlotFate(), lossMs)
    return found?.ok ? (found.value ?? error) : error
  }

  async #readSlotFate(): Promise<WalwireError | undefined> {
    const { slot, temporary } = this.#settings
    const { ordinary, server } = this.#connections
    return temporary || this.stream === undefined ? undefined : readSlotFate(ordinary, slot, server)
  }

  /** Whether an error is the walsender's own, and no question's that was asked beside it. */
  isOfWalsender(error: unknown): boolean {
    return this.#following?.isOfWalsender(error) === true
  }

  /** The table that the stream spoke of last. */
  get lastTable(): KnownTypes['decoder']['lastTable'] {
    return this.stream === undefined ? undefined : this.#types.decoder.lastTable
  }

  async next(): Promise<Batch | undefined> {
    this.#batches ??= await this.#begin()
    if (this.#ended) await this.#batches.end()
    const batch = await this.#batches.next()
    const { ordinary, server } = this.#connections
    if (batch?.position.phase === 'stream' && server.inRecovery) await checkSameTimeline(ordinary, server)
    return batch
  }

  /** Everything is closed when this resolves, within a second from when the end began, on the clock of `performance.now()`. */
  async end(begunMs = performance.now()): Promise<void> {
    await this.#end(begunMs, this.#state.ownership.toDrop)
  }

  /** The same where another try goes on: the slot stays. */
  async giveUp(): Promise<void> {
    if (this.#claim.isLeft) this.#state.leavesBehind(this.#connections.processes)
    this.#state.decoder = this.#types.decoder
    await this.#end(performance.now(), undefined)
    this.#state.away()
  }

  async #end(begunMs: number, toDrop: MadeSlot | undefined): Promise<void> {
    const connections = this.#connections
    this.#ended = true
    this.#abort.abort(feedEnded())
    const workersClosed = connections.closeWorkers(begunMs + dropUntilMs - performance.now())
    await this.#batches?.end()
    if (this.#creation !== undefined) await within(this.#creation, begunMs + giveUpMs - performance.now())
    const pid = connections.replication.processId
    const free = connections.freeOrdinary(begunMs + giveUpMs - performance.now())
    await this.#following?.leave(begunMs)
    await free
    if (toDrop !== undefined) await this.#dropOwnSlot(toDrop, pid, begunMs + dropUntilMs)
    await workersClosed
    await connections.close(begunMs + closeUntilMs - performance.now())
  }

  async #dropOwnSlot({ consistentPoint: standsAt }: MadeSlot, pid: number, untilMs: number): Promise<void> {
    const { slot, logger } = this.#settings
    const deadlineMs = untilMs - performance.now()
    const dropped = dropSlot(this.#connections.ordinary, slot, { deadlineMs, pids: [pid], standsAt }).catch((error) => {
      logger.warn({ slot, error }, `slot ${slot} was made by this run and could not be dropped: drop it by hand`)
    })
    await within(dropped, deadlineMs)
  }

  async #begin(): Promise<Source> {
    const { plan, slot, start } = await this.#claim.take()
    const found = await this.#reviewPublications()
    const hasRoots = found.publications.some(({ viaRoot }) => viaRoot)
    if (plan.kind !== 'continue' || hasRoots) await this.#readPublications()
    if (plan.kind === 'renew' && plan.waitFor !== undefined) await this.#waitFor(plan.waitFor)
    if (plan.kind !== 'continue') return this.#beginAnew(plan, slot, start)
    const position = withMembers(plan.position, found.members.map(foundTable), {
      logger: this.#settings.logger,
      said: this.#state.said,
      unknown: plan.confirmedFlush === undefined ? 'warn' : 'info',
    })
    if (plan.confirmedFlush === undefined) this.#state.progress.continueFrom(position)
    else this.#state.progress.startAt(position, plan.confirmedFlush)
    if (plan.waitFor !== undefined) await this.#waitFor(plan.waitFor)
    return this.#follow(position, plan.from)
  }

  /** Before anything is made or sent: up to 17 the server says only at the first change that a publication is missing. */
  async #reviewPublications(): Promise<PublishedMembers> {
    const { publications, logger } = this.#settings
    const { ordinary, server } = this.#connections
    const found = await readMembers(ordinary, publications, server.version)
    for (const { data, message } of publicationNotes(found)) {
      if (this.#state.said.has(message)) continue
      this.#state.said.add(message)
      logger.warn(data, message)
    }
    return found
  }

  /** What is published can be followed, and the decoder knows whose rows come under another table's name. */
  async #readPublications(): Promise<void> {
    const { ordinary, server } = this.#connections
    for (const { oid, partitions } of await readPublications(ordinary, this.#settings.publications, server.version)) {
      this.#types.decoder.knowPartitions(oid, partitions)
    }
  }

  /** Waits until the server can send up to this LSN. @throws {WalwireError} `position_ahead` */
  #waitFor(lsn: Lsn): Promise<void> {
    const { logger } = this.#settings
    return this.#state.waits.during((onWait) =>
      waitForLsn(this.#connections.replication, lsn, {
        primaryTimeoutMs: flushTimeoutMs,
        logger,
        signal: this.#signal,
        onWait,
      }),
    )
  }

  /** A feed that has no slot yet, or one that is to be made anew. @param found the slot that is in the way */
  #beginAnew(
    plan: Exclude<StartPlan, { kind: 'continue' }>,
    found: SlotFacts | undefined,
    start: CheckedStart,
  ): Source {
    const { slot, snapshot, logger } = this.#settings
    const { progress, ownership, held } = this.#state
    const { kind, position } = plan
    const standsAt = found?.confirmedFlush
    const stages: (() => Promise<Source>)[] = []
    if (kind === 'renew') {
      ownership.renewed()
      logger.warn({ slot, code: plan.refusal.code }, `${plan.refusal.message}: ${beginsAnew}`)
    }
    // Stored before the slot is made, it tells a later run that the slot is a leftover of this one.
    if (kind !== 'remake') stages.push(async () => single({ events: [], position, atCommit: true }))
    const dropFirst = kind !== 'create' && plan.dropSlot
    if (dropFirst && !ownership.mayBeOurs(standsAt)) throw slotExchanged(slot)
    // what this run has delivered of a copy is known exactly; who followed has all tables
    if (kind === 'renew' || (kind === 'remake' && progress.delivered === undefined)) {
      held.addEarlier(heldBefore(typeof start === 'object' ? start : undefined))
    }
    stages.push(async () => {
      if (dropFirst) {
        const { replication: pids } = this.#state.formersOf(this.#connections.processes.serverStart)
        await dropSlot(this.#connections.ordinary, slot, { deadlineMs: leftoverDeadlineMs, pids, standsAt })
        ownership.dropped()
      }
      return snapshot === 'never' ? this.#skipCopy(position) : this.#copy(position)
    })
    if (snapshot !== 'only') {
      stages.push(async () => {
        // where the copy ended, or was left out
        const base = progress.delivered ?? position
        return this.#follow(base, parseLsn(base.lsn))
      })
    }
    return inTurn(stages)
  }

  async #skipCopy(position: Position): Promise<Source> {
    const { consistentPoint } = await this.#makeSlot('nothing')
    const { ordinary, server } = this.#connections
    const found = await readMembers(ordinary, this.#settings.publications, server.version)
    const base = streamPosition(position, consistentPoint)
    return single({ events: [], position: knowingAll(base, found.members.map(foundTable)), atCommit: true })
  }

  #copy(position: Position): Source {
    this.#copying = new Copying({
      settings: this.#settings,
      state: this.#state,
      connections: this.#connections,
      types: this.#types,
      signal: this.#signal,
      makeSlot: () => this.#makeSlot('export'),
      dropMadeSlot: () => this.#dropMadeSlot(),
      basePosition: (consistentPoint) => streamPosition(position, consistentPoint),
    })
    return this.#copying
  }

  async #makeSlot(snapshot: 'export' | 'nothing'): Promise<CreatedSlot> {
    const { slot, temporary, slotTimeoutMs, logger } = this.#settings
    const { replication, ordinary, server } = this.#connections
    const creating = this.#state.waits.during((onWait) =>
      createSlot(replication, ordinary, {
        name: slot,
        temporary,
        snapshot,
        timeoutMs: slotTimeoutMs,
        logger,
        version: server.version,
        signal: this.#signal,
        onWait,
      }),
    )
    const creation = creating.then((made) => {
      this.#madeAt = made.consistentPoint
      this.#state.ownership.made({ consistentPoint: made.consistentPoint, temporary })
      this.#state.serves()
      return made
    })
    this.#creation = creation
    return creation
  }

  async #dropMadeSlot(): Promise<void> {
    const { slot, temporary } = this.#settings
    const { replication, ordinary } = this.#connections
    // nobody else may drop a temporary one
    if (temporary) await replication.query(dropSlotCommand(slot))
    else await dropSlot(ordinary, slot, { deadlineMs: leftoverDeadlineMs, standsAt: this.#madeAt })
    this.#state.ownership.dropped()
  }

  #follow(base: Position, from: Lsn): Source {
    this.#following = new Following({
      settings: this.#settings,
      state: this.#state,
      connections: this.#connections,
      types: this.#types,
      signal: this.#signal,
      learnPartitions: () => this.#readPublications(),
      base,
      from,
    })
    return this.#following
  }
}

/** Where the stream begins: at the slot's consistent point. */
function streamPosition(first: Position, consistentPoint: Lsn): Position {
  const lsn = formatLsn(consistentPoint)
  return { ...first, consistentPoint: lsn, phase: 'stream', lsn }
}
