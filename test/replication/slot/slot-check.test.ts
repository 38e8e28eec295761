import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { invalidation, type SlotFacts } from '../../../src/replication/slot/slot.ts'
import { checkSlotUnmoved } from '../../../src/replication/slot/slot-check.ts'

const slot: SlotFacts = {
  name: 'feed',
  type: 'logical',
  plugin: 'pgoutput',
  database: 'shop',
  temporary: false,
  activePid: undefined,
  restartLsn: 0x480n,
  confirmedFlush: 0x500n,
  walStatus: 'reserved',
  conflicting: false,
  invalidationReason: undefined,
  synced: false,
  twoPhase: false,
}

describe('the second look at a slot', () => {
  test('passes a slot that is as it was, or was moved up to where the stream starts', () => {
    checkSlotUnmoved(0x500n, slot, slot)
    checkSlotUnmoved(0x700n, slot, { ...slot, activePid: 17 })
    checkSlotUnmoved(0x700n, slot, { ...slot, confirmedFlush: 0x700n })
  })

  test('finds one that was moved past it', () => {
    const moved = { ...slot, confirmedFlush: 0x701n }
    expect(() => checkSlotUnmoved(0x700n, slot, moved)).toThrow(expect.objectContaining({ code: 'gap', lsn: '0/700' }))
  })

  test('finds one that was dropped, or is being made anew', () => {
    const lost = expect.objectContaining({ code: 'slot_lost', slot: 'feed' })
    expect(() => checkSlotUnmoved(0x700n, slot, undefined)).toThrow(lost)
    expect(() => checkSlotUnmoved(0x700n, slot, { ...slot, confirmedFlush: undefined })).toThrow(lost)
  })

  test('finds one that is behind where it was', () => {
    const older = { ...slot, confirmedFlush: 0x4ffn }
    expect(() => checkSlotUnmoved(0x700n, slot, older)).toThrow(expect.objectContaining({ code: 'slot_recreated' }))
  })

  test('passes only where nothing between is missing', () => {
    const lsn = fc.bigInt({ min: 0n, max: 8n })
    fc.assert(
      fc.property(lsn, lsn, lsn, (from, before, after) => {
        try {
          checkSlotUnmoved(from, { ...slot, confirmedFlush: before }, { ...slot, confirmedFlush: after })
        } catch {
          expect(after > from || after < before).toBe(true)
          return
        }
        expect(after).toBeLessThanOrEqual(from)
      }),
    )
  })
})

describe('invalidation', () => {
  test.each<[Partial<SlotFacts>, string | undefined]>([
    [{}, undefined],
    [{ walStatus: 'extended' }, undefined],
    [{ walStatus: 'unreserved' }, undefined],
    [{ walStatus: 'lost' }, 'wal_removed'],
    [{ conflicting: true }, 'conflict with recovery'],
    [{ walStatus: 'lost', conflicting: true, invalidationReason: 'rows_removed' }, 'rows_removed'],
    [{ walStatus: 'lost', invalidationReason: 'wal_removed' }, 'wal_removed'],
  ])('of %j is %s', (facts, reason) => {
    expect(invalidation({ ...slot, ...facts })).toBe(reason)
  })
})
