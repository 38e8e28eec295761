import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BeginMessage, CommitMessage, LogicalMessage } from '../../../src/decoder/messages.ts'
import type { Relation } from '../../../src/decoder/relation.ts'
import { formatLsn, type Lsn, parseLsn } from '../../../src/protocol/messages/lsn.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Event, RelationEvent } from '../../../src/replication/events.ts'
import { comparePositions, flushLsn, type Position, parsePosition } from '../../../src/replication/position.ts'
import { AnnouncedRelations } from '../../../src/replication/stream/announced-relations.ts'
import { Assembler, type BatchLimits } from '../../../src/replication/stream/assembler.ts'
import { law } from '../../property.ts'
import {
  anyChoices,
  anyLimits,
  anyWal,
  Choices,
  changesIn,
  eventsOf,
  type Following,
  follow,
  type ModelAction,
  positionAt,
  Receiver,
  stored,
  unlimited,
  type WalRecord,
  walBegin,
  walsender,
  writeWal,
} from './stream-model.ts'

const start = positionAt(walBegin)

const anyFollowing = fc.record({
  wal: anyWal,
  choices: anyChoices,
  limits: anyLimits,
  sendsEmptyTransactions: fc.boolean(),
  from: fc.constant(start),
})

describe('whatever the limits and whenever batches are taken', () => {
  law(
    'the events are those of WAL, each once and in the order of the commits',
    fc.property(anyFollowing, (following) => {
      expect(changesIn(follow(following))).toEqual(eventsOf(following.wal))
    }),
    300,
  )

  law(
    'a batch ends with a commit, but inside a transaction that alone is more than the limits allow (trap 29)',
    fc.property(anyFollowing, (following) => {
      const { limits } = following
      const batches = follow(following)
      const events = batches.flatMap((batch) => batch.events)
      const bytes = bytesByTransaction(following)
      for (const { events: taken, position, atCommit } of batches) {
        expect(atCommit).toBe(position.tx === undefined)
        if (position.tx === undefined) {
          const last = taken.at(-1)
          expect(last === undefined || last.kind === 'commit' || (last.kind === 'message' && !last.transactional)).toBe(
            true,
          )
        } else {
          const commitLsn = parseLsn(position.tx.commitLsn)
          const count = events.filter((event) => 'tx' in event && event.tx?.commitLsn === commitLsn).length
          expect(count > limits.maxBatchRows || bytes.get(commitLsn)! > limits.maxBatchBytes).toBe(true)
        }
      }
    }),
    200,
  )

  law(
    'a batch has no more events than its limit and the few that one message makes',
    fc.property(anyFollowing, (following) => {
      const beginRelationsAndTruncate = 1 + 3 + 1
      for (const { events } of follow(following)) {
        expect(events.length).toBeLessThan(following.limits.maxBatchRows + beginRelationsAndTruncate)
      }
    }),
  )

  law(
    'positions rise with every batch, and their LSN never falls: not to 0/0, which Relation and Begin have (traps 4 and 11)',
    fc.property(anyFollowing, (following) => {
      let last: Position = start
      for (const { position } of follow(following)) {
        expect(comparePositions(position, last)).toBeGreaterThan(0)
        expect(parseLsn(position.lsn)).toBeGreaterThanOrEqual(parseLsn(last.lsn))
        last = position
      }
    }),
    200,
  )

  law(
    "a transaction's events share one object, which knows its end once the commit is there",
    fc.property(anyFollowing, (following) => {
      const ends = new Map(following.wal.map((record) => [record.start, record.end]))
      const seen = new Map<Lsn, unknown>()
      for (const event of follow(following).flatMap(({ events }) => events)) {
        if (!('tx' in event) || event.tx === undefined) continue
        const { tx } = event
        expect(seen.get(tx.commitLsn) ?? tx).toBe(tx)
        seen.set(tx.commitLsn, tx)
        if (event.kind === 'commit') expect(tx.endLsn).toBe(ends.get(tx.commitLsn))
      }
    }),
  )

  law(
    'a table is described before its first use in a run, and then only when it differs (trap 31)',
    fc.property(anyFollowing, (following) => {
      expectTablesToBeDescribed(follow(following).flatMap(({ events }) => events))
    }),
  )

  law(
    'events of one kind have the same properties in the same order: what is absent is undefined, not missing',
    fc.property(anyFollowing, (following) => {
      const shapes = new Map<string, string>()
      for (const event of follow(following).flatMap(({ events }) => events)) {
        const shape = Object.keys(event).join()
        expect(shapes.get(event.kind) ?? shape).toBe(shape)
        shapes.set(event.kind, shape)
      }
    }),
  )
})

describe('every position of a batch', () => {
  law(
    'continues with exactly what was not delivered before it: nothing again, nothing lost, and no second begin',
    fc.property(anyFollowing, anyLimits, (following, limits) => {
      const batches = follow(following)
      const expected = eventsOf(following.wal)
      let delivered = 0
      for (const batch of batches) {
        delivered += changesIn([batch]).length
        const from = parsePosition(stored(batch.position))
        const rest = follow({ ...following, from, limits })
        expect(changesIn(rest)).toEqual(expected.slice(delivered))
        expectTablesToBeDescribed(rest.flatMap(({ events }) => events))
        for (const { position } of rest) expect(comparePositions(position, from)).toBeGreaterThan(0)
      }
    }),
    80,
  )

  law(
    'continues so also after many crashes, each after any number of batches',
    fc.property(anyFollowing, fc.array(fc.nat(4), { maxLength: 8 }), (following, crashes) => {
      let from: Position = start
      const delivered: string[] = []
      for (const crash of [...crashes, Number.POSITIVE_INFINITY]) {
        const batches = follow({ ...following, from }).slice(0, crash)
        delivered.push(...changesIn(batches))
        from = stored(batches.at(-1)?.position ?? from)
      }
      expect(delivered).toEqual(eventsOf(following.wal))
    }),
  )

  law(
    'inside a transaction that the server does not have any more, or has shorter, is not found, and nothing is delivered',
    fc.property(anyFollowing, fc.boolean(), fc.nat(), (following, isGone, cut) => {
      const inside = follow({ ...following, limits: { ...following.limits, maxBatchRows: 1 } }).flatMap(
        ({ position }) => (position.tx === undefined ? [] : [{ position, tx: position.tx }]),
      )
      fc.pre(inside.length > 0)
      const { position, tx } = inside[cut % inside.length]!
      const wal = following.wal.map((record): WalRecord => {
        if (record.kind !== 'transaction' || record.start !== parseLsn(tx.commitLsn)) return record
        const { start, end, xid } = record
        return isGone
          ? { kind: 'noise', gap: 0, start, end, xid }
          : { ...record, changes: record.changes.slice(0, cut % tx.seq) }
      })
      // the server goes on: that is how its absence shows
      const end = wal.at(-1)!.end
      const next: WalRecord = { kind: 'message', gap: 0, start: end, end: end + 48n, xid: 1 }
      expect(() => follow({ ...following, from: position, wal: [...wal, next] })).toThrow(
        expect.objectContaining({ code: 'position_not_found', lsn: tx.commitLsn, slot: 'shop_feed' }),
      )
    }),
  )
})

/** Where a feed may be told to stop: at the begin or end of any record, and within it. */
function stopsIn(wal: readonly WalRecord[]): Lsn[] {
  return [walBegin, ...wal.flatMap(({ start, end }) => [start, start + 1n, end])]
}

/** Whether a record is before `stop`: a transaction by the begin of its commit, a message by its end, the LSN that it has. */
function isBefore(stop: Lsn): (record: WalRecord) => boolean {
  return ({ kind, start, end }) => (kind === 'message' ? end <= stop : start < stop)
}

describe('stop', () => {
  law(
    'is half-open: stop = Y and then start = Y deliver everything exactly once, as LSN and as position',
    fc.property(anyFollowing, fc.nat(), (following, choice) => {
      const stops = stopsIn(following.wal)
      const stop = stops[choice % stops.length]!
      const before = follow({ ...following, stop })
      const expected = eventsOf(following.wal)
      expect(changesIn(before)).toEqual(eventsOf(following.wal.filter(isBefore(stop))))
      // as an LSN it must not cut a message in two: the server knows that by its begin, and we by its end
      const cutsMessage = following.wal.some(({ kind, start, end }) => kind === 'message' && start < stop && stop < end)
      for (const from of [stored(before.at(-1)?.position ?? start), ...(cutsMessage ? [] : [positionAt(stop)])]) {
        expect([...changesIn(before), ...changesIn(follow({ ...following, from }))]).toEqual(expected)
      }
    }),
    150,
  )

  law(
    'delivers the rest of a transaction that began before it, and no part of one that commits later, also when a run continues',
    fc.property(anyFollowing, fc.nat(), (following, choice) => {
      const stops = stopsIn(following.wal)
      const stop = stops[choice % stops.length]!
      const expected = eventsOf(following.wal)
      let delivered = 0
      for (const batch of follow(following)) {
        delivered += changesIn([batch]).length
        const from = stored(batch.position)
        const until = follow({ ...following, from, stop })
        const after = follow({ ...following, from: stored(until.at(-1)?.position ?? from) })
        expect(commitLsnsOf(until).every((commitLsn) => commitLsn < stop)).toBe(true)
        expect([...changesIn(until), ...changesIn(after)]).toEqual(expected.slice(delivered))
      }
    }),
    40,
  )
})

describe('bugs that other clients had', () => {
  test('a transaction that begins where the one before it ends is neither repeated nor lost (trap 2)', () => {
    const wal = writeWal([
      inserts([10]),
      inserts([100, 10], { gap: 100 }),
      { kind: 'message', gap: 0 },
      inserts([2], { gap: 0 }),
    ])
    const [first, second, message, third] = wal
    const events = follow({ wal, from: start, choices: [1] }).flatMap((batch) => batch.events)
    const firstOfSecond = events.find((event) => event.kind === 'begin' && event.tx.commitLsn === second!.start)
    expect(firstOfSecond?.lsn).toBe(first!.end)
    expect(message!.end).toBe(third!.start)
    expect(continuingFromEach({ wal, from: start, choices: [1], limits: { maxBatchRows: 1, maxBatchBytes: 1 } })).toBe(
      8,
    )
  })

  test('rows of one COPY share one LSN: a crash after the first resumes at the second (trap 3)', () => {
    const wal = writeWal([inserts([50, 50, 50])])
    const [batch] = follow({ wal, from: start, choices: [1], limits: { maxBatchRows: 3, maxBatchBytes: 1e9 } })
    expect(batch?.events.map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert'])
    expect(batch?.position).toMatchObject({ lsn: start.lsn, tx: { commitLsn: formatLsn(wal[0]!.start), seq: 1 } })
    const rest = follow({ wal, from: stored(batch!.position), choices: [1] }).flatMap(({ events }) => events)
    expect(rest.map((event) => [event.kind, 'seq' in event ? event.seq : '-', event.lsn])).toEqual([
      ['relation', '-', wal[0]!.start - 50n],
      ['insert', 1, wal[0]!.start - 50n],
      ['insert', 2, wal[0]!.start - 50n],
      ['commit', '-', wal[0]!.start],
    ])
  })

  test('a transaction that commits later has lower LSNs in its changes: positions rise all the same (trap 4)', () => {
    const wal = writeWal([inserts([10]), inserts([150, 120], { gap: 1 })])
    const batches = follow({ wal, from: start, choices: [1], limits: { maxBatchRows: 1, maxBatchBytes: 1e9 } })
    const lsns = batches.flatMap(({ events }) => events.filter(({ kind }) => kind === 'insert').map(({ lsn }) => lsn))
    expect(lsns).toEqual([wal[0]!.start - 10n, wal[1]!.start - 150n, wal[1]!.start - 120n])
    expect(lsns[1]).toBeLessThan(lsns[0]!)
    for (const [index, { position }] of batches.entries()) {
      expect(comparePositions(position, batches[index - 1]?.position ?? start)).toBeGreaterThan(0)
    }
  })

  test('Relation, and Begin before Origin, come at 0/0, which is not where anything happened (traps 11 and 28)', () => {
    const wal = writeWal([inserts([10], { origin: true })])
    const sent = [...walsender(wal, walBegin, new Choices([1]))].map(({ copyData }) => lsnAt(copyData, 6))
    expect(sent).toEqual([0n, wal[0]!.start - 10n, 0n, wal[0]!.start - 10n, wal[0]!.end])
    const [batch] = follow({ wal, from: start, choices: [1] })
    expect(batch?.events.map(({ kind, lsn }) => [kind, lsn])).toEqual([
      ['begin', wal[0]!.start - 10n],
      ['relation', wal[0]!.start - 10n],
      ['insert', wal[0]!.start - 10n],
      ['commit', wal[0]!.start],
    ])
    expect(batch?.position.lsn).toBe(formatLsn(wal[0]!.end))
  })

  test('a position after a transaction is its end, which is one byte behind it already: nothing is added (trap 17)', () => {
    const wal = writeWal([inserts([10]), inserts([10], { gap: 0 })])
    const nextCommit = wal[1]!.start
    const [first] = follow({ wal: wal.slice(0, 1), from: start, choices: [1] })
    expect(flushLsn(first!.position)).toBe(nextCommit)
    expect(changesIn(follow({ wal, from: first!.position, choices: [1] }))).toEqual(eventsOf(wal.slice(1)))
  })

  test('an empty transaction, which only old servers send, is no event and moves the position (trap 26)', () => {
    const wal = writeWal([inserts([]), inserts([]), { kind: 'noise', gap: 0 }])
    for (const sendsEmptyTransactions of [true, false]) {
      const receiver = new Receiver(start, unlimited)
      for (const sent of walsender(wal, walBegin, new Choices([1]), { sendsEmptyTransactions })) receiver.take(sent)
      expect(receiver.assembler.take()).toBeUndefined()
      expect(receiver.assembler.lsn).toBe(sendsEmptyTransactions ? wal[1]!.end : walBegin)
    }
  })

  test('a message outside transactions has no transaction and no place in one, though it comes before and even if that aborts (trap 27)', () => {
    const wal = writeWal([{ kind: 'message', gap: 0 }, inserts([10])])
    const events = follow({ wal, from: start, choices: [1] }).flatMap((batch) => batch.events)
    expect(events[0]).toMatchObject({ kind: 'message', transactional: false, lsn: wal[0]!.end })
    expect(events[0]).toHaveProperty('tx', undefined)
    expect(events[0]).toHaveProperty('seq', undefined)
    expect(events.find(({ kind }) => kind === 'insert')).toMatchObject({ seq: 0 })
  })

  test('the origin of a transaction may be said many times (trap 28)', () => {
    const assembler = newAssembler()
    assembler.begin(beginOf(0x300n))
    for (const _ of [1, 2]) assembler.origin({ kind: 'origin', originLsn: 1n, name: 'elsewhere' })
    insertAt(assembler, 0x210n)
    assembler.commit(commitOf(0x300n))
    const events = assembler.take()?.events ?? []
    expect(events.map((event) => 'tx' in event && event.tx?.origin)).toEqual(events.map(() => 'elsewhere'))
  })

  test('a huge transaction is delivered in parts, of which no more is held than a batch, and none may be forgotten by the server (trap 29)', () => {
    const changes = 20_000
    const receiver = new Receiver(start, { maxBatchRows: 100, maxBatchBytes: 1e9 })
    const wal = writeWal([inserts(Array.from({ length: changes }, () => 10))])
    let delivered = 0
    for (const sent of walsender(wal, walBegin, new Choices([1]))) {
      receiver.take(sent)
      if (!receiver.assembler.full) continue
      const batch = receiver.assembler.take()!
      expect(batch.atCommit).toBe(false)
      expect(flushLsn(batch.position)).toBe(walBegin)
      delivered += batch.events.length
      expect(batch.position.tx).toEqual({ commitLsn: formatLsn(wal[0]!.start), seq: delivered - 2 })
    }
    const last = receiver.assembler.take()!
    expect(last.atCommit).toBe(true)
    expect(flushLsn(last.position)).toBe(wal[0]!.end)
    expect(delivered + last.events.length).toBe(changes + 3)
  })
})

describe('a keepalive', () => {
  test('between transactions moves the position, so that a quiet table holds back no WAL (trap 6)', () => {
    const assembler = newAssembler()
    assembler.keepalive(0x500n)
    expect(assembler.takeIdle()).toMatchObject({ events: [], position: { lsn: '0/500' }, atCommit: true })
  })

  test('from before the position, as at the begin of a connection, moves nothing', () => {
    const assembler = newAssembler()
    assembler.keepalive(0x100n)
    expect(assembler.lsn).toBe(0x200n)
  })

  test('behind a commit that was not taken yet moves the position of its batch', () => {
    const assembler = newAssembler()
    deliverTransaction(assembler, 0x300n)
    assembler.keepalive(0x900n)
    expect(assembler.take()).toMatchObject({ position: { lsn: '0/900' }, atCommit: true })
  })

  test('inside a transaction proves nothing for that', () => {
    const assembler = newAssembler()
    assembler.begin(beginOf(0x300n))
    insertAt(assembler, 0x210n)
    assembler.keepalive(0x2f0n)
    expect(assembler.lsn).toBe(0x200n)
    expect(assembler.inTransaction).toBe(true)
    expect(assembler.take()).toBeUndefined()
  })

  test('before the transaction that is continued proves nothing for that either, and there is no idle progress', () => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2) })
    assembler.keepalive(0x300n)
    expect(assembler.lsn).toBe(0x200n)
    expect(assembler.inTransaction).toBe(true)
  })
})

describe('a position inside a transaction is not found', () => {
  test.each<[string, (assembler: Assembler) => void]>([
    ['when a later one comes first', (assembler) => assembler.begin(beginOf(0x400n))],
    ['when the server has sent everything beyond it', (assembler) => assembler.keepalive(0x301n)],
    ['when a message from behind it comes first', (assembler) => assembler.message(messageOf(0x301n, false))],
    [
      'when it has fewer changes now',
      (assembler) => {
        assembler.begin(beginOf(0x300n))
        insertAt(assembler, 0x210n)
        assembler.commit(commitOf(0x300n))
      },
    ],
  ])('%s', (_, receive) => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2) })
    expect(() => receive(assembler)).toThrow(
      expect.objectContaining({ code: 'position_not_found', lsn: '0/300', slot: 'shop_feed', retryable: false }),
    )
  })

  test('also when what comes instead is behind the stop, which comes after it: the feed does not end as if all were well', () => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2), stop: 0x400n })
    expect(() => assembler.message(messageOf(0x500n, false))).toThrow(
      expect.objectContaining({ code: 'position_not_found' }),
    )
  })

  test('until then it stays what it is, also when transactions come first that an earlier run was not sent', () => {
    const assembler = newAssembler({ from: insideTransaction(0x400n, 1) })
    deliverTransaction(assembler, 0x300n)
    const batch = assembler.take()
    expect(batch?.events.map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert', 'commit'])
    expect(batch?.position).toMatchObject({ lsn: '0/330', tx: { commitLsn: '0/400', seq: 1 } })
    deliverTransaction(assembler, 0x400n)
    expect(assembler.take()).toMatchObject({ events: [{ kind: 'commit' }], position: positionAt(0x430n) })
  })

  test('and a message from before it was delivered with what was, up to where its commit begins', () => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 1) })
    assembler.message(messageOf(0x300n, false))
    deliverTransaction(assembler, 0x300n)
    expect(assembler.take()?.events.map(({ kind }) => kind)).toEqual(['commit'])
  })

  test('but it is when it ends exactly there: the commit is all that remains', () => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2) })
    assembler.begin(beginOf(0x300n))
    insertAt(assembler, 0x210n)
    insertAt(assembler, 0x220n)
    assembler.commit(commitOf(0x300n))
    expect(assembler.take()).toMatchObject({ events: [{ kind: 'commit', lsn: 0x300n }], position: { lsn: '0/330' } })
    expect(assembler.inTransaction).toBe(false)
  })

  test('and what is skipped does not fill the batch that follows', () => {
    const limits = { maxBatchRows: 1000, maxBatchBytes: 100 }
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2), limits })
    assembler.begin(beginOf(0x300n))
    insertAt(assembler, 0x210n, 90)
    insertAt(assembler, 0x220n, 90)
    insertAt(assembler, 0x230n, 90)
    expect(assembler.full).toBe(false)
    insertAt(assembler, 0x240n, 90)
    expect(assembler.full).toBe(true)
    expect(assembler.take()?.position.tx).toEqual({ commitLsn: '0/300', seq: 4 })
  })
})

describe('stop is reached', () => {
  test('at once where everything before it was delivered in an earlier run', () => {
    const assembler = newAssembler({ stop: 0x200n })
    expect(assembler.stopped).toBe(true)
    assembler.keepalive(0x900n)
    expect(assembler.takeIdle().position.lsn).toBe('0/200')
  })

  test('by the first transaction at it, whose changes are not delivered', () => {
    const assembler = newAssembler({ stop: 0x300n })
    deliverTransaction(assembler, 0x300n)
    expect(assembler.stopped).toBe(true)
    expect(assembler.take()).toBeUndefined()
    expect(assembler.takeIdle().position).toEqual(positionAt(0x300n))
  })

  test('with a batch at hand, whose position it becomes', () => {
    const assembler = newAssembler({ stop: 0x380n })
    deliverTransaction(assembler, 0x300n)
    deliverTransaction(assembler, 0x400n)
    expect(assembler.take()).toMatchObject({ events: { length: 4 }, position: { lsn: '0/380' } })
  })

  test('by a transaction that commits before it and ends behind it, and is delivered', () => {
    const assembler = newAssembler({ stop: 0x310n })
    deliverTransaction(assembler, 0x300n)
    expect(assembler.stopped).toBe(true)
    expect(assembler.take()).toMatchObject({ position: { lsn: '0/330' } })
  })

  test('by a keepalive, where nothing comes any more', () => {
    const assembler = newAssembler({ stop: 0x300n })
    assembler.keepalive(0x2ffn)
    expect(assembler.stopped).toBe(false)
    assembler.keepalive(0x300n)
    expect(assembler.stopped).toBe(true)
  })

  test('behind a message that ends there, and before one that ends later', () => {
    const assembler = newAssembler({ stop: 0x300n })
    assembler.message(messageOf(0x300n, false))
    expect(assembler.stopped).toBe(true)
    assembler.message(messageOf(0x340n, false))
    expect(assembler.take()).toMatchObject({ events: [{ lsn: 0x300n }], position: { lsn: '0/300' } })
    expect(assembler.take()).toBeUndefined()
  })

  test('and what the server sends behind it does not move the position past what was not delivered', () => {
    const assembler = newAssembler({ stop: 0x300n })
    deliverTransaction(assembler, 0x300n)
    deliverTransaction(assembler, 0x400n)
    assembler.message(messageOf(0x500n, false))
    assembler.keepalive(0x900n)
    expect(assembler.lsn).toBe(0x300n)
  })

  test('inside a transaction of which a part was delivered: the position stays where it is', () => {
    const assembler = newAssembler({ from: insideTransaction(0x300n, 2), stop: 0x300n })
    deliverTransaction(assembler, 0x300n)
    assembler.keepalive(0x900n)
    expect(assembler.stopped).toBe(true)
    expect(assembler.lsn).toBe(0x200n)
    expect(assembler.take()).toBeUndefined()
    // so that nobody takes an idle batch, whose position would be before the transaction
    expect(assembler.inTransaction).toBe(true)
  })
})

describe('out of order', () => {
  test.each<[string, (assembler: Assembler) => void]>([
    ['a row outside a transaction', (assembler) => insertAt(assembler, 0x210n)],
    ['a message of a transaction outside of one', (assembler) => assembler.message(messageOf(0x210n, true))],
    ['a commit without a begin', (assembler) => assembler.commit(commitOf(0x300n))],
    ['an origin outside a transaction', (assembler) => assembler.origin({ kind: 'origin', originLsn: 0n, name: 'o' })],
    [
      'a transaction inside another',
      (assembler) => {
        assembler.begin(beginOf(0x300n))
        assembler.begin(beginOf(0x400n))
      },
    ],
    [
      'a message of no transaction inside one',
      (assembler) => {
        assembler.begin(beginOf(0x300n))
        assembler.message(messageOf(0x210n, false))
      },
    ],
  ])('%s is an error, and never a batch that is cut in the wrong place', (_, receive) => {
    const assembler = newAssembler()
    expect(() => receive(assembler)).toThrow(expect.objectContaining({ code: 'protocol_violation' }))
  })
})

describe('a batch is full', () => {
  const limits = { maxBatchRows: 1000, maxBatchBytes: 100 }
  const insertsUntilFull = (assembler: Assembler) => {
    let count = 0
    for (; !assembler.full; count++) insertAt(assembler, 0x210n, 50)
    return count
  }

  test('with the bytes of its limit, and not before', () => {
    const assembler = newAssembler({ limits })
    assembler.begin(beginOf(0x300n))
    expect(insertsUntilFull(assembler)).toBe(2)
  })

  test('with as much as the one before, when that ended inside a transaction', () => {
    const assembler = newAssembler({ limits })
    assembler.begin(beginOf(0x300n))
    insertsUntilFull(assembler)
    assembler.take()
    expect(insertsUntilFull(assembler)).toBe(2)
  })

  test('with what was there already of the next transaction, when that before it was taken', () => {
    const assembler = newAssembler({ limits })
    deliverTransaction(assembler, 0x300n)
    assembler.begin(beginOf(0x400n))
    insertAt(assembler, 0x340n, 60)
    assembler.take()
    expect(insertsUntilFull(assembler)).toBe(1)
  })

  test('by what is delivered and not by empty transactions', () => {
    const assembler = newAssembler({ limits })
    for (let commitLsn = 0x300n; commitLsn < 0x900n; commitLsn += 0x100n) {
      assembler.begin(beginOf(commitLsn))
      assembler.at(0, Number(commitLsn), 30)
      assembler.commit(commitOf(commitLsn))
    }
    assembler.begin(beginOf(0x900n))
    expect(insertsUntilFull(assembler)).toBe(2)
  })
})

test('a message that ends at the position or before it was delivered already', () => {
  const assembler = newAssembler()
  assembler.message(messageOf(0x1ffn, false))
  assembler.message(messageOf(0x200n, false))
  expect(assembler.take()).toBeUndefined()
})

test('changes whose LSNs differ in their upper half alone are told apart', () => {
  const assembler = newAssembler()
  assembler.begin(beginOf(0x9_0000_0000n))
  const lsns = [0x1_0000_0210n, 0x2_0000_0210n, 0x2_0000_0210n, 0x210n]
  for (const lsn of lsns) insertAt(assembler, lsn)
  assembler.commit(commitOf(0x9_0000_0000n))
  const rows = assembler.take()?.events.filter(({ kind }) => kind === 'insert')
  expect(rows?.map(({ lsn }) => lsn)).toEqual(lsns)
})

test('after a reconnection, a table that is what it was is not described again', () => {
  const announced = new AnnouncedRelations()
  const wal = writeWal([inserts([10]), inserts([10])])
  const kindsOf = (batches: readonly Batch[]) => batches.flatMap(({ events }) => events.map(({ kind }) => kind))
  const [first] = follow({ wal: wal.slice(0, 1), from: start, choices: [1], announced })
  expect(kindsOf([first!])).toEqual(['begin', 'relation', 'insert', 'commit'])
  expect(kindsOf(follow({ wal, from: first!.position, choices: [1], announced }))).toEqual([
    'begin',
    'insert',
    'commit',
  ])
})

test('a batch is there when a commit is, without waiting for more; inside a transaction that fits there is none', () => {
  const assembler = newAssembler()
  expect(assembler.take()).toBeUndefined()
  assembler.begin(beginOf(0x300n))
  insertAt(assembler, 0x210n)
  expect(assembler.take()).toBeUndefined()
  assembler.commit(commitOf(0x300n))
  assembler.begin(beginOf(0x400n))
  insertAt(assembler, 0x340n)
  expect(assembler.take()).toMatchObject({ position: { lsn: '0/330' }, atCommit: true })
  expect(assembler.take()).toBeUndefined()
})

function commitLsnsOf(batches: readonly Batch[]): Lsn[] {
  return batches.flatMap(({ events }) =>
    events.flatMap((event) => ('tx' in event && event.tx !== undefined ? [event.tx.commitLsn] : [])),
  )
}

/** Bytes of each transaction in the stream, in the body of CopyData. */
function bytesByTransaction(following: { wal: readonly WalRecord[]; choices: readonly number[] }): Map<Lsn, number> {
  const bytes = new Map<Lsn, number>()
  const options = { sendsEmptyTransactions: true }
  for (const { copyData, commitLsn } of walsender(following.wal, walBegin, new Choices(following.choices), options)) {
    if (commitLsn !== undefined) bytes.set(commitLsn, (bytes.get(commitLsn) ?? 0) + copyData.length - 5)
  }
  return bytes
}

function expectTablesToBeDescribed(events: readonly Event[]): void {
  const described = new Map<number, RelationEvent>()
  for (const event of events) {
    if (event.kind === 'relation') {
      const before = described.get(event.relation.oid)
      if (before === undefined) expect(event.change).toBeNull()
      else
        expect(event.change).not.toEqual({
          added: [],
          dropped: [],
          renamed: [],
          retyped: [],
          identity: undefined,
          table: undefined,
        })
      described.set(event.relation.oid, event)
    }
    const used = event.kind === 'truncate' ? event.relations : 'relation' in event ? [event.relation] : []
    for (const relation of used) expect(described.get(relation.oid)?.relation).toBe(relation)
  }
}

const orders: Relation = {
  oid: 16_384,
  schema: 'public',
  name: 'orders',
  table: 'public.orders',
  replicaIdentity: 'default',
  columns: [{ name: 'id', type: 'int4', typeOid: 23, typmod: -1, key: true }],
}

interface Settings {
  readonly from?: Position
  readonly limits?: BatchLimits
  readonly stop?: Lsn
}

/** An assembler of a feed that stands at 0/200. */
function newAssembler({ from = positionAt(0x200n), limits = unlimited, stop }: Settings = {}): Assembler {
  return new Assembler(from, limits, stop, new AnnouncedRelations())
}

function insideTransaction(commitLsn: Lsn, seq: number): Position {
  return { ...positionAt(0x200n), tx: { commitLsn: formatLsn(commitLsn), seq } }
}

const beginOf = (finalLsn: Lsn): BeginMessage => ({ kind: 'begin', finalLsn, commitTime: 7n, xid: 9 })

const commitOf = (commitLsn: Lsn): CommitMessage => ({
  kind: 'commit',
  commitLsn,
  endLsn: commitLsn + 48n,
  commitTime: 7n,
})

const messageOf = (lsn: Lsn, transactional: boolean): LogicalMessage => ({
  kind: 'message',
  transactional,
  lsn,
  prefix: 'p',
  content: new Uint8Array(0),
})

function insertAt(assembler: Assembler, lsn: Lsn, bytes = 50): void {
  assembler.at(Number(lsn >> 32n), Number(lsn & 0xffff_ffffn), bytes)
  assembler.insert(orders, { id: 1 }, undefined)
}

function deliverTransaction(assembler: Assembler, commitLsn: Lsn): void {
  assembler.begin(beginOf(commitLsn))
  insertAt(assembler, commitLsn - 0x20n)
  assembler.commit(commitOf(commitLsn))
}

/** A transaction of inserts into one table, so many bytes before its commit each. */
function inserts(back: readonly number[], differing: { gap?: number; origin?: boolean } = {}): ModelAction {
  const changes = back.map((bytes) => ({ kind: 'insert', table: 0, version: 1, back: bytes }) as const)
  return { kind: 'transaction', gap: 200, changes, origin: false, invalidates: false, ...differing }
}

/** Checks that every position of a run continues with exactly the rest, and gives the number of positions. */
function continuingFromEach(following: Following): number {
  const batches = follow(following)
  const events = changesIn(batches)
  expect(events).toEqual(eventsOf(following.wal))
  for (const [index, { position }] of batches.entries()) {
    const delivered = changesIn(batches.slice(0, index + 1)).length
    expect(changesIn(follow({ ...following, from: stored(position) }))).toEqual(events.slice(delivered))
  }
  return batches.length
}

function lsnAt(bytes: Uint8Array, at: number): Lsn {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at)
}
