import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

const setup = 'CREATE TABLE t (id int PRIMARY KEY, v text)'

function inserted(events: readonly Event[]): unknown[] {
  return events.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))
}

/** A table whose rows cannot be read without a question about its type. */
const newType = [
  "CREATE TYPE mood AS ENUM ('glad', 'sad')",
  'CREATE TABLE moods (id int PRIMARY KEY, mood mood)',
  "INSERT INTO moods VALUES (1, 'glad')",
]

describe.each(outerVersions())('the ordinary connection of a feed that streams, on PostgreSQL %i', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { wal_sender_timeout: '6s' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('is opened again when it is needed, where something in between has closed it', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    const logger = recordingLogger()
    const reader = await source.followChanges({ connection: tap.url, logger })
    for (let round = 0; round < 3; round++) {
      tap.cut('ordinary')
      await source.write(`INSERT INTO t VALUES (${round})`, ...newType, 'DROP TABLE moods; DROP TYPE mood')
      const events = await reader.untilMark(await source.mark())
      expect(inserted(events)).toEqual([
        { id: round, v: null },
        { id: 1, mood: 'glad' },
      ])
    }
    expect(logger.lines('info').filter(({ message }) => message.includes('another one is opened'))).toHaveLength(3)
  })

  test('that is swallowed is given up within seconds, and what was asked is asked again', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url })
    tap.swallow('ordinary')
    await source.write(...newType)
    const events = await reader.untilMark(await source.mark(), 15_000)
    expect(inserted(events)).toEqual([{ id: 1, mood: 'glad' }])
  })

  test('takes the run’s lock along, also where the server still has the session of the one before', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url })
    const holders = () => source.value("SELECT string_agg(pid::text, ' ') FROM pg_locks WHERE locktype = 'advisory'")
    const before = await holders()
    expect(before).toMatch(/^[0-9]+$/)
    tap.swallow('ordinary')
    await source.write(...newType)
    await reader.untilMark(await source.mark(), 15_000)
    expect(await holders()).toMatch(/^[0-9]+$/)
    expect(await holders()).not.toBe(before)
  })

  test('that is lost while tables are copied, when another run took the lock, ends the feed', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    await source.write("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
    const reader = source.follow({ connection: tap.url, maxBatchRows: 100, maxBufferedBytes: 100_000 })
    await reader.until('a part of the copy', ({ position }) => position?.phase === 'snapshot')
    const key = await source.value(
      "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'",
    )
    const taken = source.session().unsafe(`SELECT pg_advisory_lock(${key})`).execute()
    tap.cut('first ordinary')
    await taken
    await expect(reader.untilEnd()).rejects.toMatchObject({ code: 'slot_taken' })
  })

  test('that is swallowed, with all others, ends the feed with an error that names it', async () => {
    await using source = await Source.make(server, setup)
    await using tap = await wiretap(source.url)
    const logger = recordingLogger()
    const reader = await source.followChanges({ connection: tap.url, logger })
    tap.swallow('ordinary, and all that come')
    await source.write(...newType)
    const error = await reader.failure(30_000)
    expect(error).toMatchObject({ code: 'connection_lost', retryable: true })
    expect(logger.lines('warn').map(({ message }) => message)).toContainEqual(
      expect.stringContaining('waits for its answer'),
    )
  })

  test('says who is in the way of a question', async () => {
    await using source = await Source.make(server, setup)
    const logger = recordingLogger()
    const reader = await source.followChanges({ logger })
    await source.write(...newType)
    const holder = source.session({ application_name: 'in_the_way' })
    await holder.unsafe('BEGIN; LOCK pg_range').simple()
    const pending = reader.until('the row', ({ events }) => inserted(events).length > 0)
    const line = await waitUntil('the warning', () =>
      logger.lines('warn').find(({ message }) => message.includes('waits for its answer')),
    )
    expect(line.message).toContain('application in_the_way, idle in transaction')
    expect(line.message).not.toMatch(/LOCK pg_range/)
    await holder.unsafe('ROLLBACK').simple()
    await pending
  })

  test('whose session an administrator ends, ends the feed, which can be tried again', async () => {
    await using source = await Source.make(server, setup)
    const reader = await source.followChanges()
    const failure = reader.failure()
    const ended = await source.value(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    expect(ended).toBe('1')
    expect(await failure).toMatchObject({ code: 'server_stopping', retryable: true })
  })
})
