import { beforeEach, describe, expect, test } from 'vitest'
import type { Relation } from '../../../src/decoder/relation.ts'
import { Growth } from '../../../src/replication/growth.ts'
import { AnnouncedRelations } from '../../../src/replication/stream/announced-relations.ts'
import { DroppedTables } from '../../../src/replication/stream/dropped-tables.ts'

describe('of tables that are dropped', () => {
  let known: Set<number>
  let catalog: Set<number>
  let walEnd: bigint
  let looks: number
  let dropped: DroppedTables

  beforeEach(() => {
    known = new Set()
    catalog = new Set()
    walEnd = 0n
    looks = 0
    const tables = {
      get size() {
        return known.size
      },
      oids: () => [...known],
      forget: (oids: ReadonlySet<number>) => {
        for (const oid of oids) known.delete(oid)
      },
    }
    const look = async (oids: readonly number[]) => {
      looks++
      return { oids: oids.filter((oid) => !catalog.has(oid)), before: walEnd }
    }
    dropped = new DroppedTables(tables, look, new Growth(4))
  })

  /** What the stream does with transactions, each with the tables that it describes. */
  async function read(commitLsn: bigint, ...tables: number[]): Promise<void> {
    await dropped.before(commitLsn)
    for (const oid of tables) {
      dropped.described(oid)
      known.add(oid)
    }
  }

  test('nothing is asked before there are many, and again only when there are twice as many as remained', async () => {
    catalog = new Set([1, 2, 3, 4, 5, 6, 7, 8])
    await read(10n, 1, 2, 3)
    await read(20n)
    expect(looks).toBe(0)
    await read(30n, 4)
    await read(40n)
    expect(looks).toBe(1)
    await read(50n, 5, 6, 7)
    await read(60n)
    expect(looks).toBe(1)
    await read(70n, 8)
    await read(80n)
    expect(looks).toBe(2)
    expect(known.size).toBe(8)
  })

  test('all stay known until the stream has come to where the log ended at the look: a backlog speaks of them', async () => {
    walEnd = 100n
    await read(10n, 1, 2, 3, 4)
    await read(20n)
    await read(99n)
    expect([...known]).toEqual([1, 2, 3, 4])
    // which may be the one that dropped them, where the server is a standby
    await read(100n)
    expect([...known]).toEqual([1, 2, 3, 4])
    await read(101n)
    expect([...known]).toEqual([])
    expect(looks).toBe(1)
  })

  test('one that is described after the look is known until another look: its OID may be that of another table', async () => {
    walEnd = 30n
    await read(10n, 1, 2, 3, 4)
    await read(20n, 2)
    await read(30n, 3)
    await read(40n)
    expect([...known]).toEqual([2, 3])
  })

  test('what is there, and what is not seen yet, stays', async () => {
    catalog = new Set([2])
    await read(10n, 1, 2, 3, 4)
    await read(20n)
    await read(30n)
    await read(40n)
    expect([...known]).toEqual([2])
    await read(50n, 5, 6, 7)
    catalog.add(5)
    for (const commitLsn of [60n, 70n, 80n]) await read(commitLsn)
    expect([...known]).toEqual([2, 5])
  })

  test('the next one with the OID of one of them is announced as a table that was never told of', () => {
    const announced = new AnnouncedRelations()
    const first: Relation = {
      oid: 7,
      schema: 'public',
      name: 't',
      table: 'public.t',
      replicaIdentity: 'default',
      columns: [],
    }
    const second: Relation = { ...first, name: 'other', table: 'public.other' }
    expect(announced.announce(first)).toBe(null)
    expect(announced.announce(second)).toMatchObject({ table: { from: 'public.t', to: 'public.other' } })
    announced.forget(7)
    expect(announced.announce(first)).toBe(null)
    expect([...announced.oids]).toEqual([7])
  })
})
