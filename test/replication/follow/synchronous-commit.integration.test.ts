import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

function hasRow(events: readonly Event[], id: number): boolean {
  return events.some((event) => event.kind === 'insert' && event.new.id === id)
}

/*
 * The strictest check of feedback: a server whose commits wait for the feed shows by each of them what it was told.
 */
describe.each(outerVersions())(
  'a commit that waits for a feed as synchronous standby, on PostgreSQL %i,',
  (version) => {
    let server: TestServer
    beforeAll(async () => {
      server = await bootServer({ version })
    })
    afterAll(async () => {
      await server[Symbol.asyncDispose]()
    })

    test('returns if and only after its row was acknowledged, over reconnections too', async () => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
      await using tap = await wiretap(source.url)
      const reader = await source.followChanges({
        connection: `${tap.url}&application_name=waited_for`,
        ack: 'never',
        reconnect: { minDelayMs: 50, maxDelayMs: 200 },
      })
      reader.ack()
      // the stream begins when more is asked for
      await reader.next('anything', 1).catch(() => {})
      // reads alone, which wait for nobody
      const onlooker = source.session()
      const first = async (query: string) => Object.values((await onlooker.unsafe(query))[0] ?? {})[0]
      const writer = await source.value('SELECT pg_backend_pid()')
      const isWaiting = async () =>
        (await first(`SELECT wait_event FROM pg_stat_activity WHERE pid = ${writer}`)) === 'SyncRep'
      const isSynchronous = async () =>
        (await first("SELECT sync_state FROM pg_stat_replication WHERE application_name = 'waited_for'")) === 'sync'
      await server.reload({ synchronous_standby_names: 'waited_for' })
      try {
        await waitUntil('the feed to be waited for', isSynchronous)
        for (let id = 0; id < 9; id++) {
          let returned = false
          const committing = source.write(`INSERT INTO t VALUES (${id})`).then(() => {
            returned = true
          })
          await reader.until('the row', ({ events }) => hasRow(events, id))
          await waitUntil('the commit to wait', isWaiting)
          const { reconnects } = reader.feed.status()
          if (id % 3 > 0) {
            tap.cut()
            // somebody must pull for a loss to be noticed: what comes is the next pull's
            await reader.next('anything', 1).catch(() => {})
            if (id % 3 === 1) {
              await waitUntil('the feed to go on', () => reader.feed.status().reconnects > reconnects)
              await waitUntil('the feed to be waited for', isSynchronous)
              expect(await isWaiting()).toBe(true)
              expect(returned).toBe(false)
            }
            // at id % 3 === 2 while it is away: it is told as soon as it is back
            reader.ack()
            await committing
            expect(reader.feed.status().reconnects).toBeGreaterThan(reconnects)
          } else {
            expect(returned).toBe(false)
            reader.ack()
            await committing
          }
        }
        const ids = reader.events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
        expect(ids).toEqual(Array.from({ length: 9 }, (_, id) => id))
      } finally {
        await server.reload({ synchronous_standby_names: null })
      }
    }, 60_000)
  },
)
