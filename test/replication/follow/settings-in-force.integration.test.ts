import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createPublication } from '../../../src/cli/follow/create-publication.ts'
import { pooler } from '../../protocol/connection/pooler.ts'
import { bootServer, outerVersions, sharedServer } from '../../server/index.ts'
import { connect, firstValue } from '../connect.ts'
import { Source } from './helpers/source.ts'

const table = 'CREATE TABLE t (id int PRIMARY KEY, at timestamptz, bytes bytea)'
const values = "timestamptz '2024-03-02 04:05:06Z', '\\x00ff'"

/** The feed's login, and its database. */
async function asRole(source: Source): Promise<{ url: string; role: string; database: string }> {
  const url = new URL(source.url)
  const role = `settled_${source.slot}`
  await source.write(`CREATE ROLE ${role} SUPERUSER LOGIN REPLICATION PASSWORD '${url.password}'`)
  url.username = role
  return { url: url.href, role, database: url.pathname.slice(1) }
}

describe.each(outerVersions())('on PostgreSQL %i', (version) => {
  test.each(['ROLE', 'DATABASE'])(
    'a publication that was missing for a while ends the feed, though the %s wants no warnings: a row was lost in silence',
    async (whose) => {
      await using source = await Source.make(await sharedServer(version), table)
      const { url: connection, role, database } = await asRole(source)
      await source.write(`ALTER ${whose} ${whose === 'ROLE' ? role : database} SET client_min_messages = error`)
      try {
        const reader = await source.followChanges({ connection })
        await source.write(`INSERT INTO t VALUES (1, ${values})`)
        await reader.untilMark(await source.mark())
        await source.write(
          'DROP PUBLICATION pub',
          `INSERT INTO t VALUES (2, ${values})`,
          'CREATE PUBLICATION pub FOR TABLE t',
        )
        await source.write(`INSERT INTO t VALUES (3, ${values})`)
        expect(await reader.failure()).toMatchObject({ code: 'publication_missing', slot: source.slot })
        expect(reader.events.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
      } finally {
        await source.write(`DROP ROLE ${role}`)
      }
    },
  )

  test('values come in their form, copied and streamed, through something that drops the startup parameter options', async () => {
    await using source = await Source.make(await sharedServer(version), `${table}; INSERT INTO t VALUES (1, ${values})`)
    const database = new URL(source.url).pathname.slice(1)
    for (const setting of ["datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", 'bytea_output = escape']) {
      await source.write(`ALTER DATABASE ${database} SET ${setting}`)
    }
    const connection = await pooler(source.url, { startup: (parameters) => parameters.delete('options') })
    const reader = source.follow({ connection, values: 'text' })
    await reader.untilCopied()
    await source.write(`INSERT INTO t VALUES (2, ${values})`)
    await reader.untilMark(await source.mark())
    const form = { at: '2024-03-02 04:05:06+00', bytes: '\\x00ff' }
    expect(
      reader.events.flatMap((event) => ('new' in event ? [event.new] : 'row' in event ? [event.row] : [])),
    ).toEqual([
      { id: '1', ...form },
      { id: '2', ...form },
    ])
  })

  test('a publication can be made where the database is read-only and serializable by default', async () => {
    await using source = await Source.make(await sharedServer(version), table, { publication: null })
    const database = new URL(source.url).pathname.slice(1)
    await source.write(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await source.write(`ALTER DATABASE ${database} SET default_transaction_isolation = serializable`)
    using connection = await connect(source.url)
    expect(await createPublication(connection, 'pub', [{ schema: undefined, name: 't' }])).toBe(true)
    expect(await firstValue(connection, 'SHOW search_path')).toBe('')
  })

  test('a standby answers, though the database is serializable by default: it refused the first query', async () => {
    await using server = await bootServer({ version })
    {
      using ordinary = await connect(server.uri())
      await ordinary.query('ALTER DATABASE postgres SET default_transaction_isolation = serializable')
    }
    await server.stop()
    await writeFile(join(server.dataDir, 'standby.signal'), '')
    await server.start()
    using ordinary = await connect(server.uri())
    expect(await firstValue(ordinary, 'SELECT pg_is_in_recovery()')).toBe('t')
    // set by the look, where nothing of the startup packet gets through
    using other = await connect(await pooler(server.uri(), { startup: (parameters) => parameters.delete('options') }))
    expect(await firstValue(other, 'SELECT pg_is_in_recovery()')).toBe('t')
  })

  test('through something that drops the startup parameter replication, that is what the error says', async () => {
    await using source = await Source.make(await sharedServer(version), table)
    const connection = await pooler(source.url, { startup: (parameters) => parameters.delete('replication') })
    expect(await source.follow({ connection }).failure()).toMatchObject({ code: 'not_replication' })
  })
})
