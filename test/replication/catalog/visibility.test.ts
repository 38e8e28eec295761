import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isVisible } from '../../../src/replication/catalog/visibility.ts'

describe('a transaction in a snapshot', () => {
  test.each<[string, string, number, boolean]>([
    ['ended before everything that runs', '740:745:740,742', 739, true],
    ['runs', '740:745:740,742', 742, false],
    ['ended between two that run', '740:745:740,742', 741, true],
    ['ended as the last', '745:745:', 744, true],
    ['begins only', '745:745:', 745, false],
    ['has a number that another one begins with', '740:745:740', 74, true],
    ['runs, of a later epoch', '4294968036:4294968041:4294968036', 740, false],
    ['ended, of a later epoch', '4294968036:4294968041:4294968036', 741, true],
    ['ended at the end of the epoch before', '4294967300:4294967301:', 4_294_967_295, true],
  ])('%s', (_, snapshot, xid, visible) => {
    expect(isVisible(snapshot, xid)).toBe(visible)
  })

  test('is visible when it is below the end and does not run, whatever the epoch', () => {
    const numbers = fc.record({
      xmax: fc.bigInt({ min: 1n << 32n, max: 1n << 50n }),
      back: fc.bigInt({ min: -1000n, max: 1n << 30n }),
      running: fc.uniqueArray(fc.bigInt({ min: 1n, max: 1000n }), { maxLength: 5 }),
    })
    fc.assert(
      fc.property(numbers, ({ xmax, back, running }) => {
        const xid = Number(BigInt.asUintN(32, xmax - back))
        const snapshot = `3:${xmax}:${running.map((distance) => xmax - distance).join(',')}`
        expect(isVisible(snapshot, xid)).toBe(back > 0n && !running.includes(back))
      }),
    )
  })
})
