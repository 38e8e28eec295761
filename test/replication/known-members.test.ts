import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareMembers,
  type FoundTable,
  knowingAll,
  NewTables,
  withMembers,
} from '../../src/replication/known-members.ts'
import { type MemberPair, readMembers, writeMembers } from '../../src/replication/members.ts'
import { law } from '../property.ts'
import { recordingLogger } from './follow/helpers/recording-logger.ts'
import { positionAt } from './stream/stream-model.ts'

function found(oid: number, ...memberships: number[]): FoundTable {
  return { table: `public.t${oid}`, oid, members: memberships.map((membership) => ({ table: oid, membership })) }
}

/** A partitioned table whose rows come under its own name. */
function root(oid: number, membership: number, ...partitions: number[]): FoundTable {
  const members = [oid, ...partitions].map((table) => ({ table, membership }))
  return { table: `public.t${oid}`, oid, members }
}

function known(...tables: FoundTable[]): readonly MemberPair[] {
  return tables.flatMap(({ members }) => members)
}

const none = { joined: [], again: [], grown: [], left: [] }

describe('between what a position knows and what is published', () => {
  test('nothing differs where nothing changed', () => {
    const tables = [found(1, 11), found(2, 12, 90), root(3, 13, 31, 32)]
    expect(compareMembers(known(...tables), tables)).toEqual({ ...none, members: writeMembers(known(...tables)) })
  })

  test.each<[string, readonly FoundTable[], readonly FoundTable[], object, readonly MemberPair[]]>([
    ['a table joined', [found(1, 11)], [found(1, 11), found(2, 12)], { joined: ['public.t2'] }, known(found(1, 11))],
    ['a table left', [found(1, 11), found(2, 12)], [found(1, 11)], { left: [2] }, known(found(1, 11))],
    ['a table left and joined again', [found(1, 11)], [found(1, 15)], { again: ['public.t1'] }, []],
    ['a publication of all tables was made anew', [found(1, 90)], [found(1, 91)], { again: ['public.t1'] }, []],
    ['a table joined a second publication', [found(1, 11)], [found(1, 11, 12)], {}, known(found(1, 11))],
    ['a table left one of two publications', [found(1, 11, 12)], [found(1, 12)], {}, known(found(1, 12))],
    [
      'a partition was attached',
      [root(3, 13, 31)],
      [root(3, 13, 31, 32)],
      { grown: ['public.t3'] },
      known(root(3, 13, 31)),
    ],
    ['a partition was detached', [root(3, 13, 31, 32)], [root(3, 13, 31)], { left: [32] }, known(root(3, 13, 31))],
    ['a root left and joined again', [root(3, 13, 31)], [root(3, 14, 31)], { again: ['public.t3'] }, []],
  ])('%s', (_, before, now, change, rest) => {
    expect(compareMembers(known(...before), now)).toEqual({ ...none, ...change, members: writeMembers(rest) })
  })

  const anyFound = fc
    .uniqueArray(
      fc.record({ oid: fc.nat(8), memberships: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 }) }),
      {
        selector: ({ oid }) => oid,
      },
    )
    .map((tables) => tables.map(({ oid, memberships }) => found(oid, ...memberships)))

  law(
    'a table counts as known only where it was known and never left, and what is not known is named at each start',
    fc.property(anyFound, anyFound, (before, now) => {
      const change = compareMembers(known(...before), now)
      const still = readMembers(change.members) ?? []
      const keys = (pairs: readonly MemberPair[]) => pairs.map(({ table, membership }) => `${table} ${membership}`)
      for (const key of keys(still)) {
        expect(keys(known(...before))).toContain(key)
        expect(keys(known(...now))).toContain(key)
      }
      const unknown = now.filter(({ oid }) => !still.some(({ table }) => table === oid)).map(({ table }) => table)
      expect([...change.joined, ...change.again].sort()).toEqual(unknown.sort())
      const next = compareMembers(still, now)
      expect(next.joined).toEqual(
        unknown.sort((a, b) => now.findIndex((t) => t.table === a) - now.findIndex((t) => t.table === b)),
      )
      expect(next.left).toEqual([])
      expect(next.members).toBe(change.members)
    }),
  )
})

describe('a feed that continues', () => {
  const position = positionAt(0x100n)

  test('from a position that knows no tables takes those that it finds as known, and says so', () => {
    const logger = recordingLogger()
    const tables = [found(1, 11), found(2, 12)]
    const standing = withMembers(position, tables, { logger, said: new Set(), unknown: 'warn' })
    expect(standing).toEqual(knowingAll(position, tables))
    expect(logger.lines('warn')).toHaveLength(1)
    withMembers(standing, tables, { logger, said: new Set(), unknown: 'warn' })
    expect(logger.lines('warn')).toHaveLength(1)
  })

  test('names what joined, twenty at most, and all of them to the machine', () => {
    const logger = recordingLogger()
    const tables = Array.from({ length: 30 }, (_, index) => found(index + 1, 11))
    withMembers({ ...position, members: '' }, tables, { logger, said: new Set(), unknown: 'warn' })
    expect(logger.lines('warn')).toHaveLength(1)
    expect(logger.lines('warn')[0]?.message).toContain('public.t1, public.t2')
    expect(logger.lines('warn')[0]?.message).toContain('and 10 more')
  })

  test('names a table of its stream that it does not know, once', () => {
    const logger = recordingLogger()
    const standing = knowingAll(position, [found(1, 11)])
    const said = new Set<string>()
    const stranger = { oid: 2, schema: 'public', name: 'new' }
    for (const _ of [1, 2]) {
      const tables = new NewTables(standing, said, logger)
      tables.note({ oid: 1, schema: 'public', name: 't1' })
      tables.note(stranger)
      tables.note(stranger)
    }
    expect(logger.lines('warn')).toMatchObject([{ message: expect.stringContaining('public.new') }])
  })
})
