import { copyBinaryLayout, isCopyTrailer, skipCopyHeader } from '../../decoder/copy-binary.ts'
import { copyTextLayout } from '../../decoder/copy-text.ts'
import type { Relation } from '../../decoder/relation.ts'
import { Cursor, type RowLayout, type RowReader, rowReader } from '../../decoder/row-reader.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Connection, SideMessage } from '../../protocol/connection/connection.ts'
import { ProtocolError, WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn } from '../../protocol/messages/lsn.ts'
import { quoteIdentifier, quoteLiteral } from '../../protocol/messages/quote.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
import { backendTag } from '../../protocol/messages/tags.ts'
import type { Batch } from '../batch.ts'
import { queryRows } from '../catalog/queryable.ts'
import type { TypeWatch } from '../catalog/type-watch.ts'
import type { Event } from '../events.ts'
import type { Logger } from '../logger.ts'
import type { Position, SnapshotTable } from '../position.ts'
import type { PublishedTable } from '../publication/publication.ts'
import { isUnchanged } from '../publication/table-fingerprint.ts'
import type { AnnouncedRelations } from '../stream/announced-relations.ts'
import type { BatchLimits } from '../stream/assembler.ts'
import type { BinaryFormat } from '../stream/binary-format.ts'

/** What a snapshot is read with. */
export interface SnapshotParts {
  /** An ordinary connection, for the copy alone. */
  readonly worker: Connection
  /** Another one, which sees the catalog as it is now. */
  readonly ordinary: Connection
  /** Name of the exported snapshot. It lives as long as nothing is sent on the connection that made it. */
  readonly snapshotName: string
  /** The LSN at which the rows are seen. */
  readonly at: Lsn
  readonly tables: readonly PublishedTable[]
  readonly types: TypeRegistry
  readonly typeWatch: TypeWatch
  readonly announced: AnnouncedRelations
  /** By OID: the tables of which the consumer may have rows already. */
  readonly replaced: Set<number> | 'all'
  readonly logger: Logger
  /** Which tables are copied in binary form; undefined for none. */
  readonly binaryFormat: BinaryFormat | undefined
  /** What the positions of the snapshot have besides its tables. */
  readonly base: Position
  readonly limits: BatchLimits
}

/**
 * A table is not what it was when the snapshot was made: rewritten, truncated, altered or dropped since. Its rows in
 * the snapshot can no longer be read, and what changed them is not in the stream as rows.
 */
export class TableChanged extends Error {
  readonly table: string
  constructor(table: string, cause?: unknown) {
    super(`table ${table} was changed after the snapshot was made`, { cause })
    this.table = table
  }
}

/** SQLSTATEs with which a copy fails when its table was dropped or altered after the snapshot. */
const changedTableStates = new Set(['42P01', '42703', '42704', '42809', '3F000'])

/**
 * Copies the tables of one exported snapshot and cuts the rows into batches. One worker reads the tables one after the
 * other; each in a transaction of its own, so that no table is locked longer than its copy takes.
 */
export class Snapshot {
  readonly #parts: SnapshotParts
  readonly #tables: SnapshotTable[]
  #events: Event[] = []
  #bytes = 0
  #rows = 0

  constructor(parts: SnapshotParts) {
    this.#parts = parts
    this.#tables = parts.tables.map(({ oid, relation }) => ({
      oid,
      table: relation.table,
      at: formatLsn(parts.at),
      rows: 0,
      state: 'waiting',
    }))
  }

  /** For status: tables in all, those done, rows delivered or about to be. */
  get progress(): { tables: number; tablesDone: number; rows: number } {
    return {
      tables: this.#tables.length,
      tablesDone: this.#tables.filter((table) => table.state === 'done').length,
      rows: this.#rows,
    }
  }

  /**
   * Reads everything. The last batch, which may be without events, ends the snapshot: its position is of phase `stream`.
   *
   * @throws {TableChanged} when the whole must begin again with a new snapshot
   */
  async *batches(): AsyncGenerator<Batch, undefined> {
    for (const [index, table] of this.#parts.tables.entries()) {
      try {
        yield* this.#copyTable(table, index)
      } catch (error) {
        // the tables before were announced, and are to be replaced: the consumer must have heard of them
        if (error instanceof TableChanged && this.#events.length > 0) yield this.#take()
        throw error
      }
    }
    yield { events: this.#takeEvents(), position: this.#parts.base, atCommit: true }
    return undefined
  }

  async *#copyTable(table: PublishedTable, index: number): AsyncGenerator<Batch, undefined> {
    const { worker, announced, replaced, at } = this.#parts
    await this.#begin(table)
    const { relation } = table
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
      estimatedBytes: table.estimatedBytes,
      mode: replaced === 'all' || replaced.has(relation.oid) ? 'replace' : 'initial',
    })
    if (replaced !== 'all') replaced.add(relation.oid)
    this.#update(index, 0, 'copying')
    const rows = yield* this.#copyRows(table, index)
    this.#update(index, rows, 'copying')
    await this.#checkTypes(relation.table)
    await worker.query('COMMIT')
    this.#events.push({ kind: 'snapshot-end', table: relation.table, relation, lsn: at, rows })
    this.#update(index, rows, 'done')
    if (this.#full) yield this.#take()
    return undefined
  }

  /** Opens the table's transaction in the snapshot, locks the table, and makes sure that it is the one in the snapshot. */
  async #begin(table: PublishedTable): Promise<void> {
    const { worker, ordinary, snapshotName } = this.#parts
    const { schema, name, oid, table: label } = table.relation
    try {
      const locking = worker.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}; ` +
          `LOCK TABLE ${quoteIdentifier(schema)}.${quoteIdentifier(name)} IN ACCESS SHARE MODE`,
      )
      await whileWaiting(locking, () => this.#reportLockHolders(label))
      if (!(await isUnchanged(worker, ordinary, oid))) throw new TableChanged(label)
    } catch (error) {
      throw this.#asChanged(label, error)
    }
  }

  /** A copy prints a value as its type is at that moment, not as it was in the snapshot. */
  async #checkTypes(table: string): Promise<void> {
    const altered = await this.#parts.typeWatch.findAltered()
    if (altered.length > 0) throw new TableChanged(table)
  }

  /** A migration that is open keeps the copy waiting, and slot and WAL with it. */
  async #reportLockHolders(table: string): Promise<void> {
    const { worker, ordinary, logger } = this.#parts
    const holders = await queryRows(
      ordinary,
      `SELECT pid, usename, state, left(query, 200), date_trunc('second', now() - xact_start)
      FROM pg_catalog.pg_stat_activity WHERE pid = ANY (pg_catalog.pg_blocking_pids(${worker.processId}))`,
    )
    const blockers = holders.map(([pid, role, state, query, age]) => ({ pid, role, state, query, age }))
    logger.warn({ table, blockers }, `the copy of ${table} waits for a lock that another session holds`)
  }

  async *#copyRows(table: PublishedTable, index: number): AsyncGenerator<Batch, number> {
    const { worker } = this.#parts
    const { relation } = table
    const binary = this.#parts.binaryFormat?.isExact(relation) === true
    try {
      await worker.copy(binary ? `${table.copySql} (FORMAT binary)` : table.copySql)
    } catch (error) {
      throw this.#asChanged(relation.table, error)
    }
    const cursor = new Cursor()
    const read = this.#rowReader(relation, cursor, binary ? copyBinaryLayout : copyTextLayout)
    const { framer } = worker
    let begun = !binary
    let rows = 0
    for (;;) {
      while (framer.next()) {
        const { tag, bytes, end } = framer
        if (tag === backendTag.CopyData) {
          const start = begun ? framer.start : skipCopyHeader(bytes, framer.start, end)
          begun = true
          if (binary && (start === end || isCopyTrailer(bytes, start, end))) continue
          this.#row(relation, read(bytes, start, end), end - start)
          if (cursor.end !== end)
            throw new ProtocolError('a copied row could not be read', 'bytes stand behind it', cursor.end - start)
          rows++
          if (this.#full) {
            this.#update(index, rows, 'copying')
            yield this.#take()
            worker.keepReading()
          }
        } else if (this.#sideMessage(relation) === 'done') {
          await this.#checkCount(relation, rows)
          return rows
        }
      }
      if (!(await worker.more())) throw await worker.ended
    }
  }

  #sideMessage(relation: Relation): SideMessage {
    try {
      return this.#parts.worker.sideMessage()
    } catch (error) {
      throw this.#asChanged(relation.table, error)
    }
  }

  /** The server counts too. */
  async #checkCount(relation: Relation, rows: number): Promise<void> {
    const [command] = await this.#parts.worker.endCopy()
    if (command !== `COPY ${rows}`) {
      throw new ProtocolError(
        `table ${relation.table} could not be copied`,
        `${rows} rows came, the server says ${command}`,
        0,
      )
    }
  }

  #rowReader(relation: Relation, cursor: Cursor, layout: RowLayout): RowReader {
    const { types } = this.#parts
    const fields = relation.columns.map(({ name, typeOid }) => {
      const { readText, readBinary } = types.get(typeOid) ?? types.addUnknown(typeOid)
      return { name, read: readText, readBinary }
    })
    return rowReader(layout, fields, cursor, relation.table)
  }

  #row(relation: Relation, row: Record<string, unknown>, bytes: number): void {
    this.#events.push({ kind: 'snapshot', table: relation.table, relation, lsn: this.#parts.at, new: row })
    this.#bytes += bytes
    this.#rows++
  }

  get #full(): boolean {
    const { maxBatchRows, maxBatchBytes } = this.#parts.limits
    return this.#events.length >= maxBatchRows || this.#bytes >= maxBatchBytes
  }

  #take(): Batch {
    const position: Position = {
      ...this.#parts.base,
      phase: 'snapshot',
      // entries that did not change stay the same objects: with many tables, positions share nearly all of the list
      tables: [...this.#tables],
    }
    return { events: this.#takeEvents(), position, atCommit: false }
  }

  #takeEvents(): Event[] {
    const events = this.#events
    this.#events = []
    this.#bytes = 0
    return events
  }

  #update(index: number, rows: number, state: SnapshotTable['state']): void {
    this.#tables[index] = { ...this.#tables[index]!, rows, state }
  }

  #asChanged(table: string, error: unknown): unknown {
    const sqlstate = errorFieldsOf(error)?.code
    if (sqlstate !== undefined && changedTableStates.has(sqlstate)) return new TableChanged(table, error)
    if (sqlstate === '42501' && error instanceof WalwireError) {
      const policy = errorFieldsOf(error)?.routine === 'check_enable_rls'
      return new WalwireError(policy ? 'row_security' : 'not_permitted', {
        what: `table ${table} could not be copied`,
        why: error.why,
        hint: policy
          ? 'let a role copy that is not subject to the policies: the owner of the table, or ALTER ROLE … BYPASSRLS'
          : `GRANT SELECT ON ${table} TO the role of this connection, and USAGE on its schema`,
        table,
        sqlstate,
        cause: error,
      })
    }
    return error
  }
}

const firstReportMs = 2_000
const reportIntervalMs = 15_000

/** Awaits something that may take long, and reports now and then that it does. A report that fails is none. */
async function whileWaiting<T>(work: Promise<T>, report: () => Promise<void>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const schedule = (ms: number) => {
    timer = setTimeout(() => {
      report().catch(() => {})
      schedule(reportIntervalMs)
    }, ms)
  }
  schedule(firstReportMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}
