import { copyBinaryLayout } from '../../decoder/copy-binary.ts'
import { copyTextLayout } from '../../decoder/copy-text.ts'
import type { Relation } from '../../decoder/relation.ts'
import { Cursor, type RowLayout, type RowReader, rowReader } from '../../decoder/row-reader.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Connection } from '../../protocol/connection/connection.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn } from '../../protocol/messages/lsn.ts'
import type { Batch } from '../batch.ts'
import type { Queryable } from '../catalog/queryable.ts'
import type { TypeWatch } from '../catalog/type-watch.ts'
import { CopiedTables } from '../copied-tables.ts'
import type { Event, TableLeftEvent } from '../events.ts'
import type { SnapshotStatus, TableCopyStatus } from '../feed.ts'
import type { Logger } from '../logger.ts'
import { writeMembers } from '../members.ts'
import type { Position, UnfinishedTable } from '../position.ts'
import type { PublishedTable } from '../publication/publication.ts'
import { readTableCopy } from '../publication/table-copy.ts'
import { isUnchanged } from '../publication/table-fingerprint.ts'
import type { Source } from '../source.ts'
import type { AnnouncedRelations } from '../stream/announced-relations.ts'
import type { BatchLimits } from '../stream/assembler.ts'
import type { BinaryFormat } from '../stream/binary-format.ts'
import type { Waits } from '../waits.ts'
import { asCopyFailure, TableChanged } from './copy-failure.ts'
import { CopyOut } from './copy-out.ts'
import type { HeldTables } from './held-tables.ts'
import { lockTable } from './table-lock.ts'

/** What a snapshot is read with. */
export interface SnapshotParts {
  /** An ordinary connection, for the copy alone. */
  readonly worker: Connection
  /** Another one, which sees the catalog as it is now. */
  readonly ordinary: Queryable
  /** Name of the exported snapshot, which lives as long as the transaction that exported it. */
  readonly snapshotName: string
  /** The LSN at which the rows are seen. */
  readonly at: Lsn
  readonly tables: readonly PublishedTable[]
  /** What the consumer has of tables that this snapshot does not have: it hears of that first. */
  readonly left: readonly TableLeftEvent[]
  readonly types: TypeRegistry
  readonly typeWatch: TypeWatch
  readonly announced: AnnouncedRelations
  readonly held: HeldTables
  readonly logger: Logger
  readonly waits: Waits
  /** Which tables are copied in binary form; undefined for none. */
  readonly binaryFormat: BinaryFormat | undefined
  /** What the positions of the snapshot have besides its tables; `copied` counts on from what it says. */
  readonly base: Position
  readonly limits: BatchLimits
}

/** The copy of a table that is under way. */
interface TableUnderCopy {
  readonly table: PublishedTable
  readonly copy: CopyOut
  readonly cursor: Cursor
  readonly read: RowReader
}

/**
 * Copies the tables of one exported snapshot and cuts the rows into batches. One worker reads the tables one after the
 * other; each in a transaction of its own, so that no table is locked longer than its copy takes.
 */
export class Snapshot implements Source {
  readonly #parts: SnapshotParts
  readonly #done = new CopiedTables()
  /** What was held when this snapshot began, in text: positions share it. */
  readonly #heldBefore: string
  #copying: UnfinishedTable | undefined
  /** Events of copies that the feed ever delivered, or is about to. */
  #copied: number
  /** Of the table that is copied, or is next: so many are done. */
  #index = 0
  #current: TableUnderCopy | undefined
  #events: Event[]
  #bytes = 0
  #rows = 0
  /** Thrown when what came whole before it is delivered. */
  #failure: unknown
  #over = false

  constructor(parts: SnapshotParts) {
    this.#parts = parts
    this.#events = [...parts.left]
    this.#heldBefore = parts.held.text
    this.#copied = parts.base.copied ?? 0
  }

  /** For status: tables in all, those done, rows delivered or about to be. */
  get progress(): SnapshotStatus {
    const current = this.#current
    return {
      tables: this.#parts.tables.length,
      tablesDone: this.#index,
      rows: this.#rows,
      copying: current === undefined ? [] : [statusOf(current)],
    }
  }

  /**
   * The last batch, which may be without events, ends the snapshot: its position is of phase `stream`.
   *
   * @throws {TableChanged} when the whole must begin again with a new snapshot
   */
  async next(): Promise<Batch | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    for (;;) {
      const table = this.#parts.tables[this.#index]
      if (table === undefined) return this.#last()
      try {
        this.#current ??= await this.#begin(table)
        if (await this.#copyRows(this.#current)) return this.#take()
        await this.#finish(this.#current)
      } catch (error) {
        this.#failure = asCopyFailure(error, table)
        // the tables before were announced, and are to be replaced: the consumer must have heard of them
        if (this.#failure instanceof TableChanged && this.#events.length > 0) return this.#take()
        throw this.#failure
      }
      if (this.#full) return this.#take()
    }
  }

  async end(): Promise<void> {
    this.#over = true
  }

  #last(): Batch | undefined {
    if (this.#over) return undefined
    this.#over = true
    const { base, tables } = this.#parts
    const members = writeMembers(tables.flatMap((table) => table.members))
    return { events: this.#takeEvents(), position: { ...base, members, ...this.#count() }, atCommit: true }
  }

  /** Locks a table in the snapshot, makes sure that it is the one in the snapshot, and announces and begins its copy. */
  async #begin(table: PublishedTable): Promise<TableUnderCopy> {
    const { worker, ordinary, announced, held, at, binaryFormat } = this.#parts
    const { relation } = table
    await lockTable(this.#parts, table)
    if (!(await isUnchanged(worker, ordinary, table.oid))) throw new TableChanged(relation.table)
    const { copySql, estimatedBytes } = await readTableCopy(worker, table)
    const format = binaryFormat?.isExact(relation) === true ? 'binary' : 'text'
    const copy = await CopyOut.begin(worker, copySql, format)
    const change = announced.announce(relation)
    if (change !== undefined) {
      this.#events.push({ kind: 'relation', table: relation.table, relation, lsn: at, tx: undefined, change })
    }
    this.#events.push({
      kind: 'snapshot-begin',
      table: relation.table,
      relation,
      lsn: at,
      estimatedRows: table.estimatedRows,
      estimatedBytes,
      mode: held.mode(relation.table),
    })
    held.begin(relation)
    this.#copied++
    this.#note(relation, 0)
    const cursor = new Cursor()
    const read = this.#rowReader(relation, cursor, format === 'binary' ? copyBinaryLayout : copyTextLayout)
    return { table, copy, cursor, read }
  }

  /** Reads rows until a batch is full. Whether the table may have more. */
  async #copyRows({ table, copy, cursor, read }: TableUnderCopy): Promise<boolean> {
    const { relation } = table
    const more = await copy.pull((bytes, start, end) => {
      const row = read(bytes, start, end)
      if (cursor.end !== end) {
        throw new ProtocolError('a copied row could not be read', 'bytes stand behind it', cursor.end - start)
      }
      this.#events.push({ kind: 'snapshot', table: relation.table, relation, lsn: this.#parts.at, new: row })
      this.#bytes += end - start
      this.#rows++
      this.#copied++
      return this.#full
    })
    this.#note(relation, copy.rows)
    return more
  }

  async #finish({ table, copy }: TableUnderCopy): Promise<void> {
    const { worker, typeWatch, at } = this.#parts
    const { relation } = table
    // A copy prints a value as its type is at that moment, not as it was in the snapshot.
    const altered = await typeWatch.findAltered()
    if (altered.length > 0) throw new TableChanged(relation.table)
    await worker.query('COMMIT')
    this.#events.push({ kind: 'snapshot-end', table: relation.table, relation, lsn: at, rows: copy.rows })
    this.#copied++
    this.#done.add({
      schema: relation.schema,
      name: relation.name,
      members: [{ table: table.oid, membership: 0 }],
      at: undefined,
    })
    this.#copying = undefined
    this.#current = undefined
    this.#index++
  }

  #rowReader(relation: Relation, cursor: Cursor, layout: RowLayout): RowReader {
    const { types } = this.#parts
    const fields = relation.columns.map(({ name, typeOid }) => {
      const { readText, readBinary } = types.get(typeOid) ?? types.addUnknown(typeOid)
      return { name, read: readText, readBinary }
    })
    return rowReader(layout, fields, cursor, relation.table)
  }

  get #full(): boolean {
    const { maxBatchRows, maxBatchBytes } = this.#parts.limits
    return this.#events.length >= maxBatchRows || this.#bytes >= maxBatchBytes
  }

  #take(): Batch {
    const done = this.#done.text
    const copying = this.#copying
    const held = this.#heldBefore
    const position: Position = {
      ...this.#parts.base,
      phase: 'snapshot',
      tables: {
        ...(done === '' ? {} : { done }),
        ...(copying === undefined ? {} : { copying: [copying] }),
        ...(held === '' ? {} : { held }),
      },
      ...this.#count(),
    }
    return { events: this.#takeEvents(), position, atCommit: false }
  }

  #takeEvents(): Event[] {
    const events = this.#events
    this.#events = []
    this.#bytes = 0
    return events
  }

  #count(): Pick<Position, 'copied'> {
    return this.#copied === 0 ? {} : { copied: this.#copied }
  }

  #note({ oid, schema, name }: Relation, rows: number): void {
    this.#copying = { oid, schema, name, at: formatLsn(this.#parts.at), rows }
  }
}

function statusOf({ table, copy }: TableUnderCopy): TableCopyStatus {
  return { table: table.relation.table, rows: copy.rows, estimatedRows: table.estimatedRows }
}
