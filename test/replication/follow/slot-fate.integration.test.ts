import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootServer, type TestServer, testVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const table = 'CREATE TABLE t (id int PRIMARY KEY, body text)'

describe.each(testVersions())('a stream that the server breaks off, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({
      version,
      settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' },
    })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** A feed that streams, and waits for more. */
  async function following(source: Source) {
    const feed = await source.followChanges({ ack: 'never' })
    await feed.untilMark(await source.mark())
    return feed
  }

  test('to give up its slot, says so and why, and not that an administrator did', async () => {
    await using source = await Source.make(server, table)
    const feed = await following(source)
    const failure = feed.failure(60_000)
    // WAL beyond what is kept, until a checkpoint removes it
    const isLost = async () => {
      await source.write('SELECT pg_switch_wal()', "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING", 'CHECKPOINT')
      await source.write("UPDATE t SET body = body || 'x'")
      return (await source.slotRow())?.wal_status === 'lost'
    }
    await waitUntil('the slot to be given up', isLost, 60_000)
    const error = await failure
    expect(error).toMatchObject({ code: 'slot_invalidated', slot: source.slot, retryable: false })
    expect(error.why).toContain('wal_removed')
    expect(error.hint).toContain('max_slot_wal_keep_size')
  })

  test('to drop its slot, says that it is gone', async () => {
    await using source = await Source.make(server, table)
    const feed = await following(source)
    const failure = feed.failure()
    await source.write(`DO $$ BEGIN
      PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${source.slot}';
      FOR i IN 1..100 LOOP
        BEGIN
          PERFORM pg_drop_replication_slot('${source.slot}');
          RETURN;
        EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01);
        END;
      END LOOP;
    END $$`)
    expect(await failure).toMatchObject({ code: 'slot_lost', slot: source.slot, retryable: false })
  })

  test('for no reason that is to be seen, can be tried again', async () => {
    await using source = await Source.make(server, table)
    const feed = await following(source)
    const failure = feed.failure()
    await source.write(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${source.slot}'`,
    )
    expect(await failure).toMatchObject({ code: 'server_stopping', retryable: true })
  })

  test.each(['walsender', 'ordinary connection'] as const)(
    'because somebody cancelled what the %s did, can be tried again',
    async (which) => {
      await using source = await Source.make(server, table)
      const feed = await following(source)
      const failure = feed.failure()
      if (which === 'walsender') {
        await source.write(
          `SELECT pg_cancel_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${source.slot}'`,
        )
      } else {
        // the types of a new table are asked for, and wait
        const locking = source.session()
        await locking.unsafe('BEGIN; LOCK pg_catalog.pg_type IN ACCESS EXCLUSIVE MODE')
        const writing = source.session()
        void writing.unsafe('SELECT 1')
        await locking.unsafe("CREATE TYPE mood AS ENUM ('well'); CREATE TABLE m (id int PRIMARY KEY, mood mood)")
        await locking.unsafe("INSERT INTO m VALUES (1, 'well')")
        await locking.unsafe('COMMIT; BEGIN; LOCK pg_catalog.pg_type IN ACCESS EXCLUSIVE MODE')
        await waitUntil('the question to wait', async () => {
          const [row] = await locking.unsafe(
            "SELECT pg_cancel_backend(pid) AS done FROM pg_locks WHERE NOT granted AND relation = 'pg_type'::regclass",
          )
          return row?.done === true
        })
        await locking.unsafe('COMMIT')
      }
      expect(await failure).toMatchObject({ code: 'cancelled', retryable: true, sqlstate: '57014' })
    },
  )
})

describe.each(testVersions())(
  'feeds that are closed while their questions wait for a lock, on PostgreSQL %i,',
  (version) => {
    test('leave no backend behind', async () => {
      await using server = await bootServer({ version })
      await using source = await Source.make(server, table)
      await using other = await Source.make(server, 'SELECT 1', { publication: null })
      const locking = source.session()
      await locking.unsafe('BEGIN; LOCK pg_catalog.pg_publication IN ACCESS EXCLUSIVE MODE')
      const feeds = Array.from({ length: 5 }, (_, index) => source.follow({ slot: `${source.slot}_${index}` }))
      const backends = async () =>
        Number(
          await other.value(
            `SELECT count(*) FROM pg_stat_activity WHERE datname = '${new URL(source.url).pathname.slice(1)}' AND wait_event_type = 'Lock'`,
          ),
        )
      for (const feed of feeds) void feed.keepPulling()
      await waitUntil('all to wait', async () => (await backends()) === 5)
      await Promise.all(feeds.map((feed) => feed.abandon()))
      await waitUntil('none to wait any more', async () => (await backends()) === 0, 2_000)
      await locking.unsafe('ROLLBACK')
    })
  },
)
