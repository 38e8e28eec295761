import { beforeAll, describe, expect, test } from 'vitest'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const tables = 'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY)'
const long = "repeat('x', 100)"
/** Does not compress, so that it is out of line. */
const huge = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i)`
const many = (from: number, to: number, value = long) =>
  `INSERT INTO t SELECT i, ${value} FROM generate_series(${from}, ${to}) i`

/**
 * Transactions that are rolled back after they have outgrown logical_decoding_work_mem. From 18 on the server tells of
 * their subtransactions by Stream Abort, though nobody asked for streaming.
 */
const rolledBack: readonly (readonly [string, readonly string[]])[] = [
  ['a released savepoint', [many(1, 11), 'SAVEPOINT a', many(101, 200), 'RELEASE a', many(1001, 3000)]],
  ['an open savepoint', [many(1, 11), 'SAVEPOINT a', many(101, 200), many(1001, 3000)]],
  [
    'savepoints in savepoints',
    [
      many(1, 11),
      ...Array.from({ length: 20 }, (_, i) => [`SAVEPOINT s${i}`, many(1000 * i + 100, 1000 * i + 300)]).flat(),
      'RELEASE s5',
      many(30_001, 32_000),
    ],
  ],
  [
    'savepoints, some rolled back to',
    [
      many(1, 11),
      'SAVEPOINT a',
      many(101, 1200),
      'SAVEPOINT b',
      many(2101, 3200),
      'ROLLBACK TO b',
      many(4101, 5200),
      'ROLLBACK TO a',
      'SAVEPOINT c',
      many(101, 1200),
      'RELEASE c',
      many(6001, 8000),
    ],
  ],
  [
    'a block with an exception handler',
    [
      many(1, 11),
      `DO $$ BEGIN
        FOR n IN 1..50 LOOP
          BEGIN
            ${many(101, 150).replaceAll('i,', 'n * 1000 + i,')};
            IF n % 7 = 0 THEN RAISE division_by_zero; END IF;
          EXCEPTION WHEN division_by_zero THEN NULL;
          END;
        END LOOP;
      END $$`,
      many(100_001, 102_000),
    ],
  ],
  ['values out of line', [many(1, 3), 'SAVEPOINT a', many(101, 110, huge), 'RELEASE a', many(201, 250, huge)]],
  [
    'messages and a new table',
    [
      many(1, 11),
      'SAVEPOINT a',
      many(101, 200),
      "SELECT pg_logical_emit_message(true, 'lost', repeat('x', 1000))",
      'CREATE TABLE gone AS SELECT generate_series(1, 100) AS id',
      'RELEASE a',
      "SELECT pg_logical_emit_message(true, 'lost', repeat('x', 1000)) FROM generate_series(1, 200)",
      many(1001, 3000),
    ],
  ],
]

describe.each(outerVersions())('a large transaction that is rolled back, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  async function smallMemory(): Promise<Source> {
    const source = await Source.make(server, tables)
    await source.write(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', current_database()); END $$",
    )
    return source
  }

  test.each(rolledBack)('with %s, leaves no trace, live and at each start', async (_, statements) => {
    await using source = await smallMemory()
    const first = await source.followChanges({ ack: 'never' })
    await source.write(`BEGIN; ${statements.join('; ')}; ROLLBACK`, 'INSERT INTO other VALUES (1)')
    const live = await first.untilMark(await source.mark())
    const start = first.batches.find(({ position }) => position.phase === 'stream')?.position
    await first.abandon()
    expect(live.map(({ kind }) => kind)).toEqual(['begin', 'relation', 'insert', 'commit'])

    // nothing was acknowledged: the server decodes it all again, and knows by now that it was rolled back
    for (const binary of [false, true]) {
      const again = source.follow({ start, ack: 'never', binary })
      const events = await again.untilMark(await source.mark())
      expect(events.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
      await again.abandon()
    }
  })

  test('while another session commits in between, costs the other nothing', async () => {
    await using source = await smallMemory()
    const reader = await source.followChanges({ ack: 'never' })
    const start = reader.stored
    const other = source.session()
    await source.write(`BEGIN; ${many(1, 11)}; SAVEPOINT a; ${many(101, 200)}; RELEASE a; ${many(1001, 3000)}`)
    await other.unsafe(`BEGIN; INSERT INTO other VALUES (1); SAVEPOINT b; INSERT INTO other VALUES (2)`).simple()
    await source.write(`${many(4001, 6000)}; ROLLBACK`)
    await other.unsafe('INSERT INTO other VALUES (3); COMMIT').simple()
    await reader.untilMark(await source.mark())
    await reader.abandon()

    const again = source.follow({ start })
    const events = await again.untilMark(await source.mark())
    expect(events.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
    ])
  })
})
