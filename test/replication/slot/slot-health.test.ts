import { describe, expect, test } from 'vitest'
import {
  SlotHealth,
  type SlotHealthFacts,
  standstillBytes,
  standstillMs,
} from '../../../src/replication/slot/slot-health.ts'
import { somePosition as delivered } from '../some-position.ts'

const MiB = 1024 ** 2
const healthy: SlotHealthFacts = {
  slot: 'shop_feed',
  look: { walEnd: 0x2000n, retainedBytes: 10 * MiB, safeBytes: undefined, walStatus: 'reserved' },
  acknowledged: 0x2000n,
  allAcknowledged: true,
  delivered,
  nowMs: 1_000,
}

/** After so long, and so many bytes more. */
function later(facts: SlotHealthFacts, ms: number, bytes: bigint): SlotHealthFacts {
  const { look, nowMs } = facts
  return { ...facts, nowMs: nowMs + ms, look: { ...look, walEnd: look.walEnd + bytes } }
}

function messages(health: SlotHealth, facts: SlotHealthFacts): string[] {
  return health.review(facts).map(({ message }) => message)
}

describe('a slot that stands still while the server writes', () => {
  test('is said after 5 min and 16 MiB, not before', () => {
    const health = new SlotHealth()
    expect(messages(health, healthy)).toEqual([])
    expect(messages(health, later(healthy, standstillMs - 1, 100n * standstillBytes))).toEqual([])
    expect(messages(health, later(healthy, 10 * standstillMs, standstillBytes - 1n))).toEqual([])
    expect(messages(health, later(healthy, standstillMs, standstillBytes))).toEqual([
      'slot shop_feed has not moved for 5 min, in which the server wrote 16 MiB: all that was delivered is acknowledged, and the next batch is not asked for, or the server decodes a long transaction. The server keeps 10 MiB for it',
    ])
  })

  test('is said once for each cause, and anew after it has moved', () => {
    const health = new SlotHealth()
    messages(health, healthy)
    const still = later({ ...healthy, allAcknowledged: false }, standstillMs, standstillBytes)
    expect(messages(health, still)).toEqual([
      expect.stringContaining('what was delivered up to 0/2000 is not acknowledged'),
    ])
    expect(messages(health, later(still, standstillMs, standstillBytes))).toEqual([])
    const inside = { ...still, allAcknowledged: true, delivered: { ...delivered, tx: { commitLsn: '0/9000', seq: 7 } } }
    expect(messages(health, inside)).toEqual([
      expect.stringContaining('7 changes of one transaction were delivered, and its end has not come'),
    ])
    expect(messages(health, inside)).toEqual([])
    const moved = { ...inside, acknowledged: 0x3000n }
    expect(messages(health, moved)).toEqual([])
    expect(messages(health, later(moved, standstillMs, standstillBytes))).toHaveLength(1)
  })

  test('is no standstill as long as it moves, however little', () => {
    const health = new SlotHealth()
    let facts = healthy
    for (let looks = 0; looks < 100; looks++) {
      facts = { ...later(facts, standstillMs - 1, standstillBytes), acknowledged: facts.acknowledged + 1n }
      expect(messages(health, facts)).toEqual([])
    }
  })
})

describe('a slot that nears max_slot_wal_keep_size', () => {
  const look = (retained: number, safe: number | undefined, walStatus = 'reserved'): SlotHealthFacts => ({
    ...healthy,
    look: {
      ...healthy.look,
      retainedBytes: retained * MiB,
      safeBytes: safe === undefined ? safe : safe * MiB,
      walStatus,
    },
  })

  test('is said when less than a fifth is left, once, and anew after two fifths were left', () => {
    const health = new SlotHealth()
    expect(messages(health, look(80, 20))).toEqual([])
    expect(messages(health, look(81, 19))).toEqual([
      'slot shop_feed nears max_slot_wal_keep_size: the server keeps 81 MiB for it, and it is lost when 19 MiB more are written. Acknowledge faster, or raise the setting',
    ])
    expect(messages(health, look(90, 10))).toEqual([])
    expect(messages(health, look(70, 30))).toEqual([])
    expect(messages(health, look(90, 10))).toEqual([])
    expect(messages(health, look(50, 50))).toEqual([])
    expect(messages(health, look(90, 10))).toHaveLength(1)
  })

  test.each(['unreserved', 'lost'])('that is %s already will be lost at a checkpoint', (walStatus) => {
    expect(messages(new SlotHealth(), look(100, walStatus === 'lost' ? undefined : -5, walStatus))).toEqual([
      expect.stringContaining('it is lost at one of the next checkpoints'),
    ])
  })

  test('is nothing where there is no limit', () => {
    expect(messages(new SlotHealth(), look(1_000_000, undefined, 'extended'))).toEqual([])
  })
})
