import { describe, expect, test } from 'vitest'
import { bootServer, makeStandby, testVersions, waitUntil } from '../../server/index.ts'
import { queryOnce } from '../../server/sql.ts'
import { Source } from './helpers/source.ts'

/** From 17 on a standby keeps copies of the primary's slots that were made for it. */
describe.each(testVersions().filter((version) => version >= 17))(
  'a feed with two hosts, whose slot its standby has a copy of, on PostgreSQL %i,',
  (version) => {
    test('goes on at the standby when that takes the place of the primary: nothing is lost, nothing comes twice', async () => {
      await using primary = await bootServer({ version, settings: { synchronized_standby_slots: 'standby' } })
      await using standby = await bootServer({ version })
      await using source = await Source.make(primary, 'CREATE TABLE t (id int PRIMARY KEY)')
      const { slot } = source
      await source.write(
        "SELECT pg_create_physical_replication_slot('standby', true)",
        `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput', failover => true)`,
      )
      await primary.stop('fast')
      await makeStandby(standby, { from: primary })
      const { host, port, superuser: user, password } = primary
      await standby.reload({
        synchronized_standby_slots: null,
        hot_standby_feedback: true,
        primary_slot_name: 'standby',
        primary_conninfo: `host=${host} port=${port} user=${user} password=${password} dbname=postgres`,
      })
      await primary.start()
      await standby.start()

      const dbname = new URL(source.url).pathname.slice(1)
      const connection = {
        ...{ host: `${host},${standby.host}`, port: `${port},${standby.port}`, user, password, dbname },
        target_session_attrs: 'primary' as const,
      }
      const reader = source.follow({ connection, start: 'slot', reconnect: { minDelayMs: 50, maxDelayMs: 500 } })
      const rows = () => reader.events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
      for (let id = 0; id < 50; id++) await queryOnce(primary.uri(dbname), `INSERT INTO t VALUES (${id})`)
      const going = reader.until('the rows of both servers', () => rows().length === 100, 90_000)
      await waitUntil('the rows', () => rows().length === 50)
      const { lsn } = reader.stored
      const isCopied = `SELECT confirmed_flush_lsn >= '${lsn}' AND NOT temporary FROM pg_replication_slots
        WHERE slot_name = '${slot}'`
      await waitUntil('the copy of the slot', async () => {
        // the slot moves to where the standby has everything that it needs, and is copied then
        await queryOnce(primary.uri(dbname), 'SELECT pg_log_standby_snapshot()')
        await queryOnce(standby.uri(), 'SELECT pg_sync_replication_slots()')
        return (await queryOnce(standby.uri(), isCopied)) === 'true'
      })
      await primary.stop('immediate')
      await queryOnce(standby.uri(), 'SELECT pg_promote()')
      for (let id = 50; id < 100; id++) await queryOnce(standby.uri(dbname), `INSERT INTO t VALUES (${id})`)
      await going
      expect(rows()).toEqual(Array.from({ length: 100 }, (_, id) => id))
      expect(reader.stored.timeline).toBe(2)
      expect(reader.feed.status().reconnects).toBe(1)
      await reader.close()
    }, 120_000)
  },
)
