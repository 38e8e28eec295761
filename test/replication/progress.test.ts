import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatLsn } from '../../src/protocol/messages/lsn.ts'
import { comparePositions, flushLsn, type Position } from '../../src/replication/position.ts'
import { Progress } from '../../src/replication/progress.ts'

function positionAt(lsn: bigint, tx?: { commitLsn: bigint; seq: number }): Position {
  return {
    version: 2,
    systemId: '7310264859137482345',
    timeline: 1,
    database: 'shop',
    slot: 'shop_feed',
    consistentPoint: '0/1',
    options: { publications: ['shop'] },
    phase: 'stream',
    lsn: formatLsn(lsn),
    ...(tx === undefined ? {} : { tx: { commitLsn: formatLsn(tx.commitLsn), seq: tx.seq } }),
  }
}

/** A position as it may come out of a storage that does not keep what it is given. */
function stored(changed: object): string {
  return JSON.stringify({ ...positionAt(200n), ...changed })
}

function readBack(position: Position): Position {
  return JSON.parse(JSON.stringify(position))
}

describe('what was delivered and what of it is durable', () => {
  test('nothing at first, and everything of that nothing is acknowledged', () => {
    const progress = new Progress()
    expect(progress.delivered).toBeUndefined()
    expect(progress.acknowledged).toBeUndefined()
    expect(progress.allAcknowledged).toBe(true)
  })

  test('a run that continues has stored what it continues from', () => {
    const progress = new Progress()
    progress.continueFrom(positionAt(100n))
    expect(progress.allAcknowledged).toBe(true)
    expect(progress.acknowledged).toEqual(positionAt(100n))
  })

  test('a run that starts at an LSN has stored nothing, and owes nothing until a batch comes', () => {
    const progress = new Progress()
    const { consistentPoint: _, ...start } = positionAt(100n)
    progress.startAt(start, 50n)
    expect(progress.flush).toBe(50n)
    expect(progress.standing).toBe(start)
    expect(progress.delivered).toBeUndefined()
    expect(progress.acknowledged).toBeUndefined()
    expect(progress.allAcknowledged).toBe(true)
    const first = { ...start, lsn: formatLsn(200n) }
    progress.deliver(first)
    expect(progress.standing).toBe(first)
    expect(progress.acknowledged).toBeUndefined()
    expect(progress.allAcknowledged).toBe(false)
    // where the feed began was never delivered: it says nothing about what is durable
    expect(progress.acknowledge(readBack(start))).toBe(false)
    expect(progress.acknowledged).toBeUndefined()
    expect(progress.acknowledge(readBack(first))).toBe(true)
    expect(progress.acknowledged).toBe(first)
    expect(progress.flush).toBe(200n)
  })

  test('other connections in place of lost ones make nothing durable', () => {
    const progress = new Progress()
    progress.continueFrom(positionAt(100n))
    const delivered = positionAt(200n)
    progress.deliver(delivered)
    // as a start is planned again from where the feed stands
    progress.continueFrom(delivered)
    progress.startAt(delivered, 200n)
    expect(progress.standing).toBe(delivered)
    expect(progress.allAcknowledged).toBe(false)
    expect(progress.acknowledged?.lsn).toBe(formatLsn(100n))
  })

  test('nor do they where the feed started at an LSN', () => {
    const progress = new Progress()
    progress.startAt(positionAt(100n), 50n)
    progress.continueFrom(positionAt(100n))
    expect(progress.acknowledged).toBeUndefined()
    progress.deliver(positionAt(200n))
    progress.continueFrom(positionAt(200n))
    progress.startAt(positionAt(200n), 200n)
    expect(progress.acknowledged).toBeUndefined()
    expect(progress.flush).toBe(50n)
  })

  test('a position of a slot that was not known may not take the server further than what was delivered', () => {
    const progress = new Progress()
    const { consistentPoint: _, ...unknown } = positionAt(300n)
    progress.startAt({ ...unknown, lsn: formatLsn(250n) }, 250n)
    progress.deliver(unknown)
    expect(() => progress.acknowledge(positionAt(400n))).toThrow(expect.objectContaining({ code: 'ack_ahead' }))
    expect(progress.acknowledged).toBeUndefined()
  })

  test('a position that an earlier release stored acknowledges what it is of', () => {
    const progress = new Progress()
    const position = positionAt(200n)
    progress.deliver(position)
    const stored: Position = JSON.parse(JSON.stringify({ ...position, version: 1 }))
    expect(progress.acknowledge(stored)).toBe(true)
    expect(progress.acknowledged).toBe(position)
  })

  test('what is copied beside the stream is acknowledged by its own count', () => {
    const progress = new Progress()
    progress.deliver({ ...positionAt(200n), copied: 9 })
    progress.deliver({ ...positionAt(200n), copied: 10 })
    expect(progress.acknowledge({ ...positionAt(200n), copied: 9 })).toBe(true)
    expect(progress.allAcknowledged).toBe(false)
    expect(progress.acknowledge({ ...positionAt(200n), copied: 9 })).toBe(false)
    expect(() => progress.acknowledge({ ...positionAt(200n), copied: 11 })).toThrow(
      expect.objectContaining({ code: 'ack_ahead' }),
    )
    expect(progress.acknowledge({ ...positionAt(200n), copied: 10 })).toBe(true)
    expect(progress.allAcknowledged).toBe(true)
  })

  test.each([undefined, null])('%s is no acknowledgement, also before anything was delivered', (nothing) => {
    const none: { position: Position } = JSON.parse(JSON.stringify({ position: nothing }))
    expect(() => new Progress().acknowledge(none.position)).toThrow(
      expect.objectContaining({ code: 'position_malformed' }),
    )
  })

  test('a delivered batch is owed an acknowledgement, until that comes', () => {
    const progress = new Progress()
    const position = positionAt(200n)
    progress.deliver(position)
    expect(progress.allAcknowledged).toBe(false)
    expect(progress.acknowledge(position)).toBe(true)
    expect(progress.allAcknowledged).toBe(true)
  })

  test('a position that was read back from storage acknowledges as well as the object itself', () => {
    const progress = new Progress()
    const position = positionAt(200n, { commitLsn: 300n, seq: 7 })
    progress.deliver(position)
    expect(progress.acknowledge(readBack(position))).toBe(true)
    expect(progress.allAcknowledged).toBe(true)
    expect(progress.acknowledge(position)).toBe(false)
  })

  test('an acknowledgement of an earlier batch leaves the later ones open', () => {
    const progress = new Progress()
    progress.deliver(positionAt(200n))
    progress.deliver(positionAt(300n))
    expect(progress.acknowledge(positionAt(200n))).toBe(true)
    expect(progress.allAcknowledged).toBe(false)
    expect(progress.acknowledged?.lsn).toBe(formatLsn(200n))
  })

  test('what is not newer than the last acknowledgement is ignored', () => {
    const progress = new Progress()
    progress.deliver(positionAt(200n))
    progress.deliver(positionAt(300n))
    progress.acknowledge(positionAt(300n))
    expect(progress.acknowledge(positionAt(200n))).toBe(false)
    expect(progress.acknowledge(positionAt(300n))).toBe(false)
    expect(progress.acknowledged?.lsn).toBe(formatLsn(300n))
  })

  test('a position that was not delivered is refused, and changes nothing', () => {
    const progress = new Progress()
    expect(() => progress.acknowledge(positionAt(1n))).toThrow(
      expect.objectContaining({ code: 'ack_ahead', lsn: '0/1' }),
    )
    progress.deliver(positionAt(200n, { commitLsn: 300n, seq: 7 }))
    expect(() => progress.acknowledge(positionAt(200n, { commitLsn: 300n, seq: 8 }))).toThrow(
      expect.objectContaining({ code: 'ack_ahead' }),
    )
    expect(() => progress.acknowledge(positionAt(300n))).toThrow(expect.objectContaining({ code: 'ack_ahead' }))
    expect(progress.acknowledged).toBeUndefined()
  })

  test('a position of another feed is refused', () => {
    const progress = new Progress()
    progress.deliver(positionAt(200n))
    expect(() => progress.acknowledge({ ...positionAt(200n), slot: 'other' })).toThrow(
      expect.objectContaining({ code: 'position_incompatible' }),
    )
    expect(() => progress.acknowledge({ ...positionAt(200n), systemId: '1' })).toThrow(
      expect.objectContaining({ code: 'position_incompatible' }),
    )
    expect(progress.acknowledged).toBeUndefined()
  })

  test.each(['null', '{}', '"0/1"', stored({ lsn: 'zero' }), stored({ lsn: 200 })])(
    'what is no position is refused, and changes nothing: %s',
    (text) => {
      const progress = new Progress()
      progress.deliver(positionAt(200n))
      expect(() => progress.acknowledge(JSON.parse(text))).toThrow(
        expect.objectContaining({ code: 'position_malformed' }),
      )
      expect(progress.acknowledged).toBeUndefined()
    },
  )

  test('in whatever order batches are delivered and acknowledged, the account never falls and never runs ahead', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('deliver' as const), by: fc.integer({ min: 0, max: 3 }), inside: fc.boolean() }),
      fc.record({ kind: fc.constant('ack' as const), which: fc.nat(), fromStorage: fc.boolean() }),
      fc.record({ kind: fc.constant('ahead' as const), by: fc.integer({ min: 1, max: 5 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const progress = new Progress()
        const delivered: Position[] = []
        let lsn = 10n
        let seq = 0
        for (const action of steps) {
          const before = progress.acknowledged
          if (action.kind === 'deliver') {
            // in the middle of a transaction a batch leaves the LSN where it is and counts on
            if (action.inside) seq += 1 + action.by
            else {
              lsn += 1n + BigInt(action.by)
              seq = 0
            }
            const position = positionAt(lsn, seq === 0 ? undefined : { commitLsn: lsn + 100n, seq })
            delivered.push(position)
            progress.deliver(position)
            expect(progress.allAcknowledged).toBe(false)
          } else if (action.kind === 'ack' && delivered.length > 0) {
            const position = delivered[action.which % delivered.length]!
            const isNews = before === undefined || comparePositions(position, before) > 0
            expect(progress.acknowledge(action.fromStorage ? readBack(position) : position)).toBe(isNews)
          } else if (action.kind === 'ahead') {
            expect(() => progress.acknowledge(positionAt(lsn + BigInt(action.by)))).toThrow(
              expect.objectContaining({ code: 'ack_ahead' }),
            )
          }
          const after = progress.acknowledged
          const last = delivered.at(-1)
          if (before !== undefined) {
            expect(after).toBeDefined()
            if (after !== undefined) expect(comparePositions(after, before)).toBeGreaterThanOrEqual(0)
          }
          if (after !== undefined && last !== undefined) {
            expect(comparePositions(after, last)).toBeLessThanOrEqual(0)
            expect(flushLsn(after)).toBeLessThanOrEqual(flushLsn(last))
            expect(progress.allAcknowledged).toBe(comparePositions(after, last) === 0)
          }
        }
      }),
    )
  })
})
