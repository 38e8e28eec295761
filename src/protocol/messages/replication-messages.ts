import type { Lsn } from './lsn.ts'
import { Reader } from './reader.ts'

/**
 * What goes both ways inside CopyData once replication has started.
 *
 * Times are microseconds since 1970, as everywhere in walwire; on the wire they count from 2000-01-01 UTC.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-XLOGDATA
 */

/** 2000-01-01 UTC, Postgres' epoch, in microseconds since 1970. */
export const postgresEpochMicros = 946_684_800_000_000n

/** The first byte of a CopyData's body. */
export const replicationTag = {
  /** `w`, from the server. */
  XLogData: 0x77,
  /** `k`, from the server. */
  PrimaryKeepalive: 0x6b,
  /** `r`, from the client. */
  StandbyStatusUpdate: 0x72,
} as const

/**
 * Offsets in an XLogData's body, its tag included, for who reads it in place: `Byte1 'w', Int64 dataStart, Int64 walEnd,
 * Int64 sendTime, Byte[n] data`.
 */
export const xLogDataLayout = { dataStart: 1, walEnd: 9, sendTime: 17, data: 25 } as const

const copyDataTag = 0x64
const copyDataHeaderBytes = 5

/** `w`: a piece of WAL; in logical replication one message of the output plugin. */
export interface XLogData {
  /** Where this begins in WAL; 0 for a message that stands for no WAL (Relation, Type). */
  readonly dataStart: Lsn
  /** In logical replication the same as {@link dataStart}. */
  readonly walEnd: Lsn
  /** The server's clock when it sent this: microseconds since 1970. */
  readonly sendTime: bigint
  readonly data: Uint8Array
}

/** @param reader over the body behind the tag byte */
export function readXLogData(reader: Reader): XLogData {
  return {
    dataStart: reader.lsn('start of the WAL data'),
    walEnd: reader.lsn('end of WAL'),
    sendTime: readTime(reader, 'send time'),
    data: reader.bytes(reader.remaining, 'WAL data'),
  }
}

/** Gives the whole message, CopyData's header included. */
export function encodeXLogData(message: XLogData): Uint8Array {
  const { bytes, view } = copyData(replicationTag.XLogData, xLogDataLayout.data + message.data.length)
  view.setBigUint64(xLogDataLayout.dataStart, message.dataStart)
  view.setBigUint64(xLogDataLayout.walEnd, message.walEnd)
  writeTime(view, xLogDataLayout.sendTime, message.sendTime)
  bytes.set(message.data, copyDataHeaderBytes + xLogDataLayout.data)
  return bytes
}

/** `k`: the server says that it is there, and how far it is. */
export interface PrimaryKeepalive {
  /** The end of what the server has decoded and sent: everything before it that matters was received. */
  readonly walEnd: Lsn
  /** The server's clock: microseconds since 1970. */
  readonly sendTime: bigint
  /** The server wants a StandbyStatusUpdate soon, and will close the connection without one. */
  readonly replyRequested: boolean
}

/**
 * `Int64 walEnd, Int64 sendTime, Byte1 replyRequested`
 *
 * @param reader over the body behind the tag byte
 */
export function readPrimaryKeepalive(reader: Reader): PrimaryKeepalive {
  const keepalive = {
    walEnd: reader.lsn('end of WAL'),
    sendTime: readTime(reader, 'send time'),
    replyRequested: readFlag(reader, 'reply requested'),
  }
  reader.finish()
  return keepalive
}

/** Gives the whole message, CopyData's header included. */
export function encodePrimaryKeepalive(message: PrimaryKeepalive): Uint8Array {
  const { bytes, view } = copyData(replicationTag.PrimaryKeepalive, 18)
  view.setBigUint64(1, message.walEnd)
  writeTime(view, 9, message.sendTime)
  view.setUint8(17, message.replyRequested ? 1 : 0)
  return bytes
}

/** `r`: the client says how far it is. Only `flush` lets a logical slot forget WAL. */
export interface StandbyStatusUpdate {
  /** Received. */
  readonly write: Lsn
  /** Durable. The server checks nothing: it skips for good what lies before. 0 leaves the slot where it is. */
  readonly flush: Lsn
  /** Applied; only shown in pg_stat_replication. */
  readonly apply: Lsn
  /** The client's clock: microseconds since 1970. */
  readonly clock: bigint
  /** The server shall answer at once. */
  readonly replyRequested: boolean
}

/**
 * `Int64 write, Int64 flush, Int64 apply, Int64 clock, Byte1 replyRequested`
 *
 * @param reader over the body behind the tag byte
 */
export function readStandbyStatusUpdate(reader: Reader): StandbyStatusUpdate {
  const update = {
    write: reader.lsn('write'),
    flush: reader.lsn('flush'),
    apply: reader.lsn('apply'),
    clock: readTime(reader, 'clock'),
    replyRequested: readFlag(reader, 'reply requested'),
  }
  reader.finish()
  return update
}

/** Gives the whole message, CopyData's header included. */
export function encodeStandbyStatusUpdate(message: StandbyStatusUpdate): Uint8Array {
  const { bytes, view } = copyData(replicationTag.StandbyStatusUpdate, 34)
  view.setBigUint64(1, message.write)
  view.setBigUint64(9, message.flush)
  view.setBigUint64(17, message.apply)
  writeTime(view, 25, message.clock)
  view.setUint8(33, message.replyRequested ? 1 : 0)
  return bytes
}

/** Any of the three. */
export type ReplicationMessage =
  | ({ readonly type: 'XLogData' } & XLogData)
  | ({ readonly type: 'PrimaryKeepalive' } & PrimaryKeepalive)
  | ({ readonly type: 'StandbyStatusUpdate' } & StandbyStatusUpdate)

/**
 * Reads a CopyData's body, whichever of the three it is.
 *
 * @throws {ProtocolError} for any other, and for one that is malformed
 */
export function decodeReplication(bytes: Uint8Array, start: number, end: number): ReplicationMessage {
  const tagReader = new Reader(bytes, start, end, 'a message in the replication stream')
  const tag = tagReader.uint8('tag')
  switch (tag) {
    case replicationTag.XLogData:
      return { type: 'XLogData', ...readXLogData(new Reader(bytes, start + 1, end, 'XLogData')) }
    case replicationTag.PrimaryKeepalive:
      return {
        type: 'PrimaryKeepalive',
        ...readPrimaryKeepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive')),
      }
    case replicationTag.StandbyStatusUpdate:
      return {
        type: 'StandbyStatusUpdate',
        ...readStandbyStatusUpdate(new Reader(bytes, start + 1, end, 'StandbyStatusUpdate')),
      }
    default:
      return tagReader.fail(`its type 0x${tag.toString(16).padStart(2, '0')} is none of w, k and r`)
  }
}

/** A CopyData message around a body that begins with its tag; the view begins at the body. */
function copyData(tag: number, bodyBytes: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(copyDataHeaderBytes + bodyBytes)
  bytes[0] = copyDataTag
  new DataView(bytes.buffer).setUint32(1, bodyBytes + 4)
  const view = new DataView(bytes.buffer, copyDataHeaderBytes)
  view.setUint8(0, tag)
  return { bytes, view }
}

function readTime(reader: Reader, field: string): bigint {
  return reader.int64(field) + postgresEpochMicros
}

function writeTime(view: DataView, at: number, microsSince1970: bigint): void {
  view.setBigInt64(at, microsSince1970 - postgresEpochMicros)
}

/** 0 or 1; the server, too, takes anything else for true. */
function readFlag(reader: Reader, field: string): boolean {
  return reader.uint8(field) !== 0
}
