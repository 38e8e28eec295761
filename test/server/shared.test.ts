import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { sharedServer, testVersions } from './index.ts'

describe.each(testVersions())('the shared server of PostgreSQL %i', (version) => {
  test('is one server, with a database for each who asks', async () => {
    const first = await sharedServer(version)
    const second = await sharedServer(version)
    expect(second.port).toBe(first.port)
    const [mine, yours] = await Promise.all([first.createDatabase(), second.createDatabase()])
    expect(mine).not.toBe(yours)
    const sql = postgres(mine, { max: 1 })
    const [row] =
      await sql`SELECT current_setting('wal_level') AS level, current_setting('server_version_num')::int AS version`
    expect(row).toEqual({ level: 'logical', version: first.versionNum })
    expect(Math.floor(first.versionNum / 10_000)).toBe(version)
    await sql.end()
  })
})
