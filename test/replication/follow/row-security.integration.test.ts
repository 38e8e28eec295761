import { beforeAll, describe, expect, test } from 'vitest'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { beforeCommand } from './helpers/between.ts'
import { Source } from './helpers/source.ts'

const guarded = `
  CREATE TABLE free (id int PRIMARY KEY);
  INSERT INTO free SELECT generate_series(1, 10);
  CREATE TABLE guarded (id int PRIMARY KEY, tenant text);
  INSERT INTO guarded VALUES (1, 'mine'), (2, 'theirs');
  ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own_rows ON guarded USING (tenant = 'mine');
`

/** A role that may replicate and read everything, and is no superuser: policies hold for it. */
async function makeFollower(source: Source, attributes = ''): Promise<string> {
  const role = `follower_${source.slot}`
  await source.write(
    `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret' ${attributes}`,
    `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
  )
  return role
}

function urlAs(source: Source, user: string): string {
  const url = new URL(source.url)
  url.username = user
  url.password = 'secret'
  return url.href
}

describe.each(testVersions())('row-level security, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('would filter the copy and not the stream, so a role that it holds for cannot copy, and leaves no slot', async () => {
    await using source = await Source.make(server, guarded)
    const role = await makeFollower(source)
    const reader = source.follow({ connection: urlAs(source, role) })
    const error = await reader.failure()

    expect(error).toMatchObject({ code: 'row_security', table: 'public.guarded', sqlstate: '42501', retryable: false })
    expect(error.hint).toContain('BYPASSRLS')
    expect(await source.slotRow()).toBeUndefined()
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test('does not hold for a role that bypasses it: every row is copied', async () => {
    await using source = await Source.make(server, guarded)
    const role = await makeFollower(source, 'BYPASSRLS')
    const reader = source.follow({ connection: urlAs(source, role) })
    const copied = await reader.untilCopied()
    const rows = copied.filter((event) => event.kind === 'snapshot' && event.table === 'public.guarded')
    expect(rows).toMatchObject([{ new: { id: 1 } }, { new: { id: 2 } }])
    await reader.close()
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test('whatever the role has set for itself', async () => {
    await using source = await Source.make(server, guarded)
    const role = await makeFollower(source)
    await source.write(`ALTER ROLE ${role} SET row_security = on`, `ALTER ROLE ${role} SET statement_timeout = 1`)
    const error = await source.follow({ connection: urlAs(source, role) }).failure()
    expect(error.code).toBe('row_security')
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test('a table that the role may not read is named, with what to grant', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const role = `follower_${source.slot}`
    await source.write(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'`)
    const error = await source.follow({ connection: urlAs(source, role) }).failure()
    expect(error).toMatchObject({ code: 'not_permitted', table: 'public.t' })
    expect(error.hint).toContain('GRANT SELECT ON public.t')
    expect(await source.slotRow()).toBeUndefined()
    await source.write(`DROP ROLE ${role}`)
  })
})

describe.each(testVersions())('a role that may read some columns only, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  interface Case {
    readonly what: string
    readonly setup: string
    readonly publication: string
    readonly grant: string
    readonly rows: readonly object[]
    readonly since: number
  }

  const plain = `CREATE TABLE t (id int PRIMARY KEY, "N" text, hidden text); INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y')`
  const tree = `CREATE TABLE t (id int PRIMARY KEY, n text, hidden text) PARTITION BY RANGE (id);
    CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (2); CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (2) TO (9);
    INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y')`
  const cases: readonly Case[] = [
    {
      what: 'all of them, each by itself',
      setup: plain,
      publication: 'FOR TABLE t',
      grant: 'SELECT (id, "N", hidden) ON t',
      rows: [
        { id: 1, N: 'a', hidden: 'x' },
        { id: 2, N: 'b', hidden: 'y' },
      ],
      since: 14,
    },
    {
      what: 'those that the publication lists',
      setup: plain,
      publication: 'FOR TABLE t (id, "N")',
      grant: 'SELECT (id, "N") ON t',
      rows: [
        { id: 1, N: 'a' },
        { id: 2, N: 'b' },
      ],
      since: 15,
    },
    {
      what: 'those that are listed and those of the row filter',
      setup: `${plain}; ALTER TABLE t REPLICA IDENTITY FULL`,
      publication: `FOR TABLE t (id) WHERE (hidden > 'x') WITH (publish = 'insert')`,
      grant: 'SELECT (id, hidden) ON t',
      rows: [{ id: 2 }],
      since: 15,
    },
    {
      what: 'those of a root, and nothing of its partitions',
      setup: tree,
      publication: 'FOR TABLE t (id, n) WITH (publish_via_partition_root)',
      grant: 'SELECT (id, n) ON t',
      rows: [
        { id: 1, n: 'a' },
        { id: 2, n: 'b' },
      ],
      since: 15,
    },
    {
      what: 'a generated one that is listed',
      setup: `CREATE TABLE t (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO t VALUES (1, 3)`,
      publication: 'FOR TABLE t (id, twice)',
      grant: 'SELECT (id, twice) ON t',
      rows: [{ id: 1, twice: 6 }],
      since: 18,
    },
  ]

  test.each(cases.filter(({ since }) => version >= since))('$what, copies with them', async (given) => {
    await using source = await Source.make(server, given.setup, { publication: given.publication })
    const role = `follower_${source.slot}`
    await source.write(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'`, `GRANT ${given.grant} TO ${role}`)
    const reader = source.follow({ connection: urlAs(source, role) })
    const copied = await reader.untilCopied()
    expect(copied.flatMap((event) => (event.kind === 'snapshot' ? [event.new] : []))).toEqual(given.rows)
    await reader.close()
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test('holds the table as it is while it is copied, as every other does', async () => {
    await using source = await Source.make(server, plain, { publication: 'FOR TABLE t' })
    const role = `follower_${source.slot}`
    await source.write(
      `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT (id, "N", hidden) ON t TO ${role}`,
    )
    const emptying = source.session()
    let refused: unknown
    const connection = beforeCommand(urlAs(source, role), 'COPY ', async () => {
      refused = await emptying
        .unsafe('SET lock_timeout = 300; TRUNCATE t')
        .simple()
        .catch((error: unknown) => error)
    })
    const reader = source.follow({ connection })
    const copied = await reader.untilCopied()
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
    expect(refused).toMatchObject({ code: '55P03' })
    await reader.close()
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test.runIf(version >= 15)('and not that of the row filter, is told of it', async () => {
    await using source = await Source.make(server, plain, {
      publication: `FOR TABLE t (id) WHERE (hidden > 'x') WITH (publish = 'insert')`,
    })
    const role = `follower_${source.slot}`
    await source.write(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT (id) ON t TO ${role}`)
    const error = await source.follow({ connection: urlAs(source, role) }).failure()
    expect(error).toMatchObject({ code: 'not_permitted', table: 'public.t' })
    expect(error.hint).toContain('(id, and those of its row filter)')
    await source.write(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })
})
