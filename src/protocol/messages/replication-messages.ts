import { encodeTagged } from './frame.ts'
import type { Lsn } from './lsn.ts'
import { Reader } from './reader.ts'
import { frontendTag } from './tags.ts'
import type { Writer } from './writer.ts'

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
  /** `h`, from the client. */
  HotStandbyFeedback: 0x68,
} as const

/**
 * Offsets in an XLogData's body, its tag included, for who reads it in place: `Byte1 'w', Int64 dataStart, Int64 walEnd,
 * Int64 sendTime, Byte[n] data`.
 */
export const xLogDataLayout = { dataStart: 1, walEnd: 9, sendTime: 17, data: 25 } as const

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
export function decodeXLogData(reader: Reader): XLogData {
  return {
    dataStart: reader.lsn('start of the WAL data'),
    walEnd: reader.lsn('end of WAL'),
    sendTime: readTime(reader, 'send time'),
    data: reader.bytes(reader.remaining, 'WAL data'),
  }
}

/** Gives the whole message, CopyData's header included. */
export function encodeXLogData(message: XLogData): Uint8Array {
  return encodeInside(replicationTag.XLogData, (writer) =>
    writeTime(writer.lsn(message.dataStart).lsn(message.walEnd), message.sendTime).bytes(message.data),
  )
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
export function decodePrimaryKeepalive(reader: Reader): PrimaryKeepalive {
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
  return encodeInside(replicationTag.PrimaryKeepalive, (writer) =>
    writeTime(writer.lsn(message.walEnd), message.sendTime).uint8(message.replyRequested ? 1 : 0),
  )
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
export function decodeStandbyStatusUpdate(reader: Reader): StandbyStatusUpdate {
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
  return encodeInside(replicationTag.StandbyStatusUpdate, (writer) =>
    writeTime(writer.lsn(message.write).lsn(message.flush).lsn(message.apply), message.clock).uint8(
      message.replyRequested ? 1 : 0,
    ),
  )
}

/** `h`: a standby says which rows it still needs. walwire sends none. */
export interface HotStandbyFeedback {
  /** The client's clock: microseconds since 1970. */
  readonly clock: bigint
  /** The oldest transaction that the standby still looks at; 0 for none any more. */
  readonly xmin: number
  readonly xminEpoch: number
  /** The same for the catalog, as its slots need it. */
  readonly catalogXmin: number
  readonly catalogXminEpoch: number
}

/**
 * `Int64 clock, Int32 xmin, Int32 its epoch, Int32 catalog xmin, Int32 its epoch`
 *
 * @param reader over the body behind the tag byte
 */
export function decodeHotStandbyFeedback(reader: Reader): HotStandbyFeedback {
  const feedback = {
    clock: readTime(reader, 'clock'),
    xmin: reader.uint32('xmin'),
    xminEpoch: reader.uint32('epoch of xmin'),
    catalogXmin: reader.uint32('catalog xmin'),
    catalogXminEpoch: reader.uint32('epoch of catalog xmin'),
  }
  reader.finish()
  return feedback
}

/** Gives the whole message, CopyData's header included. */
export function encodeHotStandbyFeedback(message: HotStandbyFeedback): Uint8Array {
  return encodeInside(replicationTag.HotStandbyFeedback, (writer) =>
    writeTime(writer, message.clock)
      .uint32(message.xmin)
      .uint32(message.xminEpoch)
      .uint32(message.catalogXmin)
      .uint32(message.catalogXminEpoch),
  )
}

/** Any of the four. */
export type ReplicationMessage =
  | ({ readonly type: 'XLogData' } & XLogData)
  | ({ readonly type: 'PrimaryKeepalive' } & PrimaryKeepalive)
  | ({ readonly type: 'StandbyStatusUpdate' } & StandbyStatusUpdate)
  | ({ readonly type: 'HotStandbyFeedback' } & HotStandbyFeedback)

/**
 * Reads a CopyData's body, whichever of the four it is.
 *
 * @throws {ProtocolError} for any other, and for one that is malformed
 */
export function decodeReplication(bytes: Uint8Array, start: number, end: number): ReplicationMessage {
  const tagReader = new Reader(bytes, start, end, 'a message in the replication stream')
  const tag = tagReader.uint8('tag')
  switch (tag) {
    case replicationTag.XLogData:
      return { type: 'XLogData', ...decodeXLogData(new Reader(bytes, start + 1, end, 'XLogData')) }
    case replicationTag.PrimaryKeepalive:
      return {
        type: 'PrimaryKeepalive',
        ...decodePrimaryKeepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive')),
      }
    case replicationTag.StandbyStatusUpdate:
      return {
        type: 'StandbyStatusUpdate',
        ...decodeStandbyStatusUpdate(new Reader(bytes, start + 1, end, 'StandbyStatusUpdate')),
      }
    case replicationTag.HotStandbyFeedback:
      return {
        type: 'HotStandbyFeedback',
        ...decodeHotStandbyFeedback(new Reader(bytes, start + 1, end, 'HotStandbyFeedback')),
      }
    default:
      return tagReader.fail(`its type 0x${tag.toString(16).padStart(2, '0')} is none of w, k, r and h`)
  }
}

/** Writes any of the four, CopyData's header included. */
export function encodeReplication(message: ReplicationMessage): Uint8Array {
  switch (message.type) {
    case 'XLogData':
      return encodeXLogData(message)
    case 'PrimaryKeepalive':
      return encodePrimaryKeepalive(message)
    case 'StandbyStatusUpdate':
      return encodeStandbyStatusUpdate(message)
    case 'HotStandbyFeedback':
      return encodeHotStandbyFeedback(message)
    default:
      return message satisfies never
  }
}

/** A CopyData message around a body that begins with its tag. */
function encodeInside(tag: number, writeBody: (writer: Writer) => void): Uint8Array {
  return encodeTagged(frontendTag.CopyData, (writer) => writeBody(writer.uint8(tag)))
}

function readTime(reader: Reader, field: string): bigint {
  return reader.int64(field) + postgresEpochMicros
}

function writeTime(writer: Writer, microsSince1970: bigint): Writer {
  return writer.int64(microsSince1970 - postgresEpochMicros)
}

/** 0 or 1; the server, too, takes anything else for true. */
function readFlag(reader: Reader, field: string): boolean {
  return reader.uint8(field) !== 0
}
