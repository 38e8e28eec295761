import { uint32At } from '../protocol/messages/big-endian.ts'
import { ProtocolError } from '../protocol/messages/errors.ts'
import { Reader } from '../protocol/messages/reader.ts'
import { KnownRelation } from './known-relation.ts'
import {
  type BeginMessage,
  type CommitMessage,
  decodeBegin,
  decodeCommit,
  decodeLogicalMessage,
  decodeOrigin,
  decodeRelation,
  decodeStreamAbort,
  decodeTruncate,
  decodeType,
  type LogicalMessage,
  type OriginMessage,
  type RelationMessage,
  type StreamAbortMessage,
  type TypeMessage,
} from './messages.ts'
import { asLogged, describesPartition, type PartitionIdentity, partitionIdentity } from './partition-identity.ts'
import { RecentRelations } from './recent-relations.ts'
import { type Relation, type Row, sameRelation } from './relation.ts'
import { Cursor, setField } from './row-reader.ts'
import { isSentNull } from './tuple.ts'
import { setColumnType } from './types/column-type.ts'
import { type PgType, TypeRegistry } from './types/registry.ts'

/** Takes what a {@link PgoutputDecoder} reads, one call a message. Rows, keys and contents are the receiver's own. */
export interface PgoutputSink {
  begin(message: BeginMessage): void
  message(message: LogicalMessage): void
  commit(message: CommitMessage): void
  origin(message: OriginMessage): void
  relation(message: RelationMessage): void
  type(message: TypeMessage): void
  /**
   * `unchanged`: names of the columns that `row` lacks. A row filter makes an insert of an update that crosses it, and
   * leaves out large values that the update did not change, though the receiver never had them.
   */
  insert(relation: Relation, row: Row, unchanged: string[] | undefined): void
  /** `unchanged`: names of the columns that `row` lacks, TOASTed values that were sent neither in it nor in `old`. */
  update(
    relation: Relation,
    key: Row | undefined,
    old: Row | undefined,
    row: Row,
    unchanged: string[] | undefined,
  ): void
  delete(relation: Relation, key: Row | undefined, old: Row | undefined): void
  truncate(relations: Relation[], cascade: boolean, restartIdentity: boolean): void
  /** A transaction, or a part of it, was rolled back. Where streaming was not asked for, nothing of it was sent. */
  streamAbort(message: StreamAbortMessage): void
  /**
   * Called before an update or a delete whose row cannot be told: its key lacks a value or is empty, so that something
   * else was logged than the relation says. A receiver that goes on takes what is known for what there is.
   */
  unidentified?(relation: Relation, why: string): void
}

/** A message with its rows read. Named as in the documentation. */
export type PgoutputMessage =
  | BeginMessage
  | LogicalMessage
  | CommitMessage
  | OriginMessage
  | { readonly kind: 'relation'; readonly relation: Relation }
  | TypeMessage
  | {
      readonly kind: 'insert'
      readonly relation: Relation
      readonly new: Row
      readonly unchanged: readonly string[] | undefined
    }
  | {
      readonly kind: 'update'
      readonly relation: Relation
      readonly key: Row | undefined
      readonly old: Row | undefined
      readonly new: Row
      readonly unchanged: readonly string[] | undefined
    }
  | {
      readonly kind: 'delete'
      readonly relation: Relation
      readonly key: Row | undefined
      readonly old: Row | undefined
    }
  | {
      readonly kind: 'truncate'
      readonly relations: readonly Relation[]
      readonly cascade: boolean
      readonly restartIdentity: boolean
    }
  | StreamAbortMessage

/** What a decoder is told about the stream: the same as the server was by START_REPLICATION. */
export interface PgoutputOptions {
  /** Only version 1 so far. */
  readonly protoVersion: 1
  /** Only off so far. */
  readonly streaming?: 'off'
  readonly types?: TypeRegistry
  /** Of the stream before this one: a relation that is described as it was there stays the same object. */
  readonly former?: PgoutputDecoder
}

/**
 * Decodes the messages of the output plugin `pgoutput`. It remembers the relations that the stream has named, so there
 * is one decoder to a connection, and every message goes through it, in order.
 *
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export class PgoutputDecoder {
  readonly #types: TypeRegistry
  readonly #relations = new Map<number, KnownRelation>()
  /** Of the streams before, as long as this one has not described them. */
  readonly #former: Map<number, Relation>
  readonly #cursor = new Cursor()
  /** The relation of the last row: rows of one table mostly come together. */
  #last: KnownRelation | undefined
  readonly #recent = new RecentRelations()
  /** By the OID of a table under whose name rows of partitions come: their identities by their own OIDs. */
  readonly #partitions = new Map<number, Map<number, PartitionIdentity>>()
  /** OIDs of the relations that were described since the last change, in order. */
  #described: number[] = []

  constructor(options: PgoutputOptions) {
    this.#types = options.types ?? new TypeRegistry()
    this.#former = new Map(options.former?.relations)
    const partitions = options.former === undefined ? [] : options.former.#partitions
    for (const [root, identities] of partitions) this.#partitions.set(root, new Map(identities))
  }

  /** The relations that were named, by OID, those of the streams before included. */
  get relations(): ReadonlyMap<number, Relation> {
    const named = [...this.#relations].map(([oid, { relation }]): [number, Relation] => [oid, relation])
    return new Map([...this.#former, ...named])
  }

  /** How many relations {@link relations} has. */
  get relationCount(): number {
    return this.#relations.size + this.#former.size
  }

  /**
   * The table that the stream spoke of last. `sure` where it was described and no change of it came yet: what fails then
   * is that change.
   */
  get lastTable(): { readonly table: string; readonly sure: boolean } | undefined {
    const [described] = this.#described
    const known = described === undefined ? this.#last : this.#relations.get(described)
    return known && { table: known.relation.table, sure: described !== undefined }
  }

  /** Decodes one message (the payload of one XLogData). */
  decode(bytes: Uint8Array): PgoutputMessage {
    let message: PgoutputMessage | undefined
    const keep = (decoded: PgoutputMessage) => {
      message = decoded
    }
    this.read(bytes, 0, bytes.length, {
      begin: keep,
      message: keep,
      commit: keep,
      origin: keep,
      relation: (decoded) => keep({ kind: 'relation', relation: this.define(decoded) }),
      type: keep,
      insert: (relation, row, unchanged) => keep({ kind: 'insert', relation, new: row, unchanged }),
      update: (relation, key, old, row, unchanged) => keep({ kind: 'update', relation, key, old, new: row, unchanged }),
      delete: (relation, key, old) => keep({ kind: 'delete', relation, key, old }),
      truncate: (relations, cascade, restartIdentity) =>
        keep({ kind: 'truncate', relations, cascade, restartIdentity }),
      streamAbort: keep,
    })
    return message!
  }

  /**
   * Decodes the message in bytes[start, end) into the sink. A Relation only takes effect when the receiver calls
   * {@link define} with it, which it does once the types of its columns are known.
   *
   * @throws {ProtocolError} when the bytes are not a message of pgoutput, or rows come before their Relation
   * @throws {WalwireError} when a value cannot be read, naming table and column
   */
  read(bytes: Uint8Array, start: number, end: number, sink: PgoutputSink): void {
    const body = start + 1
    switch (start < end ? bytes[start] : undefined) {
      case 0x49:
        this.#insert(bytes, body, end, sink)
        break
      case 0x55:
        this.#update(bytes, body, end, sink)
        break
      case 0x44:
        this.#delete(bytes, body, end, sink)
        break
      case 0x42:
        sink.begin(decodeBegin(new Reader(bytes, body, end, 'Begin')))
        break
      case 0x43:
        sink.commit(decodeCommit(new Reader(bytes, body, end, 'Commit')))
        break
      case 0x4d:
        sink.message(decodeLogicalMessage(new Reader(bytes, body, end, 'Message')))
        break
      case 0x4f:
        sink.origin(decodeOrigin(new Reader(bytes, body, end, 'Origin')))
        break
      case 0x52:
        sink.relation(decodeRelation(new Reader(bytes, body, end, 'Relation')))
        break
      case 0x59:
        sink.type(decodeType(new Reader(bytes, body, end, 'Type')))
        break
      case 0x54:
        this.#truncate(new Reader(bytes, body, end, 'Truncate'), sink)
        break
      case 0x41:
        // From 18 on it comes unasked, between transactions, as the only one of streaming's messages: a large transaction
        // that is found to be rolled back already is thrown away as one that was streamed is, and its subtransactions
        // with it (PG18: reorderbuffer.c ReorderBufferCheckAndTruncateAbortedTXN).
        sink.streamAbort(decodeStreamAbort(new Reader(bytes, body, end, 'Stream Abort')))
        break
      // Nothing else is sent where streaming is off and the slot is not two-phase, which is looked at before the start:
      // docs/protocol.md goes through what versions 14 to 18 may send.
      default:
        throw new ProtocolError(
          'a message of the replication stream could not be read',
          start < end ? `pgoutput version 1 has no message 0x${bytes[start]!.toString(16)}` : 'it is empty',
          0,
        )
    }
  }

  /**
   * Makes a relation known, or replaces what is known of it.
   *
   * @returns the shared object for this schema: the one that is known already when nothing differs
   */
  define(message: RelationMessage): Relation {
    const relation: Relation = {
      oid: message.oid,
      schema: message.schema,
      name: message.name,
      table: `${message.schema}.${message.name}`,
      replicaIdentity: message.replicaIdentity,
      columns: message.columns.map(({ name, typeOid, typmod, key }) => ({
        name,
        type: this.#typeOf(typeOid).label,
        typeOid,
        typmod,
        key,
      })),
    }
    this.#described.push(message.oid)
    return this.#know(relation)
  }

  /** The same for a relation that was learned from the catalog. */
  remember(described: Relation): Relation {
    return this.#know(described)
  }

  /** Takes note of the identities of the partitions, by OID, whose rows come under the name of the table with that OID. */
  knowPartitions(root: number, partitions: ReadonlyMap<number, PartitionIdentity>): void {
    if (partitions.size > 0) this.#partitions.set(root, new Map(partitions))
  }

  /**
   * Forgets relations of which nothing more comes, since they were dropped. Another one that gets an OID of theirs is
   * described before its changes.
   */
  forget(oids: ReadonlySet<number>): void {
    for (const oid of oids) {
      const known = this.#relations.get(oid)
      if (known !== undefined) this.#recent.drop(known)
      for (const kept of [this.#relations, this.#former, this.#partitions]) kept.delete(oid)
    }
    for (const [root, partitions] of this.#partitions) {
      const gone = [...partitions.keys()].filter((oid) => oids.has(oid))
      for (const oid of gone) partitions.delete(oid)
      const known = this.#relations.get(root)
      if (gone.length > 0 && known !== undefined) this.#know(known.described)
    }
    this.#last = undefined
  }

  #know(described: Relation): Relation {
    const partitions = this.#partitions.get(described.oid)
    const ofPartitions = partitions !== undefined && partitions.size > 0
    const logged = ofPartitions ? asLogged(described, [...partitions.values()]) : described
    const known = this.#relations.get(described.oid)
    if (known && known.ofPartitions === ofPartitions && sameRelation(known.relation, logged)) {
      known.described = described
      return known.relation
    }
    const former = known?.relation ?? this.#former.get(described.oid)
    const relation = former && sameRelation(former, logged) ? former : logged
    for (const column of relation.columns) setColumnType(column, this.#typeOf(column.typeOid))
    if (known !== undefined) this.#recent.drop(known)
    this.#relations.set(relation.oid, new KnownRelation(relation, described, ofPartitions, this.#types, this.#cursor))
    this.#former.delete(relation.oid)
    this.#last = undefined
    return relation
  }

  /**
   * The server describes a root and then the partition before the first change of that partition. So a change of the last
   * relation but one is of a row in the last, and is logged under that one's identity.
   */
  #learnPartition(changed: number): void {
    const [root, last] = this.#described.slice(-2)
    this.#described = []
    if (last === changed || (root === changed && last === undefined)) {
      // a table of its own, perhaps a partition no longer
      for (const partitions of this.#partitions.values()) partitions.delete(changed)
      return
    }
    const known = this.#relations.get(changed)
    const partition = last === undefined ? undefined : this.#relations.get(last)?.described
    if (root !== changed || known === undefined || partition === undefined) return
    const partitions = this.#partitions.get(changed) ?? new Map<number, PartitionIdentity>()
    const told = partitionIdentity(known.described, partition)
    const identity = told.key === undefined ? (partitions.get(partition.oid) ?? told) : told
    this.#partitions.set(changed, partitions.set(partition.oid, identity))
    this.#know(known.described)
  }

  /** Whether the relation that was described last is a partition whose description does not tell its identity. */
  get partitionUntold(): boolean {
    const [root, last] = this.#described.slice(-2).map((oid) => this.#relations.get(oid)?.described)
    return root !== undefined && last !== undefined && !describesPartition(root, last)
  }

  #typeOf(oid: number): PgType {
    return this.#types.get(oid) ?? this.#types.addUnknown(oid)
  }

  #insert(bytes: Uint8Array, body: number, end: number, sink: PgoutputSink): void {
    const known = this.#relationAt(bytes, body, end, 'Insert')
    this.#cursor.body = body
    if (bytes[body + 4] !== 0x4e) this.#reject('Insert', 'no new tuple follows its relation', 4)
    const row = known.row(bytes, body + 5, end)
    if (this.#cursor.end !== end) this.#reject('Insert', 'bytes stand behind the row', this.#cursor.end - body)
    const { unchanged } = this.#cursor
    const names = unchanged?.map((index) => known.relation.columns[index]!.name)
    sink.insert(known.relation, row, names)
  }

  #update(bytes: Uint8Array, body: number, end: number, sink: PgoutputSink): void {
    const known = this.#relationAt(bytes, body, end, 'Update')
    const { relation } = known
    const cursor = this.#cursor
    cursor.body = body
    let at = body + 4
    const tag = bytes[at]
    const before = tag === 0x4b || tag === 0x4f ? at + 1 : undefined
    let key: Row | undefined
    let old: Row | undefined
    if (before !== undefined) {
      if (known.isWhole(tag)) old = known.row(bytes, before, end)
      else key = known.key(bytes, before, end)
      at = cursor.end
    }
    if (at >= end || bytes[at] !== 0x4e) this.#reject('Update', 'no new tuple follows', at - body)
    const row = known.row(bytes, at + 1, end)
    if (cursor.end !== end) this.#reject('Update', 'bytes stand behind the row', cursor.end - body)
    const { unchanged } = cursor
    const gap = before === undefined ? known.gapWithoutKey() : key && known.gapInKey(key, bytes, before)
    if (gap !== undefined) sink.unidentified?.(relation, gap)
    if (unchanged === undefined) {
      sink.update(relation, key, old, row, undefined)
    } else {
      const isKnown = (index: number) => before !== undefined && !isSentNull(bytes, before, index)
      const { filled, missing } = fillUnchanged(relation, row, old ?? key, isKnown)
      sink.update(relation, key, old, filled, missing.length > 0 ? missing : undefined)
    }
  }

  #delete(bytes: Uint8Array, body: number, end: number, sink: PgoutputSink): void {
    const known = this.#relationAt(bytes, body, end, 'Delete')
    this.#cursor.body = body
    const kind = bytes[body + 4]
    if (kind !== 0x4b && kind !== 0x4f) this.#reject('Delete', 'neither key nor old tuple follows', 4)
    const whole = known.isWhole(kind)
    const before = whole ? known.row(bytes, body + 5, end) : known.key(bytes, body + 5, end)
    if (this.#cursor.end !== end) this.#reject('Delete', 'bytes stand behind the row', this.#cursor.end - body)
    const gap = whole ? undefined : known.gapInKey(before, bytes, body + 5)
    if (gap !== undefined) sink.unidentified?.(known.relation, gap)
    if (whole) sink.delete(known.relation, undefined, before)
    else sink.delete(known.relation, before, undefined)
  }

  #truncate(reader: Reader, sink: PgoutputSink): void {
    const { relationOids, cascade, restartIdentity } = decodeTruncate(reader)
    this.#described = []
    sink.truncate(
      relationOids.map((oid) => this.#known(oid, 'Truncate').relation),
      cascade,
      restartIdentity,
    )
  }

  #relationAt(bytes: Uint8Array, at: number, end: number, message: string): KnownRelation {
    if (at + 5 > end) this.#reject(message, 'it ends within its relation', 0)
    const oid = uint32At(bytes, at)
    if (this.#described.length > 0) this.#learnPartition(oid)
    const last = this.#last
    if (last !== undefined && last.relation.oid === oid) return last
    const known = this.#known(oid, message)
    this.#recent.use(known)
    this.#last = known
    return known
  }

  #known(oid: number, message: string): KnownRelation {
    return this.#relations.get(oid) ?? this.#reject(message, `its relation ${oid} was not described before`, 0)
  }

  #reject(message: string, why: string, offset: number): never {
    throw new ProtocolError(`${message} could not be read`, why, offset, message[0])
  }
}

/**
 * Takes unchanged values from the old row or key where that was sent: the server leaves a value out of the new tuple
 * whenever its TOAST pointer is the same, and flattens the old one. Such a value stands out of line, and so is not NULL:
 * a NULL in its place is that of a column which was not logged.
 *
 * @param isKnown whether the column of that index has a value in the old tuple
 * @returns the row in the order of its columns, and the names of those that remain without a value
 */
function fillUnchanged(
  relation: Relation,
  row: Row,
  before: Row | undefined,
  isKnown: (index: number) => boolean,
): { filled: Row; missing: string[] } {
  const filled: Row = {}
  const missing: string[] = []
  for (const [index, { name }] of relation.columns.entries()) {
    if (Object.hasOwn(row, name)) setField(filled, name, row[name])
    else if (before !== undefined && Object.hasOwn(before, name) && isKnown(index)) setField(filled, name, before[name])
    else missing.push(name)
  }
  return { filled, missing }
}
