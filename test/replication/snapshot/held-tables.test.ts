import { expect, test } from 'vitest'
import type { Relation } from '../../../src/decoder/relation.ts'
import type { Event } from '../../../src/replication/events.ts'
import { HeldTables } from '../../../src/replication/snapshot/held-tables.ts'

const relation: Relation = {
  oid: 16_384,
  schema: 'public',
  name: 't',
  table: 'public.t',
  replicaIdentity: 'default',
  columns: [],
}
const begin: Event = {
  kind: 'snapshot-begin',
  table: 'public.t',
  relation,
  lsn: 1n,
  estimatedRows: 1,
  estimatedBytes: 1,
  mode: 'initial',
}

test('a copy whose begin was cut off before it was delivered leaves nothing behind that is to be replaced, or to be told as left', () => {
  const held = new HeldTables()
  held.begin(relation)
  held.takeBack()
  expect(held.mode('public.t')).toBe('initial')
  expect(held.leaving(new Set())).toEqual([])
})

test('a copy whose begin was delivered is replaced by the next, and left where there is none', () => {
  const held = new HeldTables()
  held.begin(relation)
  held.told([begin])
  held.takeBack()
  expect(held.mode('public.t')).toBe('replace')
  expect(held.leaving(new Set())).toEqual([relation])
})

test('what was to be told as left and was cut off is told by the next copy', () => {
  const held = new HeldTables()
  held.begin(relation)
  held.told([begin])
  held.leaving(new Set())
  held.takeBack()
  expect(held.text).not.toBe('')
  expect(held.leaving(new Set())).toEqual([relation])
  held.told([{ kind: 'table-left', table: 'public.t', relation, lsn: 2n, reason: 'dropped' }])
  expect(held.leaving(new Set())).toEqual([])
  expect(held.mode('public.t')).toBe('replace')
})
