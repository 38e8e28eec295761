import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/cli/demo/random.ts'
import { happenings, type Kind } from '../../../src/cli/demo/shop-transactions.ts'

/** What the first transactions of a day would run; the server always has the same answer. */
async function day(seed: number, count: number, kind: Kind): Promise<string[]> {
  const random = seededRandom(seed)
  const statements: string[] = []
  const next = happenings(random, () => kind)
  for (let done = 0; done < count; done++) {
    await next.next().value({
      random,
      rows: async (sql) => {
        statements.push(sql)
        return [['SKU-0001', '9.99', '2']]
      },
    })
  }
  return statements
}

describe('a day in the shop', () => {
  test('is the same for the same seed, and another for another', async () => {
    expect(await day(7, 60, 'upheaval')).toEqual(await day(7, 60, 'upheaval'))
    expect(await day(7, 60, 'upheaval')).not.toEqual(await day(8, 60, 'upheaval'))
  })

  test.each([1, 2, 3])('has everything in it before long, seed %i', async (seed) => {
    const all = (await day(seed, 48, 'upheaval')).join('\n')
    for (const part of ['INSERT INTO orders', 'INSERT INTO order_items', 'UPDATE stock', "SET status = 'cancelled'"]) {
      expect(all).toContain(part)
    }
    for (const part of ['DELETE FROM orders', 'TRUNCATE', 'pg_logical_emit_message', 'ADD COLUMN', 'RENAME COLUMN']) {
      expect(all).toContain(part)
    }
  })

  test('changes and empties no table while it is copied', async () => {
    expect((await day(1, 300, 'everyday')).join('\n')).not.toMatch(/ALTER|TRUNCATE/)
  })
})

describe('seeded chance', () => {
  test('is spread evenly, within its bounds', () => {
    const random = seededRandom(1)
    const counts = new Map<number, number>()
    for (let turn = 0; turn < 6000; turn++) {
      const number = random.integer(1, 6)
      counts.set(number, (counts.get(number) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6])
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120)
  })

  test('shuffles without loss, and makes UUIDs of version 4', () => {
    const random = seededRandom(2)
    const cards = Array.from({ length: 52 }, (_, card) => card)
    const shuffled = random.shuffle(cards)
    expect(shuffled).not.toEqual(cards)
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(cards)
    expect(random.uuid()).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  })
})
