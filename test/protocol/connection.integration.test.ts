import { describe, expect, test } from 'vitest'
import { Connection } from '../../src/protocol/connection.ts'
import { resolveConnection } from '../../src/protocol/resolve-connection.ts'
import { sharedServer, testVersions } from '../server/index.ts'

describe.each(testVersions())('PostgreSQL %i', (version) => {
  test('answers queries', async () => {
    const server = await sharedServer(version)
    const connection = await Connection.open(await resolveConnection(await server.createDatabase()))
    expect(connection.serverVersion).toBe(server.versionNum)
    const results = await connection.query("select 1 as a, null as b; select 'x' as c; create table public.t ()")
    expect(results).toEqual([
      { columns: ['a', 'b'], rows: [['1', null]], command: 'SELECT 1' },
      { columns: ['c'], rows: [['x']], command: 'SELECT 1' },
      { columns: [], rows: [], command: 'CREATE TABLE' },
    ])
    const shown = await connection.query(
      'show search_path; show row_security; show timezone; show client_encoding; show extra_float_digits; show idle_session_timeout; show datestyle',
    )
    expect(shown.map((result) => result.rows[0]?.[0])).toEqual(['', 'off', 'UTC', 'UTF8', '3', '0', 'ISO, MDY'])
    await connection.close()
    expect((await connection.ended).code).toBe('connection_closed')
  })
})
