import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
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
  encodeBegin,
  encodeCommit,
  encodeLogicalMessage,
  encodeOrigin,
  encodeRelation,
  encodeStreamAbort,
  encodeTruncate,
  encodeType,
  type LogicalMessage,
  type OriginMessage,
  type RelationMessage,
  type StreamAbortMessage,
  type TruncateMessage,
  type TypeMessage,
} from '../../src/decoder/messages.ts'
import { ProtocolError } from '../../src/protocol/messages/errors.ts'
import { Reader } from '../../src/protocol/messages/reader.ts'
import { postgresEpochMicros } from '../../src/protocol/messages/replication-messages.ts'
import { Writer } from '../../src/protocol/messages/writer.ts'
import { law } from '../property.ts'
import { anyLsn, anyName, anyText, utf8 } from './arbitraries.ts'

const uint32 = fc.nat(0xffff_ffff)
const commitTime = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((micros) => micros + postgresEpochMicros)

interface Codec<Message> {
  readonly messages: fc.Arbitrary<Message>
  readonly encode: (message: Message) => Uint8Array
  readonly decode: (reader: Reader) => Message
}

/** The same laws for each kind of message; each kind has its own type, so this is a call and not a table. */
function describeMessage<Message>(name: string, tag: string, { messages, encode, decode }: Codec<Message>): void {
  /** Reads a body that lies among other bytes. */
  const read = (body: Uint8Array) => {
    const bytes = new Uint8Array(body.length + 20).fill(0x6e)
    bytes.set(body, 7)
    return decode(new Reader(bytes, 7, 7 + body.length, name))
  }

  describe(name, () => {
    law(
      'comes back from its bytes as it was',
      fc.property(messages, (message) => {
        const bytes = encode(message)
        expect(String.fromCharCode(bytes[0]!)).toBe(tag)
        expect(read(bytes.subarray(1))).toEqual(message)
      }),
    )

    law(
      'cut short at any byte is an error that names it and the place',
      fc.property(messages, (message) => {
        const body = encode(message).subarray(1)
        for (let length = 0; length < body.length; length++) {
          const error = errorOf(() => read(body.subarray(0, length)))
          expect(error.what).toBe(`${name} could not be read`)
          expect(error.offset).toBeGreaterThanOrEqual(0)
          expect(error.offset).toBeLessThanOrEqual(length)
        }
      }),
      30,
    )

    law(
      'with bytes behind its last field is an error at the first of them',
      fc.property(messages, fc.uint8Array({ minLength: 1, maxLength: 4 }), (message, rest) => {
        const body = encode(message).subarray(1)
        const longer = Uint8Array.from([...body, ...rest])
        expect(errorOf(() => read(longer)).offset).toBe(body.length)
      }),
    )

    law(
      'holds nothing of the buffer that it was read from (trap 61)',
      fc.property(messages, (message) => {
        const bytes = encode(message)
        const decoded = decode(new Reader(bytes, 1, bytes.length, name))
        bytes.fill(0x2a)
        expect(decoded).toEqual(message)
      }),
      30,
    )
  })
}

describeMessage<BeginMessage>('Begin', 'B', {
  messages: fc.record({ kind: fc.constant('begin'), finalLsn: anyLsn, commitTime, xid: uint32 }),
  encode: encodeBegin,
  decode: decodeBegin,
})

describeMessage<LogicalMessage>('Message', 'M', {
  messages: fc.record({
    kind: fc.constant('message'),
    transactional: fc.boolean(),
    lsn: anyLsn,
    prefix: anyText,
    content: fc.uint8Array({ maxLength: 300 }),
  }),
  encode: encodeLogicalMessage,
  decode: decodeLogicalMessage,
})

describeMessage<CommitMessage>('Commit', 'C', {
  messages: fc.record({ kind: fc.constant('commit'), commitLsn: anyLsn, endLsn: anyLsn, commitTime }),
  encode: encodeCommit,
  decode: decodeCommit,
})

describeMessage<OriginMessage>('Origin', 'O', {
  messages: fc.record({ kind: fc.constant('origin'), originLsn: anyLsn, name: anyText }),
  encode: encodeOrigin,
  decode: decodeOrigin,
})

describeMessage<RelationMessage>('Relation', 'R', {
  messages: fc.record({
    kind: fc.constant('relation'),
    oid: uint32,
    // pg_catalog goes over the wire as an empty name
    schema: fc.oneof(fc.constant('pg_catalog'), anyName),
    name: anyName,
    replicaIdentity: fc.constantFrom('default', 'nothing', 'full', 'index'),
    columns: fc.array(
      fc.record({ name: anyName, typeOid: uint32, typmod: fc.integer({ min: -(2 ** 31) }), key: fc.boolean() }),
      { maxLength: 6 },
    ),
  }),
  encode: encodeRelation,
  decode: decodeRelation,
})

describeMessage<TypeMessage>('Type', 'Y', {
  messages: fc.record({
    kind: fc.constant('type'),
    oid: uint32,
    schema: fc.oneof(fc.constant('pg_catalog'), anyName),
    name: anyName,
  }),
  encode: encodeType,
  decode: decodeType,
})

describeMessage<TruncateMessage>('Truncate', 'T', {
  messages: fc.record({
    kind: fc.constant('truncate'),
    relationOids: fc.array(uint32, { maxLength: 6 }),
    cascade: fc.boolean(),
    restartIdentity: fc.boolean(),
  }),
  encode: encodeTruncate,
  decode: decodeTruncate,
})

describeMessage<StreamAbortMessage>('Stream Abort', 'A', {
  messages: fc.record({ kind: fc.constant('stream-abort'), xid: uint32, subxid: uint32 }),
  encode: encodeStreamAbort,
  decode: decodeStreamAbort,
})

test('a message longer than the writer began with is written whole, not into the memory that it grew out of', () => {
  const message: LogicalMessage = {
    kind: 'message',
    transactional: false,
    lsn: 0x1_0000_0001n,
    prefix: 'p'.repeat(1000),
    content: new Uint8Array(5000).fill(7),
  }
  const bytes = encodeLogicalMessage(message)
  expect(decodeLogicalMessage(new Reader(bytes, 1, bytes.length, 'Message'))).toEqual(message)
})

test('times count from 1970, though the server counts from 2000 (trap 65)', () => {
  const bytes = new Writer().lsn(1n).int64(0n).uint32(1).finish()
  const { commitTime } = decodeBegin(new Reader(bytes, 0, bytes.length, 'Begin'))
  expect(new Date(Number(commitTime / 1000n)).toISOString()).toBe('2000-01-01T00:00:00.000Z')
})

test('an LSN and an xid keep their highest bit, they have no sign', () => {
  const bytes = new Writer().int64(-1n).int64(0n).int32(-1).finish()
  const begin = decodeBegin(new Reader(bytes, 0, bytes.length, 'Begin'))
  expect(begin).toMatchObject({ finalLsn: 0xffff_ffff_ffff_ffffn, xid: 0xffff_ffff })
})

describe('a field that lies is refused at its own place, before anything is allocated for it', () => {
  const lies: readonly (readonly [string, (reader: Reader) => unknown, Uint8Array, offset: number, why: string])[] = [
    [
      'a relation of 32,767 columns in a few bytes',
      decodeRelation,
      new Writer().uint32(1).cstring('s').cstring('t').tag('d').int16(0x7fff).cstring('and no more').finish(),
      11,
      'number of columns says 32767, which cannot fit the 12 bytes that remain',
    ],
    [
      'a relation of -1 columns',
      decodeRelation,
      new Writer().uint32(1).cstring('s').cstring('t').tag('d').int16(-1).finish(),
      11,
      'number of columns says -1',
    ],
    [
      'a truncation of two thousand million tables',
      decodeTruncate,
      new Writer().int32(0x7fff_ffff).uint8(0).uint32(1).finish(),
      5,
      'number of relations says 2147483647, which cannot fit the 4 bytes that remain',
    ],
    [
      'a truncation of -1 tables',
      decodeTruncate,
      new Writer().int32(-1).uint8(0).finish(),
      5,
      'number of relations says -1',
    ],
    [
      'a content of two gigabytes',
      decodeLogicalMessage,
      new Writer().uint8(1).lsn(1n).cstring('p').int32(0x7fff_ffff).tag('x').finish(),
      15,
      'content needs 2147483647 bytes, 1 remain',
    ],
    [
      'a content of -1 bytes',
      decodeLogicalMessage,
      new Writer().uint8(1).lsn(1n).cstring('p').int32(-1).finish(),
      15,
      'content needs -1 bytes',
    ],
    [
      'a replica identity that nobody knows',
      decodeRelation,
      new Writer().uint32(1).cstring('s').cstring('t').tag('x').int16(0).finish(),
      9,
      'the replica identity is "x"',
    ],
    [
      'flags of a column that nobody knows',
      decodeRelation,
      new Writer()
        .uint32(1)
        .cstring('s')
        .cstring('t')
        .tag('d')
        .int16(1)
        .uint8(2)
        .cstring('c')
        .uint32(25)
        .int32(-1)
        .finish(),
      12,
      'the flags of a column are 2',
    ],
    [
      'flags of a commit',
      decodeCommit,
      new Writer().uint8(1).lsn(1n).lsn(2n).int64(0n).finish(),
      1,
      'the flags are 1, only 0 is known',
    ],
    [
      'flags of a message',
      decodeLogicalMessage,
      new Writer().uint8(2).lsn(1n).cstring('p').int32(0).finish(),
      1,
      'the flags are 2',
    ],
    ['flags of a truncation', decodeTruncate, new Writer().int32(0).uint8(4).finish(), 5, 'the flags are 4'],
    [
      'a name that is not UTF-8',
      decodeOrigin,
      Uint8Array.from([...new Writer().lsn(1n).finish(), 0xc3, 0x28, 0]),
      8,
      'name is not valid UTF-8',
    ],
    [
      'a name that never ends',
      decodeOrigin,
      Uint8Array.from([...new Writer().lsn(1n).finish(), ...utf8('name')]),
      8,
      'name has no terminating zero byte',
    ],
  ]

  test.each(lies)('%s', (_, decode, body, offset, why) => {
    const error = errorOf(() => decode(new Reader(body, 0, body.length, 'It')))
    expect(error.message).toContain(why)
    expect(error.offset).toBe(offset)
  })
})

function errorOf(read: () => unknown): ProtocolError {
  try {
    read()
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
  return expect.unreachable('it was read without an error')
}
