import { describe, expect, test } from 'vitest'
import type { Connection } from '../../../src/protocol/connection/connection.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { isUnchanged } from '../../../src/replication/publication/table-fingerprint.ts'
import { createSlot } from '../../../src/replication/slot/slot-creation.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { connect, connectForReplication, firstValue } from '../connect.ts'

let slots = 0

interface Outcome {
  /** What the comparison says. */
  readonly same: boolean
  /** The rows that a copy in the snapshot finds; undefined where it fails. */
  readonly copied: number | undefined
}

/**
 * The story of trap 70: 100 rows, a slot with its snapshot, something done to the table in another session; then the
 * table is locked and compared, as before a copy.
 */
async function afterwards(major: number, ddl: string, done: string, table = 'public.t'): Promise<Outcome> {
  const server = await sharedServer(major)
  const url = await server.createDatabase()
  using ordinary = await connect(url)
  await ordinary.query(ddl)
  await ordinary.query(`INSERT INTO ${table} SELECT generate_series(1, 100)`)
  const oid = Number(await firstValue(ordinary, `SELECT '${table}'::regclass::oid`))
  using replication = await connectForReplication(url)
  const { snapshotName } = await createSlot(replication, ordinary, {
    name: `fingerprint_${process.pid}_${major}_${slots++}`,
    temporary: true,
    snapshot: 'export',
    timeoutMs: 20_000,
    logger: silentLogger,
    version: server.versionNum,
  })
  using other = await connect(url)
  for (const statement of done.split(';')) await other.query(statement)
  using worker = await connect(url)
  await worker.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${snapshotName}'`)
  // a table that is gone cannot be locked
  await worker
    .query(`SAVEPOINT locking; LOCK TABLE ${table} IN ACCESS SHARE MODE`)
    .catch(() => worker.query('ROLLBACK TO locking'))
  const same = await isUnchanged(worker, ordinary, oid)
  return { same, copied: await countRows(worker, table) }
}

async function countRows(worker: Connection, table: string): Promise<number | undefined> {
  return await firstValue(worker, `SELECT count(*) FROM ${table}`).then(Number, () => undefined)
}

const plain =
  'CREATE TABLE public.t (a int, b text DEFAULT repeat(chr(120), 10)); CREATE TABLE public.u (a int, b text)'
const tree = `CREATE TABLE public.t (a int) PARTITION BY RANGE (a);
  CREATE TABLE public.low PARTITION OF public.t FOR VALUES FROM (0) TO (50);
  CREATE TABLE public.high (a int) PARTITION BY RANGE (a);
  ALTER TABLE public.t ATTACH PARTITION public.high FOR VALUES FROM (50) TO (200);
  CREATE TABLE public.highest PARTITION OF public.high FOR VALUES FROM (50) TO (200);
  CREATE TABLE public.more (a int); INSERT INTO public.more VALUES (300)`

describe.each(testVersions())('a table between snapshot and lock, on PostgreSQL %i', (major) => {
  test.each<[string, string, number | undefined]>([
    ['a type that rewrites it', 'ALTER TABLE public.t ALTER a TYPE bigint', 0],
    ['a type that does not', 'ALTER TABLE public.t ALTER b TYPE varchar', 100],
    ['TRUNCATE', 'TRUNCATE public.t', 0],
    ['TRUNCATE, then rows', 'TRUNCATE public.t; INSERT INTO public.t SELECT generate_series(1, 7)', 0],
    ['DROP TABLE', 'DROP TABLE public.t', undefined],
    ['another table in its place', 'ALTER TABLE public.t RENAME TO old; ALTER TABLE public.u RENAME TO t', 0],
    ['another name', 'ALTER TABLE public.t RENAME TO old', undefined],
    ['another schema', 'CREATE SCHEMA s; ALTER TABLE public.t SET SCHEMA s', undefined],
    ['ADD COLUMN', 'ALTER TABLE public.t ADD c int', 100],
    ['ADD COLUMN with a default', 'ALTER TABLE public.t ADD c int DEFAULT 5', 100],
    ['DROP COLUMN', 'ALTER TABLE public.t DROP b', 100],
    ['RENAME COLUMN', 'ALTER TABLE public.t RENAME b TO c', 100],
    ['UNLOGGED', 'ALTER TABLE public.t SET UNLOGGED', 0],
  ])('differs after %s', async (_what, done, copied) => {
    expect(await afterwards(major, plain, done)).toEqual({ same: false, copied })
  })

  test.each<[string, string]>([
    ['nothing', 'SELECT 1'],
    [
      'rows',
      'INSERT INTO public.t VALUES (101); UPDATE public.t SET b = repeat(chr(121), 3000) WHERE a < 50; DELETE FROM public.t WHERE a > 50',
    ],
    ['VACUUM and ANALYZE', 'DELETE FROM public.t WHERE a > 10; VACUUM public.t; ANALYZE public.t'],
    ['an index and a key', 'CREATE INDEX ON public.t (a); ALTER TABLE public.t ADD PRIMARY KEY (a)'],
    ['REINDEX', 'CREATE INDEX i ON public.t (a); REINDEX TABLE public.t'],
    ['a default, a check, a comment', `ALTER TABLE public.t ALTER b SET DEFAULT 'y'; COMMENT ON TABLE public.t IS 'x'`],
    [
      'another identity, rights and statistics',
      'ALTER TABLE public.t REPLICA IDENTITY FULL; GRANT SELECT ON public.t TO PUBLIC',
    ],
    ['a table that inherits from it', 'CREATE TABLE public.child () INHERITS (public.t)'],
    ['another table truncated', 'TRUNCATE public.u'],
  ])('is the same after %s', async (_what, done) => {
    expect(await afterwards(major, plain, done)).toEqual({ same: true, copied: 100 })
  })

  test.each<[string, string]>([
    ['a leaf truncated', 'TRUNCATE public.highest'],
    ['the root truncated', 'TRUNCATE public.t'],
    ['a leaf detached', 'ALTER TABLE public.t DETACH PARTITION public.low'],
    ['a subtree detached', 'ALTER TABLE public.t DETACH PARTITION public.high'],
    ['a leaf detached concurrently', 'ALTER TABLE public.t DETACH PARTITION public.low CONCURRENTLY'],
    ['a leaf dropped', 'DROP TABLE public.low'],
    ['a table attached', 'ALTER TABLE public.t ATTACH PARTITION public.more FOR VALUES FROM (300) TO (400)'],
    ['a column added to all partitions', 'ALTER TABLE public.t ADD b int'],
  ])('a partitioned one differs after %s', async (_what, done) => {
    const outcome = await afterwards(major, tree, done)
    expect(outcome.same).toBe(false)
  })

  // Partitions by time are made every hour, and a copy may take longer.
  test.each<[string, string]>([
    [
      'rows and maintenance',
      'INSERT INTO public.t VALUES (3), (70); VACUUM public.low; ANALYZE public.t; CREATE INDEX ON public.t (a)',
    ],
    [
      'a partition made and filled',
      'CREATE TABLE public.new PARTITION OF public.t FOR VALUES FROM (300) TO (400); INSERT INTO public.t VALUES (301)',
    ],
    [
      'a table made, filled and attached',
      `CREATE TABLE public.new (a int); INSERT INTO public.new VALUES (301);
       ALTER TABLE public.t ATTACH PARTITION public.new FOR VALUES FROM (300) TO (400)`,
    ],
  ])('a partitioned one is the same after %s, and its copy too', async (_what, done) => {
    expect(await afterwards(major, tree, done)).toEqual({ same: true, copied: 100 })
  })

  test('a table that was never there is not the same as itself', async () => {
    const url = await (await sharedServer(major)).createDatabase()
    using connection = await connect(url)
    expect(await isUnchanged(connection, connection, 0xffff_ffff)).toBe(false)
  })
})
