import { describe, expect, test } from 'vitest'
import type { Position } from '../../../src/index.ts'
import { follow } from '../../../src/replication/index.ts'
import { bootServer, makeStandby, type TestServer, testVersions } from '../../server/index.ts'
import { queryOnce } from '../../server/sql.ts'
import { FeedReader } from './helpers/feed-reader.ts'
import { untilSlotOnStandby } from './helpers/slot-on-standby.ts'
import { Source } from './helpers/source.ts'

describe.each(testVersions().filter((version) => version >= 16))(
  'a feed on a standby of a standby, on PostgreSQL %i,',
  (version) => {
    test('ends before anything of the new timeline is delivered, and every position that it gave can be continued', async () => {
      await using primary = await bootServer({ version })
      await using first = await bootServer({ version, settings: { hot_standby_feedback: true } })
      await using second = await bootServer({ version, settings: { hot_standby_feedback: true } })
      await using source = await Source.make(primary, 'CREATE TABLE t (id int PRIMARY KEY)')
      await primary.stop('fast')
      await makeStandby(first, { from: primary })
      await makeStandby(second, { from: primary, of: first })
      await primary.start()
      await first.start()
      await second.start()
      const database = new URL(source.url).pathname.slice(1)
      const written = (server: TestServer, statement: string) => queryOnce(server.uri(database), statement)
      const options = { connection: second.uri(database), publication: 'pub', slot: 'feed', reconnect: false } as const

      const leave = new AbortController()
      await using feed = new FeedReader(follow({ ...options, snapshot: 'never', signal: leave.signal }), { leave })
      await untilSlotOnStandby(feed, primary.uri(database))
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
