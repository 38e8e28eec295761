import { beforeAll, describe, expect, test } from 'vitest'
import type { Position } from '../../../src/index.ts'
import { readMembers } from '../../../src/replication/members.ts'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

/** Copies, follows up to a mark, and ends: what is stored then. */
async function storedPosition(source: Source): Promise<Position> {
  const reader = source.follow()
  await reader.untilCopied()
  await reader.untilMark(await source.mark())
  await reader.close()
  return reader.stored
}

/** Continues up to a mark: what was warned of, what came of tables, and what is stored then. */
async function goOn(source: Source, start: Position, ...statements: string[]) {
  const logger = recordingLogger()
  const reader = source.follow({ start, logger })
  await reader.untilMark(await source.mark())
  await source.write(...statements)
  await reader.untilMark(await source.mark())
  await reader.close()
  const inserted = reader.events.flatMap((event) => (event.kind === 'insert' ? [event.table] : []))
  return { warnings: logger.lines('warn').map(({ message }) => message), inserted, stored: reader.stored }
}

function tablesKnown({ members }: Position): number[] {
  return [...new Set(readMembers(members ?? '?')?.map(({ table }) => table))]
}

describe.each(outerVersions())('a position, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  const publications = {
    'named tables': 'FOR TABLE orders, lines',
    'all tables': 'FOR ALL TABLES',
    ...(version < 15 ? {} : { 'a schema': 'FOR TABLES IN SCHEMA public' }),
  }
  test.each(Object.entries(publications))('knows the tables of a publication of %s', async (_, publication) => {
    await using source = await Source.make(
      server,
      'CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE lines (id int PRIMARY KEY)',
      { publication },
    )
    const position = await storedPosition(source)
    const oids = await source.rows("SELECT 'orders'::regclass::oid AS a, 'lines'::regclass::oid AS b")
    expect(tablesKnown(position).map(String)).toEqual(Object.values(oids[0] ?? {}).sort())
    const again = await goOn(source, position, 'INSERT INTO orders VALUES (1)')
    expect(again.warnings).toEqual([])
    expect(again.stored.members).toBe(position.members)
    // so does one of a run without a copy, and one that begins where the slot stands
    const withoutCopy = await source.followChanges({ slot: `${source.slot}_n` })
    expect(tablesKnown(withoutCopy.stored)).toEqual(tablesKnown(position))
    const fromSlot = source.follow({ start: 'slot' })
    await fromSlot.untilMark(await source.mark())
    expect(tablesKnown(fromSlot.stored)).toEqual(tablesKnown(position))
  })

  test('names at the next start what joined while no feed ran, since only its changes come', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE orders (id int PRIMARY KEY);
      CREATE TABLE joined (id int PRIMARY KEY);
      INSERT INTO joined VALUES (1);`,
      { publication: 'FOR TABLE orders' },
    )
    const position = await storedPosition(source)
    await source.write('ALTER PUBLICATION pub ADD TABLE joined')
    const first = await goOn(source, position, 'INSERT INTO joined VALUES (2)')
    expect(first.warnings).toEqual([expect.stringContaining('public.joined')])
    expect(first.inserted).toEqual(['public.joined'])
    // its old rows did not come, so it is not known, and is named again
    const second = await goOn(source, first.stored)
    expect(second.warnings).toEqual([expect.stringContaining('public.joined')])
    expect(tablesKnown(second.stored)).toEqual(tablesKnown(position))
  })

  test('names what left and joined again while no feed ran, since what was written in between is lost to it', async () => {
    await using source = await Source.make(server, 'CREATE TABLE orders (id int PRIMARY KEY)', {
      publication: 'FOR TABLE orders',
    })
    const position = await storedPosition(source)
    await source.write('ALTER PUBLICATION pub DROP TABLE orders', 'INSERT INTO orders VALUES (1)')
    await source.write('ALTER PUBLICATION pub ADD TABLE orders')
    const { warnings, stored } = await goOn(source, position)
    expect(warnings).toEqual([expect.stringMatching(/public\.orders.*again/)])
    expect(tablesKnown(stored)).toEqual([])
  })

  test('names a table whose partitions were attached while no feed ran, under the name that their rows come under', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE sales (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (0) TO (10);
      CREATE TABLE sales_2 (id int PRIMARY KEY);
      INSERT INTO sales_2 VALUES (11);`,
      { publication: 'FOR TABLE sales WITH (publish_via_partition_root = true)' },
    )
    const position = await storedPosition(source)
    expect(tablesKnown(position)).toHaveLength(2)
    await source.write('ALTER TABLE sales ATTACH PARTITION sales_2 FOR VALUES FROM (10) TO (20)')
    const { warnings } = await goOn(source, position)
    expect(warnings).toEqual([expect.stringMatching(/public\.sales:.*partitions/)])
  })

  test('of a feed that runs does not come to know a table that joins, which is named when it is written', async () => {
    await using source = await Source.make(server, 'CREATE TABLE orders (id int PRIMARY KEY)')
    const position = await storedPosition(source)
    const { warnings, stored } = await goOn(
      source,
      position,
      'CREATE TABLE later (id int PRIMARY KEY)',
      'INSERT INTO later VALUES (1)',
      'INSERT INTO later VALUES (2)',
    )
    expect(warnings).toEqual([expect.stringContaining('public.later')])
    expect(stored.members).toBe(position.members)
  })

  test('of format 1 is continued and acknowledged; the tables that are found count as known, which is said once', async () => {
    await using source = await Source.make(server, 'CREATE TABLE orders (id int PRIMARY KEY)')
    const { members: _, copied: __, ...position } = await storedPosition(source)
    const format1: Position = JSON.parse(JSON.stringify({ ...position, version: 1 }))
    const { warnings, inserted, stored } = await goOn(source, format1, 'INSERT INTO orders VALUES (1)')
    expect(warnings).toEqual([expect.stringContaining('count as known')])
    expect(inserted).toEqual(['public.orders'])
    const next = await goOn(source, stored)
    expect(next.warnings).toEqual([])

    const reader = source.follow({ start: next.stored, ack: 'never' })
    await reader.untilMark(await source.mark())
    const old: Position = JSON.parse(JSON.stringify({ ...reader.stored, version: 1 }))
    reader.ack(old)
    await reader.close()
    expect(await source.confirmedFlush()).toBe(old.lsn)
  })

  test('is 1 kB at most with 50 tables, whatever names are long, and 12 bytes more for each further one', async () => {
    const long = (name: string) => name.padEnd(63, 'ü').slice(0, 63 - (63 - name.length) / 2)
    const tables = (from: number, to: number) =>
      Array.from(
        { length: to - from },
        (_, index) => `CREATE TABLE "${long(`t${from + index}_`)}" (id int PRIMARY KEY)`,
      )
    await using source = await Source.make(server, tables(0, 50).join(';'), { publication: null })
    const publication = 'p'.repeat(63)
    await source.write(`CREATE PUBLICATION "${publication}" FOR ALL TABLES`)
    const slot = `${source.slot}_`.padEnd(63, 's')
    const measure = async (name: string) => {
      const reader = source.follow({ publication, slot: name })
      await reader.untilCopied()
      await reader.close()
      return Buffer.byteLength(JSON.stringify(reader.stored))
    }
    const withFifty = await measure(slot)
    expect(withFifty).toBeLessThanOrEqual(1000)
    for (let from = 50; from < 400; from += 50) await source.write(tables(from, from + 50).join(';'))
    expect(await measure(slot.replace(/s$/, 't'))).toBeLessThanOrEqual(withFifty + 350 * 12)
  })
})
