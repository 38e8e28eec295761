import { beforeAll, describe, expect, test } from 'vitest'
import { bootServer, type SharedServer, sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

/** What docs/protocol.md says that a server may send, made to happen where no other test does. */
describe.each(testVersions())('what a server may send, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('a message without a prefix and without a content, and one of a hundred megabytes', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const reader = await source.followChanges()
    await source.writeTogether(
      "SELECT pg_logical_emit_message(true, '', '')",
      "SELECT pg_logical_emit_message(true, '', repeat('x', 100000000))",
    )
    const changes = await reader.untilMark(await source.mark())
    expect(
      changes.map((event) => (event.kind === 'message' ? [event.prefix, event.content.length] : event.kind)),
    ).toEqual(['begin', ['', 0], ['', 100_000_000], 'commit'])
  })

  test('a table that is truncated twice in one command is named once, and a command of none is not sent', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int); CREATE UNLOGGED TABLE unlogged (id int)',
    )
    const reader = await source.followChanges()
    await source.write('TRUNCATE t, t, other, t', 'TRUNCATE unlogged')
    const changes = await reader.untilMark(await source.mark())
    const truncates = changes.flatMap((event) =>
      event.kind === 'truncate' ? [event.relations.map(({ name }) => name)] : [],
    )
    expect(truncates).toEqual([['t', 'other']])
  })

  test('rows of a table without columns, which say nothing but that they are there', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (); ALTER TABLE t REPLICA IDENTITY FULL')
    const reader = await source.followChanges()
    await source.write('INSERT INTO t DEFAULT VALUES', 'DELETE FROM t')
    expect(await reader.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation', relation: { columns: [] } },
      { kind: 'insert', new: {} },
      { kind: 'commit' },
      { kind: 'begin' },
      { kind: 'delete', old: {} },
      { kind: 'commit' },
    ])
  })

  test('rows with more columns and with fewer than those before, in one transaction', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const reader = await source.followChanges()
    await source.writeTogether(
      'INSERT INTO t VALUES (1)',
      "ALTER TABLE t ADD COLUMN a text DEFAULT 'a', ADD COLUMN b text",
      'INSERT INTO t VALUES (2)',
      'ALTER TABLE t DROP COLUMN a, DROP COLUMN b',
      'INSERT INTO t VALUES (3)',
    )
    const changes = await reader.untilMark(await source.mark())
    expect(changes.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))).toEqual([
      { id: 1 },
      { id: 2, a: 'a', b: null },
      { id: 3 },
    ])
  })

  test('settings that are reloaded while it streams, and a role that wants every notice', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const database = await source.value('SELECT quote_ident(current_database())')
    await source.write(`ALTER DATABASE ${database} SET client_min_messages = debug5`)
    const reader = await source.followChanges()
    await source.write(`ALTER DATABASE ${database} SET TimeZone = 'Asia/Tokyo'`, 'SELECT pg_reload_conf()')
    await source.write('INSERT INTO t VALUES (1)')
    const changes = await reader.untilMark(await source.mark())
    expect(changes.map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert', 'commit'])
  })
})

describe.each(testVersions().filter((version) => version >= 15))(
  'what 15 began to send, on PostgreSQL %i',
  (version) => {
    test('a row filter that fails, with what failed', async () => {
      await using source = await Source.make(
        await sharedServer(version),
        'CREATE TABLE t (id int PRIMARY KEY, n int)',
        {
          publication: 'FOR TABLE t WHERE (100 / id > 1)',
        },
      )
      const reader = await source.followChanges()
      await source.write('INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (0)')
      const error = await reader.failure()
      expect(error).toMatchObject({ code: 'server_error', sqlstate: '22012', retryable: false })
      expect(reader.events).toContainEqual(expect.objectContaining({ kind: 'insert', new: { id: 1, n: null } }))
    })
  },
)

describe.each(testVersions().filter((version) => version >= 17))(
  'what 17 began to send, on PostgreSQL %i',
  (version) => {
    test('notifications, since a login trigger listens', async () => {
      await using source = await Source.make(await sharedServer(version), 'CREATE TABLE t (id int PRIMARY KEY)')
      // a walsender must not listen, and the ordinary connection may
      await source.write(
        `CREATE FUNCTION listens() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN EXECUTE 'LISTEN news'; EXCEPTION WHEN feature_not_supported THEN NULL; END $$`,
        'CREATE EVENT TRIGGER listens ON login EXECUTE FUNCTION listens()',
      )
      const reader = await source.followChanges()
      for (let id = 1; id <= 3; id++) {
        // a type that the feed must ask for, over the connection that hears
        await source.write("NOTIFY news, 'heard'", `CREATE TYPE mood_${id} AS ENUM ('glad')`)
        await source.write(
          `CREATE TABLE t_${id} (id int, mood mood_${id})`,
          `INSERT INTO t_${id} VALUES (${id}, 'glad')`,
        )
      }
      const changes = await reader.untilMark(await source.mark())
      expect(changes.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))).toEqual([
        { id: 1, mood: 'glad' },
        { id: 2, mood: 'glad' },
        { id: 3, mood: 'glad' },
      ])
    })

    test('a warning that the stream waits for a standby, of a slot for failover', async () => {
      await using server = await bootServer({ version })
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
      await source.write(
        "SELECT pg_create_physical_replication_slot('standby')",
        `SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput', false, false, true)`,
      )
      await server.reload({ synchronized_standby_slots: 'standby' })
      const logger = recordingLogger()
      const reader = source.follow({ start: 'slot', logger })
      await source.write('INSERT INTO t VALUES (1)')
      const inserted = reader.until('the row', ({ events }) => events.some(({ kind }) => kind === 'insert'))
      await waitUntil('the warning', async () =>
        logger.lines('warn').some((line) => JSON.stringify(line).includes('synchronized_standby_slots')),
      )
      expect(reader.events).toEqual([])
      await server.reload({ synchronized_standby_slots: null })
      await inserted
    })
  },
)
