import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WalwireError } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { beforeConnection, firstCopy } from './helpers/between.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { type LogLine, recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { type Wiretap, wiretap } from './helpers/wiretap.ts'

/** More rows than sockets and the reading ahead hold. */
const setup = `CREATE TABLE t (id int PRIMARY KEY, v text);
  INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 30000) i`

/** What waits is waited for together. Well above what anything may take: a dead connection is given up after a few times the server's limit. */
const patienceMs = 60_000

/** Whether the feed delivers what is written after its copy, or why it does not. */
async function outcome(source: Source, reader: FeedReader): Promise<'goes on' | WalwireError> {
  try {
    await reader.untilCopied(patienceMs)
    await reader.untilMark(await source.mark(), patienceMs)
    return 'goes on'
  } catch (error) {
    if (error instanceof WalwireError) return error
    throw error
  }
}

describe.each(outerVersions())('something in between that swallows what is sent, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { wal_sender_timeout: '3s' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  function follow(source: Source, tap: Wiretap) {
    const logger = recordingLogger()
    const reader = source.follow({ connection: tap.url, logger, maxBatchRows: 100, maxBufferedBytes: 100_000 })
    return { logger, reader }
  }

  const reach = {
    'the slot is made': (reader: FeedReader) => reader.until('new', ({ position }) => position?.phase === 'new'),
    'the copy is over': (reader: FeedReader) => reader.until('rows', ({ events }) => events.length > 500),
    'the stream begins': (reader: FeedReader) => reader.untilCopied(),
  } as const

  const moments = ['the slot is made', 'the copy is over', 'the stream begins'] as const
  const connections = ['all', 'ordinary', 'replication'] as const
  test.concurrent.each(moments.flatMap((moment) => connections.map((which) => [moment, which] as const)))(
    'before %s, of the connections that are there: %s, does not keep a feed waiting for ever',
    { timeout: 90_000 },
    async (moment, which) => {
      await using source = await Source.make(server, setup)
      await using tap = await wiretap(source.url)
      const { reader } = follow(source, tap)
      await reach[moment](reader)
      tap.swallow(which)
      const end = await outcome(source, reader)
      if (end !== 'goes on') expect(end).toMatchObject({ code: 'connection_lost', retryable: true })
      if (which !== 'ordinary') expect(end).not.toBe('goes on')
      await reader.abandon()
    },
  )

  test.concurrent.each([
    ['IDENTIFY_SYSTEM', 'this one'],
    ['pg_postmaster_start_time', 'this one'],
    ['pg_replication_slots', 'all'],
    ['pg_try_advisory_lock', 'all'],
    ['CREATE_REPLICATION_SLOT', 'this one'],
    ['CREATE_REPLICATION_SLOT', 'all'],
    ['pg_export_snapshot', 'this one'],
    ['LOCK TABLE', 'this one'],
    ['LOCK TABLE', 'all'],
    ['TO STDOUT', 'this one'],
    ['TO STDOUT', 'all'],
    ['START_REPLICATION', 'this one'],
    ['START_REPLICATION', 'all'],
    ['START_REPLICATION', 'all, and all that come'],
    ['CREATE_REPLICATION_SLOT', 'all, and all that come'],
  ] as const)('at %s (%s), does not keep a feed waiting for ever', { timeout: 90_000 }, async (words, which) => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    tap.swallowAt(words, which)
    const { reader } = follow(source, tap)
    const end = await outcome(source, reader)
    if (end !== 'goes on') expect(end).toMatchObject({ code: 'connection_lost', retryable: true })
    await reader.abandon()
  })

  test.concurrent('is found out by a role, too, that acts as another one', { timeout: 90_000 }, async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE acted REPLICATION; GRANT SELECT ON t TO acted',
    )
    await using tap = await wiretap(source.url)
    tap.swallowAt('CREATE_REPLICATION_SLOT', 'this one')
    const connection = `${tap.url}&options=-c%20role%3Dacted`
    expect(await outcome(source, source.follow({ connection }))).toMatchObject({ code: 'connection_lost' })
  })

  test.concurrent('while a connection is opened, is said within seconds', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    tap.swallow('all, and all that come')
    const { reader, logger } = follow(source, tap)
    const failed = reader.failure()
    await waitUntil('the warning', () => warned(logger.lines('warn'), /is not there yet: no answer came while waiting/))
    expect(await failed).toMatchObject({ code: 'connect_timeout', retryable: true })
  })

  test('is not suspected where a transaction holds up the slot, and then a lock the copy', {
    timeout: 90_000,
  }, async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const writer = source.session()
    await writer.unsafe('BEGIN; CREATE TABLE other ()').simple()
    const migration = source.session()
    const connection = beforeConnection(source.url, {
      [firstCopy]: () => migration.unsafe('BEGIN; LOCK TABLE t').simple(),
    })
    const logger = recordingLogger()
    const copied = source.follow({ connection, logger }).untilCopied(patienceMs)
    for (const [session, said] of [
      [writer, /is not made yet/],
      [migration, /waits for a lock/],
    ] as const) {
      await waitUntil('the warning', () => warned(logger.lines('warn'), said))
      const saidAt = performance.now()
      await waitUntil('a second look', () => performance.now() - saidAt > 13_000)
      await session.unsafe('COMMIT').simple()
    }
    await copied
    expect(warned(logger.lines('warn'), /waits for its answer/)).toBe(false)
  })
})

function warned(lines: readonly LogLine[], message: RegExp): boolean {
  return lines.some((line) => message.test(line.message))
}
