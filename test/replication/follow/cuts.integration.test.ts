import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY, v text)'
const reconnect = { minDelayMs: 5, maxDelayMs: 100, first: true }

/** IDs of the last copy, and of what was inserted behind it. */
function held(events: readonly Event[]): number[] {
  const begin = events.findLastIndex(({ kind }) => kind === 'snapshot-begin')
  return events
    .slice(Math.max(0, begin))
    .flatMap((event) => (event.kind === 'snapshot' || event.kind === 'insert' ? [Number(event.new.id)] : []))
}

function upTo(last: number): number[] {
  return Array.from({ length: last + 1 }, (_, id) => id)
}

/** Numbers that can be made again. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What there is of walwire's sessions and advisory locks in the source's database. */
async function left(source: Source): Promise<string> {
  return await source.value(
    `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND application_name = 'walwire') + (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE l.locktype = 'advisory' AND d.datname = current_database())`,
  )
}

describe.each(outerVersions())('a feed whose connections are cut, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { wal_sender_timeout: '4s' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  const seeds = Array.from({ length: 6 }, () => Math.floor(Math.random() * 1e6))
  test.each(seeds)(
    'at random bytes of either direction, from its first one on, copies and streams everything once (seed %i)',
    async (seed) => {
      const below = numbers(seed)
      await using source = await Source.make(server, oneTable)
      await using tap = await wiretap(source.url)
      await source.write("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(0, 999) i")
      const connection = `${tap.url}&application_name=walwire`
      let cuts = 14
      tap.cutAfter(() => {
        if (cuts-- <= 0) return undefined
        // most of what goes up is questions; a whole copy comes down
        return below(2) === 0 ? { up: below(4_000) } : { down: below(below(2) === 0 ? 6_000 : 150_000) }
      })
      const reader = source.follow({ connection, reconnect, maxBatchRows: 200 })
      await reader.untilCopied(40_000)
      for (let id = 1_000; id < 1_020; id++) await source.write(`INSERT INTO t VALUES (${id}, 'later')`)
      await reader.until('the last row', ({ events }) => held(events).at(-1) === 1_019, 40_000)
      expect(held(reader.events)).toEqual(upTo(1_019))
      expect(await source.value('SELECT count(*) FROM pg_replication_slots WHERE database = current_database()')).toBe(
        '1',
      )
      await reader.close()
      await waitUntil('nothing to be left', async () => (await left(source)) === '0')
    },
    60_000,
  )

  test('and whose next ones too, before it had its slot again, ends the sessions of all of them, which the server takes to live', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const reader = await source.followChanges({ connection: tap.url, reconnect })
    const going = reader.keepPulling()
    // the sessions of the first try stay: the server notices nothing for minutes
    tap.swallow('all')
    tap.cutAt('pg_try_advisory_lock')
    await waitUntil('the feed to go on', () => reader.feed.status().reconnects > 0, 25_000)
    await reader.close()
    await going
  }, 40_000)

  test('goes on when its role may have connections again', async () => {
    await using source = await Source.make(server, oneTable)
    await using tap = await wiretap(source.url)
    const role = `limited_${source.slot}`
    await source.write(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'r'`, `GRANT SELECT ON t TO ${role}`)
    const connection = new URL(tap.url)
    connection.username = role
    connection.password = 'r'
    const logger = recordingLogger()
    const reader = await source.followChanges({ connection: connection.href, reconnect, logger })
    await source.write(`ALTER ROLE ${role} CONNECTION LIMIT 0`)
    const going = reader.keepPulling()
    tap.cut()
    const refused = () => logger.lines().filter(({ data }) => 'code' in data && data.code === 'too_many_connections')
    await waitUntil('three refusals', () => refused().length >= 3)
    await source.write(`ALTER ROLE ${role} CONNECTION LIMIT -1`, "INSERT INTO t VALUES (0, 'a')")
    await waitUntil('the row', () => held(reader.events).length === 1)
    expect(refused().filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(JSON.stringify(logger.lines().map(({ message }) => message))).not.toContain(':r@')
    await reader.close()
    await going
    await source.write(`REVOKE ALL ON t FROM ${role}`, `DROP ROLE ${role}`)
  })
})
