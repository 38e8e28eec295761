import type { Column, Relation, ReplicaIdentity, Row } from '../decoder/relation.ts'
import type { Lsn } from '../protocol/messages/lsn.ts'

/** Row types by table, for narrowing: `{ 'public.orders': Order }`. */
export type Tables = Record<string, object>

/** What stands in for {@link Tables} where the caller gave none. */
export type AnyTables = Record<string, Row>

/** One transaction, shared by its events. */
export interface Transaction {
  /** The transaction's id on the server: 32 bits, wrapping. */
  readonly xid: number
  /** LSN of the commit record: with an event's `seq` it identifies a change for ever. */
  readonly commitLsn: Lsn
  /** LSN of the end of the commit record. Undefined until the commit was received. */
  readonly endLsn: Lsn | undefined
  /** Microseconds since 1970-01-01 UTC. */
  readonly commitTime: bigint
  /** Name of the replication origin, for a transaction that was replicated into this server. */
  readonly origin: string | undefined
}

/** How one column of a table differs from what it was. A column is known by its place among the published columns. */
export interface RelationChange {
  readonly added: readonly Column[]
  readonly dropped: readonly Column[]
  readonly renamed: readonly { readonly from: string; readonly to: string }[]
  readonly retyped: readonly { readonly column: string; readonly from: Column; readonly to: Column }[]
  /** The identity before and after, where either the setting or the columns that it covers changed. */
  readonly identity:
    | undefined
    | {
        readonly from: { readonly replicaIdentity: ReplicaIdentity; readonly key: readonly string[] }
        readonly to: { readonly replicaIdentity: ReplicaIdentity; readonly key: readonly string[] }
      }
  /** The table's name before, where it was renamed or moved to another schema. */
  readonly table: undefined | { readonly from: string; readonly to: string }
}

/** Comes before a table's rows. */
export interface SnapshotBeginEvent<Table extends string = string> {
  readonly kind: 'snapshot-begin'
  readonly table: Table
  readonly relation: Relation
  /** The LSN at which the rows are seen. */
  readonly lsn: Lsn
  /** The planner's estimate; -1 where the table was never analysed. */
  readonly estimatedRows: number
  /** Size on disk, without indexes. */
  readonly estimatedBytes: number
  /** `replace`: discard all that you have of this table, what follows takes its place. */
  readonly mode: 'initial' | 'replace'
}

/** One row as it was at the snapshot's LSN. */
export interface SnapshotEvent<Table extends string = string, R = Row> {
  readonly kind: 'snapshot'
  readonly table: Table
  readonly relation: Relation
  readonly lsn: Lsn
  readonly new: R
}

/** Comes after a table's last row. */
export interface SnapshotEndEvent<Table extends string = string> {
  readonly kind: 'snapshot-end'
  readonly table: Table
  readonly relation: Relation
  readonly lsn: Lsn
  /** How many rows were delivered. */
  readonly rows: number
}

/** Comes with a transaction's first event; a transaction without events is not seen. */
export interface BeginEvent {
  readonly kind: 'begin'
  readonly lsn: Lsn
  readonly tx: Transaction
}

/** Everything of the transaction was delivered. */
export interface CommitEvent {
  readonly kind: 'commit'
  readonly lsn: Lsn
  readonly tx: Transaction
}

/** A table's schema, when the table is first used in a run or when it differs from what was last said. */
export interface RelationEvent<Table extends string = string> {
  readonly kind: 'relation'
  readonly table: Table
  readonly relation: Relation
  /** The LSN from which this schema holds: that of the snapshot, or of the transaction that uses it. */
  readonly lsn: Lsn
  readonly tx: Transaction | undefined
  /** Null at the first use in a run. */
  readonly change: RelationChange | null
}

/**
 * A table's name stands for nothing any more: discard all that you have of it. Known from the catalog and not from the
 * stream, so it has no transaction, and may come again after a restart.
 */
export interface TableLeftEvent<Table extends string = string> {
  readonly kind: 'table-left'
  readonly table: Table
  /** As it was announced last; without columns where that was in an earlier run. */
  readonly relation: Relation
  /** The LSN of the snapshot that does not have it. */
  readonly lsn: Lsn
  /**
   * - `dropped`: there is no table of that name any more; it was dropped, or renamed.
   * - `removed`: there is one, and the publications do not have it.
   * - `partition`: its rows come under the name of its root, or of its partitions.
   */
  readonly reason: 'dropped' | 'removed' | 'partition'
}

/** What every change to a row carries. */
export interface ChangeFields<Table extends string> {
  readonly table: Table
  readonly relation: Relation
  /** LSN of the change's own record. Several changes may share it. */
  readonly lsn: Lsn
  /** Place among the transaction's changes, from 0. */
  readonly seq: number
  readonly tx: Transaction
}

interface InsertFields<Table extends string> extends ChangeFields<Table> {
  readonly kind: 'insert'
}

/** The values of a row that the server sent. */
type NewRow<R> =
  | { readonly unchanged: undefined; readonly new: R }
  | { readonly unchanged: readonly string[]; readonly new: Partial<R> }

/**
 * A new row. Where a publication has a row filter, an update that crosses it comes as an insert, and large values that
 * it did not change are not sent: `unchanged` names those columns, and `new` lacks them. With REPLICA IDENTITY FULL there
 * are none.
 */
export type InsertEvent<Table extends string = string, R = Row> = InsertFields<Table> & NewRow<R>

interface UpdateFields<Table extends string> extends ChangeFields<Table> {
  readonly kind: 'update'
}

/** What identified the row before, as far as the server sent it: the key when it changed, the whole row under identity full. */
type Before<R> =
  | { readonly key: Partial<R>; readonly old: undefined }
  | { readonly key: undefined; readonly old: R }
  | { readonly key: undefined; readonly old: undefined }

/**
 * A changed row. Where `unchanged` names columns, `new` lacks them: their values are stored out of line, did not
 * change, and the server sent them neither in the new row nor in an old one.
 */
export type UpdateEvent<Table extends string = string, R = Row> = UpdateFields<Table> &
  Before<R> &
  (
    | { readonly unchanged: undefined; readonly new: R }
    | { readonly unchanged: readonly string[]; readonly new: Partial<R> }
  )

/** A row that is gone: its identity columns, or all of it under identity full. */
export type DeleteEvent<Table extends string = string, R = Row> = ChangeFields<Table> & { readonly kind: 'delete' } & (
    | { readonly key: Partial<R>; readonly old: undefined }
    | { readonly key: undefined; readonly old: R }
  )

/** One TRUNCATE, of one or several tables. */
export interface TruncateEvent {
  readonly kind: 'truncate'
  readonly relations: readonly Relation[]
  readonly cascade: boolean
  readonly restartIdentity: boolean
  readonly lsn: Lsn
  readonly seq: number
  readonly tx: Transaction
}

/** What `pg_logical_emit_message` wrote. */
export type MessageEvent = {
  readonly kind: 'message'
  readonly prefix: string
  readonly content: Uint8Array
  /** LSN of the end of the message's record. */
  readonly lsn: Lsn
} & (
  | { readonly transactional: true; readonly seq: number; readonly tx: Transaction }
  | { readonly transactional: false; readonly seq: undefined; readonly tx: undefined }
)

/** The events that name one table, with that table's row type. */
export type TableEvent<T extends object = AnyTables> = {
  [Table in keyof T & string]:
    | SnapshotBeginEvent<Table>
    | SnapshotEvent<Table, T[Table]>
    | SnapshotEndEvent<Table>
    | RelationEvent<Table>
    | TableLeftEvent<Table>
    | InsertEvent<Table, T[Table]>
    | UpdateEvent<Table, T[Table]>
    | DeleteEvent<Table, T[Table]>
}[keyof T & string]

/** Everything that a feed delivers, told apart by `kind`. */
export type Event<T extends object = AnyTables> =
  | TableEvent<T>
  | BeginEvent
  | CommitEvent
  | TruncateEvent
  | MessageEvent
