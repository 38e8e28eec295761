import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LivenessState, liveness, statusIntervalMs } from '../../../src/replication/stream/liveness.ts'
import { law } from '../../property.ts'

/** A link that was heard at 0 and whose server gives up after 60 s. */
function link(state: Partial<LivenessState>): LivenessState {
  return { nowMs: 0, heardAtMs: 0, askedAtMs: undefined, reading: true, walSenderTimeoutMs: 60_000, ...state }
}

describe('a silent link', () => {
  test.each([
    ['is alive before half of the timeout', { nowMs: 29_999 }, 'alive'],
    ['is asked for a reply after half of the timeout: an idle server says nothing by itself', { nowMs: 30_000 }, 'ask'],
    ['is asked also when nobody reads, so that the server hears us', { nowMs: 30_000, reading: false }, 'ask'],
    ['is not asked again while the answer is awaited', { nowMs: 60_000, askedAtMs: 30_000 }, 'alive'],
    [
      'is alive a whole timeout after it was last heard: the server may be decoding a long transaction',
      { nowMs: 89_999, askedAtMs: 30_000 },
      'alive',
    ],
    ['is dead a whole timeout after it was asked', { nowMs: 90_000, askedAtMs: 30_000 }, 'dead'],
    [
      'is not dead while nobody reads, however long: the answer waits behind what the consumer has not taken (trap 13)',
      { nowMs: 9_000_000, askedAtMs: 30_000, reading: false },
      'alive',
    ],
    ['gets a minute where the server itself has no timeout', { nowMs: 29_999, walSenderTimeoutMs: 0 }, 'alive'],
    ['is asked after half a minute where the server has no timeout', { nowMs: 30_000, walSenderTimeoutMs: 0 }, 'ask'],
    ['follows a short timeout of the server', { nowMs: 750, walSenderTimeoutMs: 1500 }, 'ask'],
    ['is dead after a short timeout', { nowMs: 2250, askedAtMs: 750, walSenderTimeoutMs: 1500 }, 'dead'],
  ] as const)('%s', (_, state, expected) => {
    expect(liveness(link(state))).toBe(expected)
  })

  law(
    'is found dead once, and only after it was asked, read, and silent for a whole timeout since',
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.record({ passedMs: fc.nat(50_000), reading: fc.boolean() }), { maxLength: 30 }),
      (walSenderTimeoutMs, moments) => {
        let nowMs = 0
        let askedAtMs: number | undefined
        for (const { passedMs, reading } of moments) {
          nowMs += passedMs
          const state = liveness({ nowMs, heardAtMs: 0, askedAtMs, reading, walSenderTimeoutMs })
          if (state === 'ask') {
            expect(askedAtMs).toBeUndefined()
            expect(nowMs).toBeGreaterThanOrEqual(walSenderTimeoutMs / 2)
            askedAtMs = nowMs
          }
          if (state === 'dead') {
            expect(reading).toBe(true)
            expect(nowMs - askedAtMs!).toBeGreaterThanOrEqual(walSenderTimeoutMs)
            return
          }
        }
      },
    ),
  )
})

describe('status updates', () => {
  test.each([
    [60_000, 1000],
    [2400, 800],
    [1500, 500],
    [90, 50],
    // the server waits for ever
    [0, 1000],
  ])('under wal_sender_timeout = %i ms go out every %i ms', (timeout, interval) => {
    expect(statusIntervalMs(timeout)).toBe(interval)
  })

  law(
    'go out at least twice before the server gives up, and never in a storm (traps 13 and 64)',
    fc.property(fc.integer({ min: 100, max: 2 ** 31 - 1 }), (timeout) => {
      const interval = statusIntervalMs(timeout)
      expect(2 * interval).toBeLessThanOrEqual(timeout)
      expect(interval).toBeGreaterThanOrEqual(50)
    }),
  )
})
