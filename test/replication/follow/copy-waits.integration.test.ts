import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type SharedServer, sharedServer, waitUntil } from '../../server/index.ts'
import { beforeConnection, firstCopy } from './helpers/between.ts'
import { idleCutter } from './helpers/idle-cutter.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

function rowsOf(events: readonly Event[], table: string): number {
  return events.filter((event) => event.kind === 'snapshot' && event.table === table).length
}

describe.each(outerVersions())('a copy that takes long, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  const idleMs = 1_000
  /** A third of it is how often something goes over each connection. */
  const walSenderTimeoutMs = 900

  test.each([
    ['whose rows are all read ahead', 'SELECT i, NULL FROM generate_series(1, 2000) i'],
    ['whose rows the server cannot send yet', `SELECT i, repeat('x', 100000) FROM generate_series(1, 400) i`],
  ])('%s, gets through where something in between closes what is idle: no connection is', async (_how, rows) => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY, pad text); ALTER TABLE a ALTER pad SET STORAGE PLAIN, ALTER pad SET STORAGE EXTERNAL;
      CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a ${rows}; INSERT INTO b VALUES (1)`,
    )
    await using cutter = await idleCutter(source.url, idleMs)
    const connection = new URL(cutter.url)
    connection.searchParams.set('options', `-c wal_sender_timeout=${walSenderTimeoutMs}ms`)
    const reader = source.follow({ connection: connection.href.replaceAll('+', '%20'), maxBatchRows: 100 })
    await reader.until('rows of a', ({ events }) => rowsOf(events, 'public.a') > 0)
    const stoppedAt = performance.now()
    await waitUntil('a consumer that takes three times as long', () => performance.now() - stoppedAt > 3 * idleMs)
    await reader.untilCopied()
    expect(rowsOf(reader.events, 'public.a')).toBe(Number(await source.value('SELECT count(*) FROM a')))
    expect(rowsOf(reader.events, 'public.b')).toBe(1)
    await source.write('INSERT INTO b VALUES (2)')
    expect(await reader.untilMark(await source.mark())).toHaveLength(3)
    expect(cutter.cuts).toBe(0)
  })

  test.each([
    ['that holds its snapshot', `state = 'idle in transaction'`],
    ['that copies', `query LIKE 'COPY %'`],
  ])('that loses the connection %s, can be tried again', async (_which, condition) => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY, pad text); CREATE TABLE b (id int PRIMARY KEY);
      INSERT INTO a SELECT i, repeat('x', 10000) FROM generate_series(1, 3000) i`,
    )
    const reader = source.follow({ maxBatchRows: 100 })
    await reader.until('rows of a', ({ events }) => rowsOf(events, 'public.a') > 0)
    await source.write(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND (${condition}) AND pid <> pg_backend_pid()`,
    )
    const error = await reader.failure()
    expect(error).toMatchObject({ code: 'server_stopping', retryable: true })
    const copied = await source.follow({ start: reader.stored }).untilCopied()
    expect(rowsOf(copied, 'public.a')).toBe(3000)
  })

  test('over connections that something in between swallows, does not wait for ever', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY, pad text); INSERT INTO a SELECT i, repeat('x', 100000) FROM generate_series(1, 400) i`,
    )
    await using tap = await wiretap(source.url)
    const connection = new URL(tap.url)
    connection.searchParams.set('options', `-c wal_sender_timeout=${walSenderTimeoutMs}ms`)
    const reader = source.follow({ connection: connection.href.replaceAll('+', '%20'), maxBatchRows: 100 })
    await reader.until('rows of a', ({ events }) => rowsOf(events, 'public.a') > 0)
    tap.hold()
    const error = await reader.failure()
    expect(error).toMatchObject({ code: 'connection_lost', retryable: true })
  })

  test('behind the lock of a migration, says within seconds what it waits for, naming who holds it', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)')
    const migration = source.session()
    const [{ pid } = { pid: 0 }] = await migration<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    const logger = recordingLogger()
    // after the slot was made, which would wait for such a transaction itself
    const connection = beforeConnection(source.url, {
      [firstCopy]: () => migration.unsafe('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE').simple(),
    })
    const reader = source.follow({ logger, connection })
    const copied = reader.untilCopied()
    const warning = await waitUntil('the warning', () =>
      logger.lines('warn').find(({ message }) => message.includes('waits for a lock')),
    )
    expect(warning.message).toContain(`the copy of public.t waits for a lock that is held or awaited by process ${pid}`)
    expect(warning.message).toContain('idle in transaction')
    await migration.unsafe('COMMIT').simple()
    expect(rowsOf(await copied, 'public.t')).toBe(1)
  })
})

describe.each(outerVersions())('reading publications, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** A table that somebody reads, and that somebody else waits for to alter it; answers how to let both go on. */
  async function behindReader(source: Source): Promise<{ altering: number; letGo: () => Promise<void> }> {
    const reader = source.session()
    await reader.unsafe('BEGIN; SELECT FROM t').simple()
    const migration = source.session()
    const [{ pid } = { pid: 0 }] = await migration<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    const altered = migration.unsafe('ALTER TABLE t ADD COLUMN x int').simple()
    const done = altered.then(() => {})
    await waitUntil('the ALTER to wait', async () => {
      const waiting = `SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = ${pid}`
      return (await source.value(waiting)) === '1'
    })
    const letGo = async () => {
      await reader.unsafe('COMMIT').simple()
      await done
    }
    return { altering: pid, letGo }
  }

  const setup = 'CREATE TABLE t (id int PRIMARY KEY)'
  const publication = version >= 15 ? 'FOR TABLE t WHERE (id > 0)' : 'FOR TABLE t'

  test.each([
    ['a position', {}],
    ['the slot', { start: 'slot' }],
    ['a position, in binary form,', { binary: true }],
  ] as const)('when %s is continued, does not queue behind a lock that waits for a reader', async (_which, options) => {
    await using source = await Source.make(server, setup, { publication })
    const first = await source.followChanges()
    await first.close()
    const { letGo } = await behindReader(source)
    const feed = source.follow({ start: first.stored, ...options })
    await feed.untilMark(await source.mark())
    await letGo()
  })

  test('in a first run, does not either; that its slot waits for the one who waits is the server’s, and said', async () => {
    await using source = await Source.make(server, setup, { publication })
    const { altering, letGo } = await behindReader(source)
    const logger = recordingLogger()
    const feed = source.follow({ snapshot: 'never', logger })
    const made = feed.until('the slot', ({ position }) => position?.phase === 'stream')
    const blocked = `slot ${source.slot} is not made yet: it waits for transactions that were open before it: process ${altering}`
    await waitUntil('the warning', () => logger.lines('warn').some(({ message }) => message.startsWith(blocked)))
    await letGo()
    await made
  })
})

describe.each(outerVersions())('a table of very many partitions, on PostgreSQL %i,', (version) => {
  const partitions = 1500

  test('for whose locks the server has no room, is named with the setting', async () => {
    await using server = await bootServer({
      version,
      settings: { max_locks_per_transaction: 10, max_connections: 12, max_wal_senders: 3 },
    })
    await using source = await Source.make(server, `CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)`, {
      publication: 'FOR TABLE t WITH (publish_via_partition_root)',
    })
    for (let from = 0; from < partitions; from += 100) {
      await source.write(`DO $$ BEGIN FOR i IN ${from}..${from + 99} LOOP
        EXECUTE format('CREATE TABLE t_%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10); END LOOP; END $$`)
    }
    const error = await source.follow().failure()
    expect(error).toMatchObject({ code: 'locks_exhausted', table: 'public.t', retryable: true, sqlstate: '53200' })
    expect(error.message).toContain(`${partitions} partitions`)
    expect(error.hint).toContain('max_locks_per_transaction')
    expect(await source.slotRow()).toBeUndefined()
  }, 120_000)
})
