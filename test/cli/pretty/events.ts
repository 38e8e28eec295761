import type { Column, Relation, ReplicaIdentity, Row } from '../../../src/decoder/relation.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { DeleteEvent, Event, InsertEvent, Transaction, UpdateEvent } from '../../../src/replication/events.ts'
import type { Position } from '../../../src/replication/position.ts'

export const column = (name: string, type = 'text', key = false): Column => ({
  name,
  type,
  typeOid: 25,
  typmod: -1,
  key,
})

/** A table whose first column is its key. */
export function relationOf(
  name: string,
  columns: readonly Column[],
  replicaIdentity: ReplicaIdentity = 'default',
): Relation {
  return { oid: 16_385, schema: 'public', name, table: `public.${name}`, replicaIdentity, columns }
}

export const stock = relationOf(
  'stock',
  [column('sku', 'text', true), column('quantity', 'int4', true), column('counted', 'timestamptz', true)],
  'full',
)

export const products = relationOf('products', [
  column('name'),
  column('price', 'numeric'),
  column('description'),
  column('sku', 'text', true),
])

/** Committed 250 ms before {@link now}. */
export const tx: Transaction = {
  xid: 751,
  commitLsn: 0x16_b374d848n,
  endLsn: 0x16_b374d878n,
  commitTime: 1_767_323_045_678_901n,
  origin: undefined,
}

export const now = 1_767_323_045_928

const change = { lsn: 0x16_b374d810n, seq: 0, tx }

export function insertOf(relation: Relation, row: Row): InsertEvent {
  return { kind: 'insert', ...change, table: relation.table, relation, new: row, unchanged: undefined }
}

export function updateOf(
  relation: Relation,
  row: Row,
  before: { old?: Row; key?: Row; unchanged?: readonly string[] } = {},
): UpdateEvent {
  const base = {
    kind: 'update',
    ...change,
    table: relation.table,
    relation,
    unchanged: before.unchanged,
    new: row,
  } as const
  if (before.old !== undefined) return { ...base, old: before.old, key: undefined }
  return before.key === undefined
    ? { ...base, old: undefined, key: undefined }
    : { ...base, old: undefined, key: before.key }
}

export function deleteOf(relation: Relation, row: { old: Row } | { key: Row }): DeleteEvent {
  const base = { kind: 'delete', ...change, table: relation.table, relation } as const
  return 'old' in row ? { ...base, old: row.old, key: undefined } : { ...base, old: undefined, key: row.key }
}

export const begin: Event = { kind: 'begin', lsn: tx.commitLsn, tx }
export const commit: Event = { kind: 'commit', lsn: tx.commitLsn, tx }

export function batchOf(events: readonly Event[], phase: Position['phase'] = 'stream'): Batch {
  return {
    events,
    atCommit: true,
    position: {
      version: 2,
      systemId: '7000000000000000001',
      timeline: 1,
      database: 'shop',
      slot: 'shop_feed',
      options: { publications: ['shop'] },
      phase,
      lsn: '16/B374D878',
    },
  }
}
