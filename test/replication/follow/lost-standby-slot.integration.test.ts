import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { follow } from '../../../src/replication/index.ts'
import { bootServer, makeStandby, outerVersions, type TestServer } from '../../server/index.ts'
import { queryOnce } from '../../server/sql.ts'
import { FeedReader } from './helpers/feed-reader.ts'
import { untilSlotOnStandby } from './helpers/slot-on-standby.ts'
import { Source } from './helpers/source.ts'

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
      await makeStandby(standby, { from: primary })
      await primary.start()
      await standby.start()
    }, 60_000)
    afterAll(async () => {
      await source[Symbol.asyncDispose]()
      await standby[Symbol.asyncDispose]()
      await primary[Symbol.asyncDispose]()
    })

    const databaseOf = (server: TestServer) => server.uri(new URL(source.url).pathname.slice(1))
    const execute = (server: TestServer, statement: string) => queryOnce(databaseOf(server), statement)

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
        const connection = databaseOf(standby)
        const options = { connection, publication: 'pub', slot, reconnect: false } as const
        const feed = new FeedReader(follow({ ...options, snapshot: 'never' }))
        await untilSlotOnStandby(feed, databaseOf(primary))
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
