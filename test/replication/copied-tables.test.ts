import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CopiedTable, CopiedTables, readCopiedTables } from '../../src/replication/copied-tables.ts'
import { law } from '../property.ts'

const anyName = fc.oneof(
  fc.constantFrom('orders', 'public', 'a', '.', '"', ',', ':@', 'ü', 'x.y', ' ', '\n'),
  fc.string({ minLength: 1, maxLength: 63, unit: 'binary' }).filter((name) => name !== ''),
)
const anyOid = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const anyTable: fc.Arbitrary<CopiedTable> = fc.record({
  schema: fc.oneof(fc.constantFrom('public', 'public.', '"'), anyName),
  name: anyName,
  members: fc.array(fc.record({ table: anyOid, membership: anyOid }), { minLength: 1, maxLength: 3 }),
  at: fc.constantFrom(undefined, '0/1', 'FFFFFFFF/FFFFFFFF'),
})

function write(tables: readonly CopiedTable[]): string {
  const copied = new CopiedTables()
  for (const table of tables) copied.add(table)
  return copied.text
}

describe('the copied tables of a position', () => {
  law(
    'are read as they were written, whatever their names',
    fc.property(fc.array(anyTable), (tables) => {
      const stored: unknown = JSON.parse(JSON.stringify(write(tables)))
      expect(readCopiedTables(String(stored))).toEqual(tables)
    }),
    500,
  )

  law(
    'are a text that only grows',
    fc.property(fc.array(anyTable), anyTable, (tables, next) => {
      expect(write([...tables, next]).startsWith(write(tables))).toBe(true)
    }),
  )

  law(
    'are read from any text, or refused',
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '"', ',', ':', '@', '0/1', 'gg', ':CC') }), (text) => {
      const read = readCopiedTables(text)
      if (read !== undefined) expect(readCopiedTables(write(read))).toEqual(read)
    }),
    500,
  )

  test('name a schema once, and quote only what needs it', () => {
    const member = (table: number) => [{ table, membership: table + 5 }]
    const text = write([
      { schema: 'public', name: 'orders', members: member(16_384), at: undefined },
      { schema: 'public', name: 'lines', members: member(16_390), at: '0/1A2B3C8' },
      { schema: 'Größe', name: 'a,b', members: member(16_395), at: undefined },
      { schema: 'Größe', name: 'c', members: [{ table: 16_400, membership: 0 }], at: undefined },
    ])
    expect(text).toBe('public.orders:gggBqggB,.lines:MM@0/1A2B3C8,Größe."a,b":KK,.c:K_ggB')
  })

  test.each([
    ',',
    'a.b,',
    '.b',
    '"a',
    '"a"b',
    'a.b',
    'a.b:',
    'a.b:A',
    'a.b:*',
    'a.b:AA@x',
    'a.b@0/1:AA',
    'a.b.c:AA',
    '"".b:AA',
  ])('are not %j', (text) => {
    expect(readCopiedTables(text)).toBeUndefined()
  })
})
