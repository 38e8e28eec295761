import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import type { Position } from '../../../src/index.ts'
import { follow } from '../../../src/replication/index.ts'
import { bootServer, type TestServer, testVersions, waitUntil } from '../../server/index.ts'
import { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const run = promisify(execFile)

/** Makes a server that runs a standby of another one, which is stopped, from its data. */
async function makeStandby(standby: TestServer, { from, of }: { from: TestServer; of: TestServer }): Promise<void> {
  await standby.stop('fast')
  await rm(standby.dataDir, { recursive: true })
  await run('cp', ['-a', from.dataDir, standby.dataDir])
  await writeFile(join(standby.dataDir, 'standby.signal'), '')
  const { host, port, superuser, password } = of
  await standby.reload({
    hot_standby_feedback: true,
    wal_retrieve_retry_interval: '100ms',
    primary_conninfo: `host=${host} port=${port} user=${superuser} password=${password}`,
  })
}

async function execute(url: string, ...statements: string[]): Promise<string> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    let value: unknown
    for (const statement of statements) {
      const [row] = await sql.unsafe(statement)
      value = Object.values(row ?? {})[0]
    }
    return String(value)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

describe.each(testVersions().filter((version) => version >= 16))(
  'a feed on a standby of a standby, on PostgreSQL %i,',
  (version) => {
    test('ends before anything of the new timeline is delivered, and every position that it gave can be continued', async () => {
      await using primary = await bootServer({ version })
      await using first = await bootServer({ version })
      await using second = await bootServer({ version })
      await using source = await Source.make(primary, 'CREATE TABLE t (id int PRIMARY KEY)')
      await primary.stop('fast')
      await makeStandby(first, { from: primary, of: primary })
      await makeStandby(second, { from: primary, of: first })
      await primary.start()
      await first.start()
      await second.start()
      const database = new URL(source.url).pathname.slice(1)
      const written = (server: TestServer, ...statements: string[]) => execute(server.uri(database), ...statements)
      const options = { connection: second.uri(database), publication: 'pub', slot: 'feed', reconnect: false } as const

      const leave = new AbortController()
      await using feed = new FeedReader(follow({ ...options, snapshot: 'never', signal: leave.signal }), { leave })
      await feed.next()
      let made = false
      const making = feed
        .until('the slot', ({ position }) => position?.phase === 'stream')
        .finally(() => {
          made = true
        })
      await waitUntil('the slot to be made', async () => {
        // a standby makes a slot at the next record of running transactions
        await written(primary, 'SELECT pg_log_standby_snapshot()')
        return made
      })
      await making
      await written(primary, 'INSERT INTO t VALUES (1)')
      await feed.until('the row', ({ events }) => events.some(({ kind }) => kind === 'commit'))
      const before: Position = feed.stored
      expect(before.timeline).toBe(1)

      const failure = feed.failure(60_000)
      await primary.stop('fast')
      await written(first, 'SELECT pg_promote()')
      await written(first, 'INSERT INTO t VALUES (2)')
      expect(await failure).toMatchObject({ code: 'timeline_changed', retryable: true })
      expect(feed.events.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
      await feed.close()

      for (const start of [before, feed.stored]) {
        const again = new FeedReader(follow({ ...options, start }), { ack: 'never' })
        await again.until('the row', ({ events }) =>
          events.some((event) => event.kind === 'insert' && event.new.id === 2),
        )
        await again.until('its end', ({ position }) => position?.tx === undefined)
        expect(again.events.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
        expect(again.position?.timeline).toBe(2)
        await again.close()
      }
    }, 120_000)
  },
)
