import { formatLsn, type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { startReplicationCommand } from '../../protocol/messages/replication-commands.ts'
import type { Batch } from '../batch.ts'
import { readDropped } from '../catalog/dropped-relations.ts'
import type { KnownTypes } from '../catalog/known-types.ts'
import type { Connections } from '../connections.ts'
import type { FeedState } from '../feed-state.ts'
import type { FollowSettings } from '../follow-options.ts'
import { NewTables } from '../known-members.ts'
import type { Position } from '../position.ts'
import { readPublications } from '../publication/publication.ts'
import { readSlot } from '../slot/slot.ts'
import { checkSlotUnmoved, checkSlotUsable } from '../slot/slot-check.ts'
import { type SlotLook, SlotWatch } from '../slot/slot-watch.ts'
import type { Source } from '../source.ts'
import { Assembler } from './assembler.ts'
import { BinaryNotExact } from './binary-format.ts'
import { DroppedTables } from './dropped-tables.ts'
import { endStream, leaveStream } from './ending.ts'
import { ReplicationStream } from './replication-stream.ts'
import { SynchronousStandby } from './synchronous-standby.ts'
import { TablesOfFeed } from './tables-of-feed.ts'

/** A server begins a stream within moments. One that has, and was not heard, is at work for all that others see. */
const startLimitMs = 60_000

/** What a slot is followed with. */
export interface FollowingParts {
  readonly settings: FollowSettings
  readonly state: FeedState
  readonly connections: Connections
  readonly types: KnownTypes
  readonly signal: AbortSignal
  /** Makes the replica identities of the partitions known that are published under their roots. */
  readonly learnPartitions: () => Promise<void>
  /** Where the feed stands. */
  readonly base: Position
  /** Where the stream starts. */
  readonly from: Lsn
}

/** Follows a slot from a position on: in binary form where that was asked for and is exact, until it is not any more. */
export class Following implements Source {
  readonly #parts: FollowingParts
  #stream: ReplicationStream | undefined
  #ended = false
  /** What START_REPLICATION was refused with. */
  #refusal: unknown

  constructor(parts: FollowingParts) {
    this.#parts = parts
  }

  /** There once the server streams. */
  get stream(): ReplicationStream | undefined {
    return this.#stream
  }

  async next(): Promise<Batch | undefined> {
    const { settings, base, from } = this.#parts
    if (this.#ended) return undefined
    this.#stream ??= await this.#begin(base, from, settings.binary && (await this.#isExactInBinary()))
    return this.#take(this.#stream)
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#stream?.finish()
  }

  /** Whether an error is the walsender's answer to START_REPLICATION, or came out of the stream. */
  isOfWalsender(error: unknown): boolean {
    return error !== undefined && (error === this.#refusal || error === this.#stream?.serverError)
  }

  /** Leaves the stream and its connection. @param begunMs as {@link endStream} */
  async leave(begunMs: number): Promise<void> {
    if (this.#stream !== undefined) await endStream(this.#parts.connections.replication, this.#stream, begunMs)
  }

  async #take(stream: ReplicationStream): Promise<Batch | undefined> {
    const { settings, state, connections, types, signal } = this.#parts
    try {
      return await stream.next()
    } catch (error) {
      const position = state.progress.standing
      if (!(error instanceof BinaryNotExact) || position === undefined) throw error
      settings.logger.warn(error.because, error.message)
      await leaveStream(connections.replication, stream)
      await connections.renewReplication(signal)
      types.renewDecoder()
      this.#stream = await this.#begin(position, parseLsn(position.lsn), false)
      return this.#stream.next()
    }
  }

  #review(look: SlotLook): void {
    const { settings, state } = this.#parts
    const { flush: acknowledged, allAcknowledged, delivered } = state.progress
    const facts = { slot: settings.slot, look, acknowledged, allAcknowledged, delivered, nowMs: performance.now() }
    for (const { data, message } of state.slotHealth.review(facts)) settings.logger.warn(data, message)
  }

  /** A stream in binary form may have to be begun again over another connection, which a temporary slot does not survive. */
  async #isExactInBinary(): Promise<boolean> {
    const { settings, connections, types } = this.#parts
    const { temporary, publications, logger } = settings
    if (temporary) {
      logger.info({}, 'the slot is temporary: its stream cannot change to text later, so text is used')
      return false
    }
    const tables = await readPublications(connections.ordinary, publications, connections.server.version)
    await types.learn(tables.flatMap(({ relation }) => relation.columns.map((column) => column.typeOid)))
    return tables.every(({ relation }) => types.binaryFormat.isExact(relation))
  }

  /** Streams from a position of the slot, once it is sure that nobody moved the slot since. */
  async #begin(base: Position, from: Lsn, binary: boolean): Promise<ReplicationStream> {
    const { settings, state, connections, types } = this.#parts
    const { slot, publications, stop, logger, maxBatchRows, maxBatchBytes } = settings
    const { replication, ordinary, server } = connections
    const before = checkSlotUsable(slot, await readSlot(ordinary, slot), server)
    const format = binary ? { binary } : {}
    const command = startReplicationCommand({ slot, from, publications, protoVersion: 1, messages: true, ...format })
    await replication.copy(command, { limitMs: startLimitMs }).catch((error: unknown) => {
      this.#refusal = error
      throw error
    })
    checkSlotUnmoved(from, before, await readSlot(ordinary, slot))
    logger.info({ slot, lsn: formatLsn(from) }, 'following')
    state.serves()
    const newTables = new NewTables(base, state.said, logger)
    const dropped = new DroppedTables(new TablesOfFeed(state.announced, newTables, types), (oids) =>
      readDropped(ordinary, oids),
    )
    const limits = { maxBatchRows, maxBatchBytes }
    const assembler = new Assembler(base, limits, stop, state.announced, state.transaction)
    const stream = new ReplicationStream({
      connection: replication,
      decoder: types.decoder,
      assembler,
      progress: state.progress,
      abandon: (reason) => connections.abandon(reason),
      types: types.registry,
      learnTypes: (relation, xid) => {
        newTables.note(relation)
        dropped.described(relation.oid)
        return types.learnRelation(relation, xid)
      },
      checkTypes: (commitLsn, xid) => types.watch.before(commitLsn, xid),
      learnPartitions: this.#parts.learnPartitions,
      forgetDropped: (commitLsn) => {
        types.forgetUnused()
        return dropped.before(commitLsn)
      },
      slotWatch: new SlotWatch({ ordinary, slot, server, onLook: (look) => this.#review(look) }),
      synchronous: new SynchronousStandby({
        ordinary,
        pid: replication.processId,
        application: replication.parameters.get('application_name') ?? '',
        logger,
      }),
      binary,
      walSenderTimeoutMs: server.walSenderTimeoutMs,
      from,
      stop,
    })
    // it has timers, which nobody else would end
    if (this.#ended) stream.finish()
    return stream
  }
}
