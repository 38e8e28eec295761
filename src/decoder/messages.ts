import type { Lsn } from '../protocol/messages/lsn.ts'
import type { Reader } from '../protocol/messages/reader.ts'
import { postgresEpochMicros } from '../protocol/messages/replication-messages.ts'
import { Writer } from '../protocol/messages/writer.ts'
import type { ReplicaIdentity } from './relation.ts'

/*
 * The messages of pgoutput that carry no rows, in the order of the documentation; those with rows are read in place
 * (pgoutput.ts) and written here. Each: layout, type, decode, encode. A decoder gets the bytes behind the tag.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */

/** B: Int64 LSN of the commit record, Int64 commit time, Int32 xid. */
export interface BeginMessage {
  readonly kind: 'begin'
  /** LSN of the transaction's commit record. */
  readonly finalLsn: Lsn
  /** Microseconds since 1970-01-01 UTC. */
  readonly commitTime: bigint
  readonly xid: number
}

/** Where the fields of Begin are, counted from its tag. */
export const beginLayout = { finalLsn: 1, commitTime: 9, xid: 17 } as const

export function decodeBegin(reader: Reader): BeginMessage {
  const message: BeginMessage = {
    kind: 'begin',
    finalLsn: reader.lsn('final LSN'),
    commitTime: reader.int64('commit time') + postgresEpochMicros,
    xid: reader.uint32('xid'),
  }
  reader.finish()
  return message
}

export function encodeBegin(message: BeginMessage): Uint8Array {
  return new Writer()
    .tag('B')
    .lsn(message.finalLsn)
    .int64(message.commitTime - postgresEpochMicros)
    .uint32(message.xid)
    .finish()
}

/** M: Int8 flags (1: transactional), Int64 LSN of the record's end, String prefix, Int32 length, bytes. */
export interface LogicalMessage {
  readonly kind: 'message'
  readonly transactional: boolean
  readonly lsn: Lsn
  readonly prefix: string
  readonly content: Uint8Array
}

export function decodeLogicalMessage(reader: Reader): LogicalMessage {
  const flags = reader.uint8('flags')
  if (flags > 1) reader.fail(`the flags are ${flags}, only 0 and 1 are known`)
  const lsn = reader.lsn('LSN')
  const prefix = reader.cstring('prefix')
  const content = reader.bytes(reader.int32('length'), 'content')
  reader.finish()
  return { kind: 'message', transactional: flags === 1, lsn, prefix, content }
}

export function encodeLogicalMessage(message: LogicalMessage): Uint8Array {
  return new Writer()
    .tag('M')
    .uint8(message.transactional ? 1 : 0)
    .lsn(message.lsn)
    .cstring(message.prefix)
    .int32(message.content.length)
    .bytes(message.content)
    .finish()
}

/** C: Int8 flags (0), Int64 LSN of the commit record, Int64 LSN of its end, Int64 commit time. */
export interface CommitMessage {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTime: bigint
}

export function decodeCommit(reader: Reader): CommitMessage {
  const flags = reader.uint8('flags')
  if (flags !== 0) reader.fail(`the flags are ${flags}, only 0 is known`)
  const message: CommitMessage = {
    kind: 'commit',
    commitLsn: reader.lsn('commit LSN'),
    endLsn: reader.lsn('end LSN'),
    commitTime: reader.int64('commit time') + postgresEpochMicros,
  }
  reader.finish()
  return message
}

export function encodeCommit(message: CommitMessage): Uint8Array {
  return new Writer()
    .tag('C')
    .uint8(0)
    .lsn(message.commitLsn)
    .lsn(message.endLsn)
    .int64(message.commitTime - postgresEpochMicros)
    .finish()
}

/** O: Int64 LSN of the commit on the origin, String name. */
export interface OriginMessage {
  readonly kind: 'origin'
  readonly originLsn: Lsn
  readonly name: string
}

export function decodeOrigin(reader: Reader): OriginMessage {
  const message: OriginMessage = { kind: 'origin', originLsn: reader.lsn('origin LSN'), name: reader.cstring('name') }
  reader.finish()
  return message
}

export function encodeOrigin(message: OriginMessage): Uint8Array {
  return new Writer().tag('O').lsn(message.originLsn).cstring(message.name).finish()
}

/**
 * R: Int32 OID, String schema (empty: pg_catalog), String name, Int8 replica identity, Int16 number of columns;
 * for each Int8 flags (1: key), String name, Int32 type OID, Int32 type modifier.
 */
export interface RelationMessage {
  readonly kind: 'relation'
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly replicaIdentity: ReplicaIdentity
  readonly columns: readonly RelationMessageColumn[]
}

/** A column as the Relation message has it: without the name of its type. */
export interface RelationMessageColumn {
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  readonly key: boolean
}

/** `pg_class.relreplident`, as the Relation message has it too. */
export const replicaIdentities: Readonly<Record<string, ReplicaIdentity>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
}

export function decodeRelation(reader: Reader): RelationMessage {
  const oid = reader.uint32('OID')
  const schema = reader.cstring('schema') || 'pg_catalog'
  const name = reader.cstring('name')
  const identity = String.fromCharCode(reader.uint8('replica identity'))
  const replicaIdentity = replicaIdentities[identity]
  if (replicaIdentity === undefined) reader.fail(`the replica identity is ${JSON.stringify(identity)}`)
  const count = reader.count(reader.int16('number of columns'), 10, 'number of columns')
  const columns: RelationMessageColumn[] = []
  for (let index = 0; index < count; index++) {
    const flags = reader.uint8('column flags')
    if (flags > 1) reader.fail(`the flags of a column are ${flags}, only 0 and 1 are known`)
    columns.push({
      name: reader.cstring('column name'),
      typeOid: reader.uint32('column type'),
      typmod: reader.int32('column type modifier'),
      key: flags === 1,
    })
  }
  reader.finish()
  return { kind: 'relation', oid, schema, name, replicaIdentity, columns }
}

export function encodeRelation(message: RelationMessage): Uint8Array {
  const identity = Object.keys(replicaIdentities).find((key) => replicaIdentities[key] === message.replicaIdentity)
  const writer = new Writer(256)
    .tag('R')
    .uint32(message.oid)
    .cstring(message.schema === 'pg_catalog' ? '' : message.schema)
    .cstring(message.name)
    .tag(identity ?? 'd')
    .int16(message.columns.length)
  for (const column of message.columns) {
    writer
      .uint8(column.key ? 1 : 0)
      .cstring(column.name)
      .uint32(column.typeOid)
      .int32(column.typmod)
  }
  return writer.finish()
}

/** Y: Int32 OID, String schema, String name. For a domain, the name is that of its base type. */
export interface TypeMessage {
  readonly kind: 'type'
  readonly oid: number
  readonly schema: string
  readonly name: string
}

export function decodeType(reader: Reader): TypeMessage {
  const message: TypeMessage = {
    kind: 'type',
    oid: reader.uint32('OID'),
    schema: reader.cstring('schema') || 'pg_catalog',
    name: reader.cstring('name'),
  }
  reader.finish()
  return message
}

export function encodeType(message: TypeMessage): Uint8Array {
  return new Writer()
    .tag('Y')
    .uint32(message.oid)
    .cstring(message.schema === 'pg_catalog' ? '' : message.schema)
    .cstring(message.name)
    .finish()
}

/** T: Int32 number of relations, Int8 flags (1: CASCADE, 2: RESTART IDENTITY), Int32 OID for each. */
export interface TruncateMessage {
  readonly kind: 'truncate'
  readonly relationOids: readonly number[]
  readonly cascade: boolean
  readonly restartIdentity: boolean
}

export function decodeTruncate(reader: Reader): TruncateMessage {
  const declared = reader.int32('number of relations')
  const flags = reader.uint8('flags')
  if (flags > 3) reader.fail(`the flags are ${flags}, only 1 and 2 are known`)
  const count = reader.count(declared, 4, 'number of relations')
  const relationOids = Array.from({ length: count }, () => reader.uint32('relation OID'))
  reader.finish()
  return { kind: 'truncate', relationOids, cascade: (flags & 1) !== 0, restartIdentity: (flags & 2) !== 0 }
}

export function encodeTruncate(message: TruncateMessage): Uint8Array {
  const writer = new Writer()
    .tag('T')
    .int32(message.relationOids.length)
    .uint8((message.cascade ? 1 : 0) | (message.restartIdentity ? 2 : 0))
  for (const oid of message.relationOids) writer.uint32(oid)
  return writer.finish()
}

/** A: Int32 XID of the transaction, Int32 XID of the subtransaction that was rolled back, or the former again. */
export interface StreamAbortMessage {
  readonly kind: 'stream-abort'
  readonly xid: number
  readonly subxid: number
}

export function decodeStreamAbort(reader: Reader): StreamAbortMessage {
  const message: StreamAbortMessage = {
    kind: 'stream-abort',
    xid: reader.uint32('XID'),
    subxid: reader.uint32('subtransaction XID'),
  }
  reader.finish()
  return message
}

export function encodeStreamAbort(message: StreamAbortMessage): Uint8Array {
  return new Writer().tag('A').uint32(message.xid).uint32(message.subxid).finish()
}

/** One column of a row on the wire: its text, NULL, or unchanged TOAST. */
export type TupleValue = Uint8Array | null | 'unchanged'

/** I: Int32 relation OID, 'N', the new tuple. */
export function encodeInsert(relationOid: number, newTuple: readonly TupleValue[]): Uint8Array {
  return writeTuple(new Writer(256).tag('I').uint32(relationOid).tag('N'), newTuple).finish()
}

/** U: Int32 relation OID, optionally 'K' and the key or 'O' and the old tuple, 'N' and the new tuple. */
export function encodeUpdate(
  relationOid: number,
  before: { readonly kind: 'K' | 'O'; readonly tuple: readonly TupleValue[] } | undefined,
  newTuple: readonly TupleValue[],
): Uint8Array {
  const writer = new Writer(256).tag('U').uint32(relationOid)
  if (before) writeTuple(writer.tag(before.kind), before.tuple)
  return writeTuple(writer.tag('N'), newTuple).finish()
}

/** D: Int32 relation OID, 'K' and the key or 'O' and the old tuple. */
export function encodeDelete(
  relationOid: number,
  before: { readonly kind: 'K' | 'O'; readonly tuple: readonly TupleValue[] },
): Uint8Array {
  return writeTuple(new Writer(256).tag('D').uint32(relationOid).tag(before.kind), before.tuple).finish()
}

function writeTuple(writer: Writer, tuple: readonly TupleValue[]): Writer {
  writer.int16(tuple.length)
  for (const value of tuple) {
    if (value === null) writer.tag('n')
    else if (value === 'unchanged') writer.tag('u')
    else writer.tag('t').int32(value.length).bytes(value)
  }
  return writer
}
