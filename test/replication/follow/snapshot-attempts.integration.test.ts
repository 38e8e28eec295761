import { beforeAll, describe, expect, test } from 'vitest'
import type { Event, Position } from '../../../src/index.ts'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

/** What the consumer is told of tables as such: `+` begins its copy, `=` begins it in place of another, `-` ends it for good. */
function tableEvents(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    if (event.kind === 'snapshot-begin') return [`${event.mode === 'replace' ? '=' : '+'} ${event.table}`]
    return event.kind === 'table-left' ? [`- ${event.table} ${event.reason}`] : []
  })
}

/** Three rows, so that a batch of six events is full at the end of a table's copy, and the next one is not locked yet. */
const eventsOfATable = 6
const threeRows = 'SELECT i, i FROM generate_series(1, 3) i'
const table = (name: string) => `CREATE TABLE ${name} (id int PRIMARY KEY, n int); INSERT INTO ${name} ${threeRows};`
const parted = `CREATE TABLE a (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE a_1 PARTITION OF a FOR VALUES FROM (0) TO (100);
  CREATE TABLE a_2 PARTITION OF a FOR VALUES FROM (100) TO (200);
  INSERT INTO a ${threeRows};`

async function untilDelivered(reader: FeedReader, name: string): Promise<void> {
  await reader.until(`all of ${name}`, ({ events }) =>
    events.some((event) => event.kind === 'snapshot-end' && event.table === name),
  )
}

async function expectReplica(source: Source, replica: Replica, tables: readonly string[]): Promise<void> {
  for (const name of tables) {
    expect([name, replica.rows(name)]).toEqual([name, await source.rows(`SELECT * FROM ${name} ORDER BY id`)])
  }
  // nothing that stays of a copy that came to nothing
  expect(replica.tables.filter((name) => !tables.includes(name))).toEqual([])
}

describe.each(outerVersions())('tables that change between two attempts at a snapshot, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  interface Case {
    readonly what: string
    readonly setup: string
    readonly publication?: string
    /** Delivered whole before the migration; the first in alphabetical order. */
    readonly delivered?: string
    readonly migration: string
    readonly told: readonly string[]
    /** Published in the end. */
    readonly tables: readonly string[]
    /** Written in the end, in place of a row for each table. */
    readonly rows?: string
    readonly since?: number
  }

  const cases: readonly Case[] = [
    {
      what: 'a table was dropped and made anew: it has another OID and the same name',
      setup: `${table('a')} ${table('b')}`,
      migration: `DROP TABLE a; ${table('a')} DELETE FROM a WHERE id = 1; TRUNCATE b`,
      told: ['= public.a', '+ public.b'],
      tables: ['public.a', 'public.b'],
    },
    {
      what: 'a new table took its name, and it another: the swap of online migrations',
      setup: `${table('a')} ${table('a_new')}`,
      migration: 'UPDATE a_new SET n = -n; ALTER TABLE a RENAME TO a_old; ALTER TABLE a_new RENAME TO a',
      told: ['= public.a', '+ public.a_old'],
      tables: ['public.a', 'public.a_old'],
    },
    {
      what: 'a table was dropped',
      setup: `${table('a')} ${table('b')}`,
      migration: 'DROP TABLE a; TRUNCATE b',
      told: ['- public.a dropped', '+ public.b'],
      tables: ['public.b'],
    },
    {
      what: 'a table was renamed',
      setup: `${table('a')} ${table('b')}`,
      migration: 'ALTER TABLE a RENAME TO c; TRUNCATE b',
      told: ['- public.a dropped', '+ public.b', '+ public.c'],
      tables: ['public.b', 'public.c'],
    },
    {
      what: 'its schema was renamed',
      setup: `CREATE SCHEMA app; ${table('app.a')} ${table('b')}`,
      delivered: 'app.a',
      migration: 'ALTER SCHEMA app RENAME TO apps; TRUNCATE b',
      told: ['- app.a dropped', '+ apps.a', '+ public.b'],
      tables: ['apps.a', 'public.b'],
    },
    {
      what: 'two tables swapped their names',
      setup: `${table('a')} ${table('b')} UPDATE b SET n = -n;`,
      migration: 'ALTER TABLE a RENAME TO t; ALTER TABLE b RENAME TO a; ALTER TABLE t RENAME TO b; TRUNCATE b',
      told: ['= public.a', '+ public.b'],
      tables: ['public.a', 'public.b'],
    },
    {
      what: 'a table was moved to another schema, and another one has its name',
      setup: `CREATE SCHEMA z; ${table('a')} ${table('b')}`,
      migration: `ALTER TABLE a SET SCHEMA z; ${table('a')} UPDATE a SET n = 7; TRUNCATE b`,
      told: ['= public.a', '+ public.b', '+ z.a'],
      tables: ['public.a', 'public.b', 'z.a'],
    },
    {
      what: 'a table was taken out of the publication',
      setup: `${table('a')} ${table('b')}`,
      publication: 'FOR TABLE a, b',
      migration: 'ALTER PUBLICATION pub DROP TABLE a; TRUNCATE b',
      told: ['- public.a removed', '+ public.b'],
      tables: ['public.b'],
    },
    {
      what: 'partitions came to be published as their root',
      setup: `${parted} ${table('b')}`,
      publication: 'FOR TABLE a, b',
      delivered: 'public.a_1',
      migration: 'ALTER PUBLICATION pub SET (publish_via_partition_root); TRUNCATE b',
      told: ['+ public.a_2', '- public.a_1 partition', '- public.a_2 partition', '+ public.a', '+ public.b'],
      tables: ['public.a', 'public.b'],
    },
    {
      what: 'a root came to be published as its partitions',
      setup: `${parted} ${table('b')}`,
      publication: 'FOR TABLE a, b WITH (publish_via_partition_root)',
      migration: 'ALTER PUBLICATION pub SET (publish_via_partition_root = false); TRUNCATE b',
      told: ['- public.a partition', '+ public.a_1', '+ public.a_2', '+ public.b'],
      tables: ['public.a_1', 'public.a_2', 'public.b'],
      rows: 'INSERT INTO a VALUES (99, 99), (199, 99)',
    },
    {
      what: 'a partition was detached, and is not published any more',
      setup: `${parted} ${table('b')}`,
      publication: 'FOR TABLE a, b WITH (publish_via_partition_root)',
      migration: 'ALTER TABLE a DETACH PARTITION a_1; TRUNCATE b',
      told: ['= public.a', '+ public.b'],
      tables: ['public.a', 'public.b'],
      rows: 'INSERT INTO a VALUES (199, 99)',
    },
    {
      what: 'a partition that was published by itself was detached',
      setup: `${parted} ${table('b')}`,
      publication: 'FOR TABLE a, b',
      delivered: 'public.a_1',
      migration: 'ALTER TABLE a DETACH PARTITION a_1; TRUNCATE b',
      told: ['+ public.a_2', '- public.a_1 removed', '= public.a_2', '+ public.b'],
      tables: ['public.a_2', 'public.b'],
      rows: 'INSERT INTO a VALUES (199, 99)',
    },
    {
      what: 'a table became a partition of another, which is published in its place',
      setup: `${table('a')} ${table('b')}
        CREATE TABLE root (id int NOT NULL, n int) PARTITION BY RANGE (id);`,
      publication: 'FOR ALL TABLES WITH (publish_via_partition_root)',
      migration: 'ALTER TABLE root ATTACH PARTITION a FOR VALUES FROM (0) TO (100); TRUNCATE b',
      told: ['- public.a partition', '+ public.b', '+ public.root'],
      tables: ['public.b', 'public.root'],
    },
    {
      what: 'its published columns and rows are others',
      setup: `${table('a')} ${table('b')}`,
      publication: 'FOR TABLE a, b',
      migration: 'ALTER PUBLICATION pub SET TABLE a (id) WHERE (id > 1), b; TRUNCATE b',
      told: ['= public.a', '+ public.b'],
      tables: ['public.b'],
      since: 15,
    },
  ]

  test.each(cases.filter(({ since = 14 }) => version >= since))('$what', async (given) => {
    const { setup, publication = 'FOR ALL TABLES', delivered = 'public.a', migration, told, tables } = given
    await using source = await Source.make(server, setup, { publication })
    const logger = recordingLogger()
    const reader = source.follow({ maxBatchRows: eventsOfATable, values: 'text', logger })
    await untilDelivered(reader, delivered)
    expect(tableEvents(reader.events)).toEqual([`+ ${delivered}`])
    const before = reader.events.length
    await source.writeTogether(migration)
    const copied = await reader.untilCopied()
    expect(tableEvents(copied.slice(before))).toEqual(told)
    // of all attempts
    const ofCopies = copied.filter(({ kind }) => kind.startsWith('snapshot'))
    expect(reader.stored.copied).toBe(ofCopies.length)
    expect(logger.lines('warn').map(({ message }) => message)).toEqual([expect.stringContaining('begins again')])

    await source.write(given.rows ?? tables.map((name) => `INSERT INTO ${name} VALUES (99, 99)`).join('; '))
    await reader.untilMark(await source.mark())
    const replica = new Replica().apply(reader.events)
    if (given.since === undefined) await expectReplica(source, replica, tables)
    else expect(replica.rows('public.a')).toEqual([{ id: '2' }, { id: '3' }])
  })

  /** Stops where all of `a` was delivered and stored, and nothing of `b`. */
  async function stoppedBehindA(source: Source): Promise<{ start: Position; events: readonly Event[] }> {
    const reader = source.follow({ maxBatchRows: eventsOfATable, values: 'text' })
    await untilDelivered(reader, 'public.a')
    await reader.close()
    return { start: reader.stored, events: reader.events }
  }

  test.each([
    ['dropped', 'DROP TABLE a', ['- public.a dropped', '= public.b'], ['public.b']],
    [
      'renamed',
      'ALTER TABLE a RENAME TO c',
      ['- public.a dropped', '= public.b', '= public.c'],
      ['public.b', 'public.c'],
    ],
    [
      'taken out of the publication',
      'ALTER PUBLICATION pub DROP TABLE a',
      ['- public.a removed', '= public.b'],
      ['public.b'],
    ],
  ])('between two runs a table was %s: its part of the copy is void', async (_how, migration, told, tables) => {
    await using source = await Source.make(server, `${table('a')} ${table('b')}`, { publication: 'FOR TABLE a, b' })
    const { start, events } = await stoppedBehindA(source)
    await source.write(migration)
    const again = source.follow({ start, values: 'text' })
    const copied = await again.untilCopied()
    expect(tableEvents(copied)).toEqual(told)
    await expectReplica(source, new Replica().apply(events).apply(copied), tables)
  })

  test.each([
    [
      'in an earlier run',
      async (source: Source) => {
        const first = source.follow({ maxBatchRows: eventsOfATable, values: 'text' })
        await untilDelivered(first, 'public.b')
        await first.close()
        const second = source.follow({ start: first.stored, maxBatchRows: eventsOfATable, values: 'text' })
        await untilDelivered(second, 'public.a')
        await second.close()
        return { start: second.stored, events: [...first.events, ...second.events] }
      },
    ],
    [
      'in an earlier attempt of the same run',
      async (source: Source) => {
        const reader = source.follow({ maxBatchRows: eventsOfATable, values: 'text' })
        await untilDelivered(reader, 'public.b')
        await source.write('TRUNCATE c')
        await reader.until('a once more', ({ events }) => tableEvents(events).includes('= public.a'))
        await reader.close()
        return { start: reader.stored, events: reader.events }
      },
    ],
  ])(
    'a table that was copied %s, and not again before it was dropped, is told of',
    async (_when, stoppedAgainBehindA) => {
      await using source = await Source.make(server, `${table('a')} ${table('b')} ${table('c')}`)
      const { start, events } = await stoppedAgainBehindA(source)
      await source.write('DROP TABLE b')
      const copied = await source.follow({ start, values: 'text' }).untilCopied()
      expect(tableEvents(copied)).toEqual(['- public.b dropped', '= public.a', '= public.c'])
      await expectReplica(source, new Replica().apply(events).apply(copied), ['public.a', 'public.c'])
    },
  )

  test('a first run that came to nothing before anything was stored may have delivered all the same', async () => {
    await using source = await Source.make(server, `${table('a')} ${table('b')}`)
    const reader = source.follow({ maxBatchRows: eventsOfATable, ack: 'never' })
    await reader.next()
    const start = reader.stored
    expect(start.phase).toBe('new')
    await untilDelivered(reader, 'public.a')
    await reader.abandon()
    const copied = await source.follow({ start }).untilCopied()
    expect(tableEvents(copied)).toEqual(['= public.a', '= public.b'])
  })
})
