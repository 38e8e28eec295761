import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { outerVersions, type SharedServer, sharedServer, waitUntil } from '../../server/index.ts'
import { beforeCommand, beforeConnection, firstCopy, secondCopy } from './helpers/between.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

function beginsOf(events: readonly Event[]): unknown[] {
  return events.flatMap((event) => (event.kind === 'snapshot-begin' ? [[event.table, event.mode]] : []))
}

function copiedRows(events: readonly Event[], table: string): number {
  return events.filter((event) => event.kind === 'snapshot' && event.table === table).length
}

const hundredRows = `CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;`

describe.each(outerVersions())('a table that is changed between the slot and its copy, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('makes the snapshot begin again after everything of the tables before was delivered: they were once announced to nobody', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE z (id int PRIMARY KEY); INSERT INTO a VALUES (1)',
    )
    let changed: Promise<void> | undefined
    const logger = recordingLogger()
    const reader = source.follow({
      logger: {
        ...logger,
        info: (_, message) => {
          if (message === 'the snapshot begins') changed ??= source.write('TRUNCATE z')
        },
      },
    })
    const copied = await reader.untilCopied()
    await changed
    const begun = new Map<string, string[]>()
    for (const event of copied) {
      if (event.kind !== 'snapshot-begin') continue
      begun.set(event.table, [...(begun.get(event.table) ?? []), event.mode])
    }
    const relations = copied.flatMap((event) => (event.kind === 'relation' ? [event.table] : []))
    expect(relations).toEqual(['public.a', 'public.z'])
    for (const modes of begun.values()) expect(modes[0]).toBe('initial')
  })

  test.each([
    ['rewritten by ALTER … TYPE', 'ALTER TABLE t ALTER COLUMN n TYPE bigint', 100],
    ['rewritten by VACUUM FULL', 'VACUUM FULL t', 100],
    ['rewritten by CLUSTER', 'CLUSTER t USING t_pkey', 100],
    ['given a column whose default is not constant', 'ALTER TABLE t ADD COLUMN r float DEFAULT 1 + random()', 100],
    ['given a column', 'ALTER TABLE t ADD COLUMN x int', 100],
    ['robbed of a column', 'ALTER TABLE t DROP COLUMN n', 100],
    ['truncated', 'TRUNCATE t', 0],
    ['truncated and filled again', 'TRUNCATE t; INSERT INTO t SELECT i, -i FROM generate_series(1, 7) i', 7],
    ['dropped and made anew', 'DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)', 1],
  ])('%s, is copied as it is then, in a new snapshot', async (_name, change, rows) => {
    await using source = await Source.make(server, hundredRows)
    const logger = recordingLogger()
    const connection = beforeConnection(source.url, { [firstCopy]: () => source.write(change) })
    const reader = source.follow({ connection, logger })
    const copied = await reader.untilCopied()

    // no rows of it were delivered before, so there is nothing to replace
    expect(beginsOf(copied)).toEqual([['public.t', 'initial']])
    expect(copiedRows(copied, 'public.t')).toBe(rows)
    const replica = new Replica().apply(copied)
    const expected = await source.rows('SELECT * FROM t ORDER BY id')
    const asText = replica
      .rows('public.t')
      .map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)])),
      )
    expect(asText).toEqual(expected)
    expect(logger.lines('warn')).toMatchObject([{ message: expect.stringContaining('the snapshot begins again') }])

    await source.write('INSERT INTO t (id) VALUES (1001)')
    expect(await reader.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'insert', new: { id: 1001 } },
      { kind: 'commit' },
    ])
  })

  test('dropped, is left out of the new snapshot', async () => {
    await using source = await Source.make(server, `${hundredRows} CREATE TABLE u (id int PRIMARY KEY);`)
    const connection = beforeConnection(source.url, { [firstCopy]: () => source.write('DROP TABLE t') })
    const copied = await source.follow({ connection }).untilCopied()
    expect(beginsOf(copied)).toEqual([['public.u', 'initial']])
  })

  test('renamed, is copied under its new name', async () => {
    await using source = await Source.make(server, hundredRows)
    const connection = beforeConnection(source.url, { [firstCopy]: () => source.write('ALTER TABLE t RENAME TO u') })
    const copied = await source.follow({ connection }).untilCopied()
    expect(beginsOf(copied)).toEqual([['public.u', 'initial']])
    expect(copiedRows(copied, 'public.u')).toBe(100)
  })

  test('after rows of other tables were delivered, makes these be replaced', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY, n int);
      CREATE TABLE b (id int PRIMARY KEY, n int);
      INSERT INTO a SELECT i, i FROM generate_series(1, 50) i;
      INSERT INTO b SELECT i, i FROM generate_series(1, 50) i;`,
    )
    const reader = source.follow({ maxBatchRows: 20, values: 'text' })
    await reader.until('rows of a', ({ position }) => position?.phase === 'snapshot')
    const before = reader.stored
    await source.write('ALTER TABLE b ALTER COLUMN n TYPE bigint USING -n', 'DELETE FROM a WHERE id > 40')
    const copied = await reader.untilCopied()

    expect(beginsOf(copied)).toEqual([
      ['public.a', 'initial'],
      ['public.a', 'replace'],
      ['public.b', 'initial'],
    ])
    expect(reader.stored.consistentPoint).not.toBe(before.consistentPoint)
    const replica = new Replica().apply(copied)
    expect(replica.rows('public.a')).toEqual(await source.rows('SELECT * FROM a ORDER BY id'))
    expect(replica.rows('public.b')).toEqual(await source.rows('SELECT * FROM b ORDER BY id'))
    // the slot is the one of the second snapshot, and there is no other
    expect(await source.value('SELECT count(*) FROM pg_replication_slots WHERE database = current_database()')).toBe(
      '1',
    )
    const confirmed = await source.confirmedFlush()
    expect(confirmed).toBe(reader.stored.consistentPoint)
  })

  test('while it is being copied, cannot be rewritten: whoever wants to waits for the copy', async () => {
    await using source = await Source.make(server, hundredRows)
    const reader = source.follow({ maxBatchRows: 20 })
    await reader.until('rows of t', ({ position }) => position?.phase === 'snapshot')
    const rewriting = source.session()
    const rewritten = rewriting.unsafe('ALTER TABLE t ALTER COLUMN n TYPE bigint').simple()
    const waiting = rewritten.then(() => 'done')
    const lock = 'SELECT count(*) FROM pg_locks WHERE NOT granted AND database = '
    const database = '(SELECT oid FROM pg_database WHERE datname = current_database())'
    await waitUntil('the ALTER to wait', async () => (await source.value(lock + database)) === '1')
    await reader.untilCopied()
    await waiting
    expect(copiedRows(reader.events, 'public.t')).toBe(100)

    await source.write('UPDATE t SET n = 5000000000 WHERE id = 1')
    expect(await reader.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation', change: { retyped: [{ column: 'n', from: { type: 'int4' }, to: { type: 'int8' } }] } },
      { kind: 'update', new: { id: 1, n: 5_000_000_000n } },
      { kind: 'commit' },
    ])
  })

  test('cannot be between the look at it and its copy: it is locked by then', async () => {
    await using source = await Source.make(server, hundredRows)
    const emptying = source.session()
    let refused: unknown
    const connection = beforeCommand(source.url, 'COPY ', async () => {
      refused = await emptying
        .unsafe(`SET lock_timeout = 300; TRUNCATE t`)
        .simple()
        .catch((error: unknown) => error)
    })
    const events = await source.follow({ connection }).untilCopied()
    expect(refused).toMatchObject({ code: '55P03' })
    expect(copiedRows(events, 'public.t')).toBe(100)
  })

  test('twice, makes the snapshot begin a third time', async () => {
    await using source = await Source.make(server, hundredRows)
    const connection = beforeConnection(source.url, {
      [firstCopy]: () => source.write('ALTER TABLE t ADD COLUMN a int'),
      [secondCopy]: () => source.write('ALTER TABLE t ADD COLUMN b int'),
    })
    const copied = await source.follow({ connection }).untilCopied()
    expect(copied.find(({ kind }) => kind === 'snapshot')).toMatchObject({ new: { id: 1, n: 1, a: null, b: null } })
    expect(copiedRows(copied, 'public.t')).toBe(100)
  })

  test('under a temporary slot, which only the connection that made it may drop, is copied in a new snapshot too', async () => {
    await using source = await Source.make(server, hundredRows)
    const connection = beforeConnection(source.url, {
      [firstCopy]: () => source.write('ALTER TABLE t ADD COLUMN a int'),
    })
    const reader = source.follow({ connection, temporary: true })
    expect(copiedRows(await reader.untilCopied(), 'public.t')).toBe(100)
    await source.write('INSERT INTO t VALUES (101)')
    expect(await reader.untilMark(await source.mark())).toContainEqual(
      expect.objectContaining({ kind: 'insert', new: { id: 101, n: null, a: null } }),
    )
  })

  test('every time, makes the feed give up after some attempts, and nothing is left behind', async () => {
    await using source = await Source.make(server, hundredRows)
    const always: Record<number, () => Promise<unknown>> = {}
    for (let copy = firstCopy; copy < 100; copy++) always[copy] = () => source.write('TRUNCATE t')
    const error = await source.follow({ connection: beforeConnection(source.url, always) }).failure()
    expect(error).toMatchObject({ code: 'snapshot_unstable', retryable: true, table: 'public.t' })
    expect(await source.slotRow()).toBeUndefined()
  })

  test('in one of its partitions, is noticed too', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE t (id int, v text) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
      CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20);
      INSERT INTO t VALUES (1, 'low'), (11, 'high');`,
      { publication: 'FOR TABLE t WITH (publish_via_partition_root)' },
    )
    const logger = recordingLogger()
    const connection = beforeConnection(source.url, { [firstCopy]: () => source.write('TRUNCATE high') })
    const copied = await source.follow({ connection, logger }).untilCopied()
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toMatchObject([{ new: { id: 1, v: 'low' } }])
    expect(logger.lines('warn')).toHaveLength(1)
  })

  test('by inserts, updates and deletes alone, is copied as it was, and these come in the stream', async () => {
    await using source = await Source.make(server, hundredRows)
    const connection = beforeConnection(source.url, {
      [firstCopy]: () =>
        source.write('DELETE FROM t WHERE id > 1; UPDATE t SET n = 0; INSERT INTO t VALUES (101, 101)'),
    })
    const reader = source.follow({ connection, values: 'text' })
    const copied = await reader.untilCopied()
    expect(copiedRows(copied, 'public.t')).toBe(100)
    const changes = await reader.untilMark(await source.mark())
    expect(changes.filter(({ kind }) => kind === 'delete')).toHaveLength(99)
    expect(new Replica().apply(reader.events).rows('public.t')).toEqual(
      await source.rows('SELECT * FROM t ORDER BY id'),
    )
  })
})
