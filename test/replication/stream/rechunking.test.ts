import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  encodeBegin,
  encodeCommit,
  encodeInsert,
  encodeRelation,
  type RelationMessage,
} from '../../../src/decoder/messages.ts'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import { encodeXLogData } from '../../../src/protocol/messages/replication-messages.ts'
import type { Event } from '../../../src/replication/events.ts'
import { law } from '../../property.ts'
import {
  anyChoices,
  anyWal,
  Choices,
  eventsOf,
  positionAt,
  Receiver,
  tell,
  unlimited,
  type WalRecord,
  walBegin,
  walsender,
  writeWal,
} from './stream-model.ts'

/** The bytes that a walsender writes to its socket. */
function streamOf(wal: readonly WalRecord[], choices: readonly number[]): Uint8Array {
  return joined([...walsender(wal, walBegin, new Choices(choices))].map(({ copyData }) => copyData))
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

/** The stream in pieces that share no memory, cut at these places. */
function cutAt(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const bounds = [0, ...places.toSorted((a, b) => a - b), stream.length]
  return bounds.slice(1).map((end, index) => stream.slice(bounds[index], end))
}

/**
 * What is received of a stream that arrives in these chunks. Each message is written over as soon as it was read, as by
 * a socket that uses its buffers again; the events are there when everything is over.
 */
function receiveInChunks(chunks: readonly Uint8Array[]): Event[] {
  const framer = new Framer()
  const receiver = new Receiver(positionAt(walBegin), unlimited)
  for (const chunk of chunks) {
    framer.push(chunk)
    while (framer.next()) {
      receiver.copyData(framer.bytes, framer.start, framer.end)
      framer.bytes.fill(0x2a, framer.start, framer.end)
    }
  }
  expect(framer.buffered).toBe(0)
  for (const chunk of chunks) chunk.fill(0x2a)
  return [...(receiver.assembler.take()?.events ?? [])]
}

law(
  'a stream that is cut anywhere gives the same events, which stay what they are when the chunks are used again (traps 60, 61 and 74)',
  fc.property(anyWal, anyChoices, fc.array(fc.nat()), (wal, choices, cuts) => {
    const stream = streamOf(wal, choices)
    const places = cuts.map((cut) => cut % (stream.length + 1))
    const whole = receiveInChunks([stream.slice()]).map(tell)
    expect(whole.filter((event) => !event.startsWith('relation '))).toEqual(eventsOf(wal))
    expect(receiveInChunks(cutAt(stream, places)).map(tell)).toEqual(whole)
  }),
)

/** One of everything: tables that change within a transaction, all kinds of changes, an origin, messages, keepalives. */
const shortWal = writeWal([
  {
    kind: 'transaction',
    gap: 24,
    origin: true,
    invalidates: false,
    changes: [
      { kind: 'insert', table: 0, version: 1, back: 20 },
      { kind: 'update', table: 0, version: 2, back: 15 },
      { kind: 'update', table: 1, version: 3, back: 15 },
      { kind: 'update', table: 2, version: 3, back: 12 },
      { kind: 'message', back: 11 },
    ],
  },
  { kind: 'message', gap: 0 },
  {
    kind: 'transaction',
    gap: 0,
    origin: false,
    invalidates: true,
    changes: [
      { kind: 'delete', table: 1, version: 3, back: 9 },
      { kind: 'delete', table: 2, version: 3, back: 8 },
      { kind: 'truncate', tables: [0, 1, 2], version: 3, back: 7 },
    ],
  },
])

test('a stream in two chunks gives the same events, at whichever byte it is cut (trap 60)', () => {
  const stream = streamOf(shortWal, [0, 1])
  const whole = receiveInChunks([stream.slice()]).map(tell)
  expect(whole.length).toBeGreaterThan(14)
  for (let place = 0; place <= stream.length; place++) {
    expect(receiveInChunks(cutAt(stream, [place])).map(tell), `cut at byte ${place}`).toEqual(whole)
  }
})

test('a stream that comes byte by byte gives the same events (trap 60)', () => {
  const stream = streamOf(shortWal, [0, 1])
  const bytes = cutAt(
    stream,
    Array.from(stream, (_, place) => place),
  )
  expect(receiveInChunks(bytes).map(tell)).toEqual(receiveInChunks([stream.slice()]).map(tell))
})

test('a row of many chunks, between others in one chunk, comes out whole', () => {
  const table: RelationMessage = {
    kind: 'relation',
    oid: 16_384,
    schema: 'public',
    name: 't',
    replicaIdentity: 'default',
    columns: [{ name: 'photo', typeOid: 17, typmod: -1, key: false }],
  }
  const photo = Uint8Array.from({ length: 1_000_003 }, (_, index) => index * 7)
  const text = (bytes: Uint8Array) => new TextEncoder().encode(`\\x${Buffer.from(bytes).toString('hex')}`)
  const lsn = walBegin + 10n
  const stream = joined(
    [
      encodeBegin({ kind: 'begin', finalLsn: lsn, commitTime: 0n, xid: 1 }),
      encodeRelation(table),
      encodeInsert(table.oid, [text(photo.subarray(0, 3))]),
      encodeInsert(table.oid, [text(photo)]),
      encodeInsert(table.oid, [text(photo.subarray(0, 5))]),
      encodeCommit({ kind: 'commit', commitLsn: lsn, endLsn: lsn + 1n, commitTime: 0n }),
    ].map((data) => encodeXLogData({ dataStart: lsn, walEnd: lsn, sendTime: 0n, data })),
  )
  const chunks = cutAt(
    stream,
    Array.from({ length: Math.floor(stream.length / 65_536) }, (_, index) => (index + 1) * 65_536),
  )
  const photos = receiveInChunks(chunks).flatMap((event) => (event.kind === 'insert' ? [event.new.photo] : []))
  expect(photos.map((value) => value instanceof Uint8Array && Buffer.from(value).toString('base64'))).toEqual(
    [photo.subarray(0, 3), photo, photo.subarray(0, 5)].map((bytes) => Buffer.from(bytes).toString('base64')),
  )
})
