import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { follow } from '../../../src/replication/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const run = promisify(execFile)

describe.each(outerVersions().filter((version) => version >= 16))(
  'the slot of a feed on a standby, on PostgreSQL %i,',
  (version) => {
    let primary: TestServer
    let standby: TestServer
    let source: Source
    beforeAll(async () => {
      primary = await bootServer({ version })
      standby = await bootServer({ version })
      source = await Source.make(primary, 'CREATE TABLE t (id int PRIMARY KEY)')
      await primary.stop('fast')
      await standby.stop('fast')
      await rm(standby.dataDir, { recursive: true })
      await run('cp', ['-a', primary.dataDir, standby.dataDir])
      await writeFile(join(standby.dataDir, 'standby.signal'), '')
      const { host, port, superuser, password } = primary
      await standby.reload({
        wal_retrieve_retry_interval: '100ms',
        primary_conninfo: `host=${host} port=${port} user=${superuser} password=${password}`,
      })
      await primary.start()
      await standby.start()
    }, 60_000)
    afterAll(async () => {
      await source[Symbol.asyncDispose]()
      await standby[Symbol.asyncDispose]()
      await primary[Symbol.asyncDispose]()
    })

    async function execute(server: TestServer, statement: string): Promise<string> {
      const sql = postgres(server.uri(new URL(source.url).pathname.slice(1)), { max: 1, fetch_types: false })
      try {
        const [row] = await sql.unsafe(statement)
        return String(Object.values(row ?? {})[0])
      } finally {
        await sql.end({ timeout: 1 })
      }
    }

    /** Whatever the catalogs had is removed, which a slot's snapshot may still need. */
    async function removeRows(): Promise<void> {
      await execute(primary, 'CREATE TABLE passing (x int)')
      await execute(primary, 'DROP TABLE passing')
      await execute(primary, 'VACUUM pg_catalog.pg_class')
      await execute(primary, 'VACUUM FULL pg_catalog.pg_attribute')
      await execute(primary, 'SELECT pg_log_standby_snapshot()')
    }

    async function lowerWalLevel(): Promise<void> {
      await primary.reload({ wal_level: 'replica' })
      await primary.restart('fast')
    }

    test.each<[string, string, string, () => Promise<void>]>([
      ['rows_removed', 'whose rows the primary removed', 'hot_standby_feedback', removeRows],
      ['wal_level_insufficient', 'whose primary lowered its wal_level', 'wal_level = logical', lowerWalLevel],
    ])(
      'given up as %s, says so in the middle of its stream, and at a start',
      async (reason, what, advice, lose) => {
        const slot = `feed_${reason}`
        const connection = standby.uri(new URL(source.url).pathname.slice(1))
        const options = { connection, publication: 'pub', slot, reconnect: false } as const
        const feed = new FeedReader(follow({ ...options, snapshot: 'never' }))
        await feed.next()
        let made = false
        const making = feed
          .until('the slot', ({ position }) => position?.phase === 'stream')
          .finally(() => {
            made = true
          })
        await waitUntil('the slot to be made', async () => {
          await execute(primary, 'SELECT pg_log_standby_snapshot()')
          return made
        })
        await making
        const failure = feed.failure(60_000)
        await lose()
        const refusals = [await failure, await new FeedReader(follow({ ...options, start: feed.stored })).failure()]
        const named = version >= 17 ? reason : 'conflict with recovery'
        for (const error of refusals) {
          expect(error, what).toMatchObject({ code: 'slot_invalidated', slot, retryable: false })
          expect(error.why).toContain(`(${named}: `)
          expect(error.hint).toContain(advice)
        }
      },
      90_000,
    )
  },
)
