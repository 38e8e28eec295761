import type { Connection } from '../../protocol/connection/connection.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn } from '../../protocol/messages/lsn.ts'
import type { Batch } from '../batch.ts'
import type { KnownTypes } from '../catalog/known-types.ts'
import type { Connections } from '../connections.ts'
import type { TableLeftEvent } from '../events.ts'
import type { SnapshotStatus } from '../feed.ts'
import type { FeedState } from '../feed-state.ts'
import type { FollowSettings } from '../follow-options.ts'
import type { Position } from '../position.ts'
import { type PublishedTable, readPublications } from '../publication/publication.ts'
import type { CreatedSlot } from '../slot/slot-creation.ts'
import type { Source } from '../source.ts'
import { TableChanged } from './copy-failure.ts'
import { keepAlive } from './kept-alive.ts'
import { watchAge } from './long-snapshot.ts'
import { Snapshot } from './snapshot.ts'
import { asSnapshotLoss, holdSnapshot } from './snapshot-holder.ts'
import { whyLeft } from './table-left.ts'

/** How often a snapshot is begun before giving up, when tables are changed under it. */
const maxSnapshotAttempts = 5

/** What a copy is made with. */
export interface CopyingParts {
  readonly settings: FollowSettings
  readonly state: FeedState
  readonly connections: Connections
  readonly types: KnownTypes
  readonly signal: AbortSignal
  /** Makes the slot whose snapshot is copied. */
  readonly makeSlot: () => Promise<CreatedSlot>
  /** Drops it again. */
  readonly dropMadeSlot: () => Promise<void>
  /** Where the stream begins that follows the copy: at the slot's consistent point. */
  readonly basePosition: (consistentPoint: Lsn) => Position
}

/** One attempt at the copy, and how what was opened for it is closed. */
interface Attempt {
  readonly snapshot: Snapshot
  /** Without it the snapshot is gone, which its next user would say in words that do not help. */
  readonly holder: Connection
  readonly close: () => void
}

/**
 * Makes the slot and copies the tables at its consistent point; again from the start when one was changed meanwhile. Its
 * last position is where the stream begins.
 */
export class Copying implements Source {
  readonly #parts: CopyingParts
  #attempts = 0
  #attempt: Attempt | undefined
  #ended = false

  constructor(parts: CopyingParts) {
    this.#parts = parts
  }

  /** How far the copy has come; undefined while none runs. */
  get progress(): SnapshotStatus | undefined {
    return this.#attempt?.snapshot.progress
  }

  async next(): Promise<Batch | undefined> {
    const { logger } = this.#parts.settings
    while (!this.#ended) {
      try {
        this.#attempt ??= await this.#begin()
        const batch = await this.#attempt.snapshot.next()
        if (batch !== undefined) return batch
        const { tables, rows } = this.#attempt.snapshot.progress
        logger.info({ tables, rows }, 'the snapshot is complete')
        this.#leave()
        return undefined
      } catch (error) {
        const lost = this.#attempt?.holder.failure
        this.#leave()
        if (lost !== undefined) throw lost
        if (!(error instanceof TableChanged)) throw asSnapshotLoss(error) ?? error
        await this.#prepareNext(error)
      } finally {
        // it may have been ended while an attempt began
        if (this.#ended) this.#leave()
      }
    }
    return undefined
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#leave()
  }

  async #begin(): Promise<Attempt> {
    const { settings, state, connections, types, signal, makeSlot, basePosition } = this.#parts
    const { logger, publications, maxBatchRows, maxBatchBytes } = settings
    const { ordinary, replication, server } = connections
    this.#attempts++
    const { consistentPoint: at, snapshotName: exported = '' } = await makeSlot()
    const closers: (() => void)[] = []
    const close = () => {
      for (const closer of closers) closer()
    }
    const open = async () => {
      const worker = await connections.openWorker(signal)
      closers.push(() => connections.closeWorker(worker))
      return worker
    }
    try {
      const holder = await open()
      const snapshotName = await holdSnapshot(holder, exported)
      const worker = await open()
      closers.push(keepAlive({ idle: [ordinary, replication, holder], copying: [worker] }, server.walSenderTimeoutMs))
      const tables = await readPublications(holder, publications, server.version)
      await types.learn(tables.flatMap(({ relation }) => relation.columns.map((column) => column.typeOid)))
      const snapshot = new Snapshot({
        worker,
        ordinary,
        snapshotName,
        at,
        left: await this.#whatLeft(holder, tables, at),
        tables: tables.map((table) => this.#remember(table)),
        types: types.registry,
        typeWatch: types.watch,
        announced: state.announced,
        held: state.held,
        base: this.#countingOn(basePosition(at)),
        limits: { maxBatchRows, maxBatchBytes },
        logger,
        waits: state.waits,
        binaryFormat: settings.binary ? types.binaryFormat : undefined,
      })
      closers.push(watchAge(() => snapshot.progress, settings.slot, logger))
      logger.info({ tables: tables.length, lsn: formatLsn(at) }, 'the snapshot begins')
      return { snapshot, holder, close }
    } catch (error) {
      close()
      throw error
    }
  }

  /** What the consumer has under names that this attempt does not have. A table that took another name is a new one to it. */
  async #whatLeft(holder: Connection, tables: readonly PublishedTable[], at: Lsn): Promise<readonly TableLeftEvent[]> {
    const { state } = this.#parts
    const names = new Map(tables.map(({ oid, relation }) => [oid, relation.table]))
    for (const { oid, table } of state.held.relations) if (names.get(oid) !== table) state.announced.forget(oid)
    const left: TableLeftEvent[] = []
    for (const relation of state.held.leaving(new Set(names.values()))) {
      const reason = await whyLeft(holder, relation, new Set(names.keys()))
      left.push({ kind: 'table-left', table: relation.table, relation, lsn: at, reason })
    }
    return left
  }

  #leave(): void {
    this.#attempt?.close()
    this.#attempt = undefined
  }

  async #prepareNext(error: TableChanged): Promise<void> {
    const { settings, types, dropMadeSlot } = this.#parts
    if (this.#attempts === maxSnapshotAttempts) throw unstable(error, this.#attempts)
    settings.logger.warn({ table: error.table, attempt: this.#attempts }, `${error.message}: the snapshot begins again`)
    types.renew()
    await dropMadeSlot()
  }

  /** An attempt before this one has delivered events too. */
  #countingOn(base: Position): Position {
    const copied = this.#parts.state.progress.delivered?.copied ?? base.copied
    return copied === undefined ? base : { ...base, copied }
  }

  /** The relation of a copied table is the one that the stream will speak of, as long as nothing differs. */
  #remember(table: PublishedTable): PublishedTable {
    const { types } = this.#parts
    const { relation } = table
    const columns = relation.columns.map((column) => ({
      ...column,
      type: types.registry.get(column.typeOid)?.label ?? column.type,
    }))
    types.decoder.knowPartitions(relation.oid, table.partitions)
    return { ...table, relation: types.decoder.remember({ ...relation, columns }) }
  }
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
