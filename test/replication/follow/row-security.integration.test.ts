import { beforeAll, describe, expect, test } from 'vitest'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
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
