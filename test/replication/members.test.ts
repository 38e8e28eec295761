import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type MemberPair, readMembers, writeMembers } from '../../src/replication/members.ts'
import { law } from '../property.ts'

const anyOid = fc.oneof(fc.nat(20), fc.integer({ min: 16_384, max: 20_000 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const anyMember: fc.Arbitrary<MemberPair> = fc.record({ table: anyOid, membership: anyOid })

/** OIDs as they come when tables are made in a random order over the life of a large cluster. */
function scattered(tables: number): MemberPair[] {
  let state = 1
  const next = () => (state = (state * 48_271) % 2_147_483_647) * 2
  return Array.from({ length: tables }, () => ({ table: next(), membership: next() }))
}

describe('the members of a position', () => {
  law(
    'are read as they were written, in the order of their OIDs, each once',
    fc.property(fc.array(anyMember), (members) => {
      const read = readMembers(writeMembers(members)) ?? []
      const keys = (list: readonly MemberPair[]) => list.map(({ table, membership }) => `${table} ${membership}`)
      expect(new Set(keys(read))).toEqual(new Set(keys(members)))
      expect(new Set(keys(read)).size).toBe(read.length)
      const sorted = read.toSorted((a, b) => a.table - b.table || a.membership - b.membership)
      expect(read).toEqual(sorted)
    }),
  )

  law(
    'are written alike in whatever order they were found',
    fc.property(fc.array(anyMember), fc.array(anyMember), (some, others) => {
      expect(writeMembers([...some, ...others])).toBe(writeMembers([...others, ...some, ...others]))
    }),
  )

  law(
    'are read from nothing but what was written: any other text is none, or is written differently',
    fc.property(fc.string({ unit: fc.constantFrom(...'ABCghw-_=,x') }), (text) => {
      const read = readMembers(text)
      if (read !== undefined) expect(readMembers(writeMembers(read))).toEqual(read)
    }),
  )

  test('take two or three letters each where tables were made together', () => {
    const members = Array.from({ length: 5000 }, (_, index) => ({
      table: 16_384 + 7 * index,
      membership: 60_000 + index,
    }))
    expect(writeMembers(members).length).toBeLessThan(5000 * 2 + 10)
    expect(writeMembers(members.map(({ table }) => ({ table, membership: 16_500 }))).length).toBeLessThan(5000 * 2 + 10)
  })

  test.each([50, 1000, 5000])('take 12 bytes each at most, wherever the OIDs of %i tables lie', (tables) => {
    const perTable = writeMembers(scattered(tables)).length / tables
    expect(perTable).toBeLessThanOrEqual(12.5)
    if (tables >= 1000) expect(perTable).toBeLessThanOrEqual(12)
  })

  test.each(['A', 'AAA', 'g', 'AAg', 'AA=', 'A A', 'B', 'BA', 'CCDD', 'gggggggAA', 'ggggggggA', '_______'])(
    'are not %j',
    (text) => {
      expect(readMembers(text)).toBeUndefined()
    },
  )
})
