import { statSync } from 'node:fs'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { bootServer, type PemFile, type TestServer, testVersions, tlsFixtures } from './index.ts'
import { queryOnce } from './sql.ts'

describe.each(testVersions())('a server of PostgreSQL %i', (version) => {
  test('is of that version, ready for logical replication, and speaks UTF-8', async () => {
    await using server = await bootServer({ version })
    const sql = postgres(server.uri(), { max: 1 })
    const [row] = await sql`
      SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal,
             current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding,
             (SELECT datcollate FROM pg_database WHERE datname = 'postgres') AS collation`
    await sql.end()
    const collation = process.platform === 'darwin' ? 'C' : 'C.UTF-8'
    expect(row).toEqual({ version: server.versionNum, wal: 'logical', fsync: 'off', encoding: 'UTF8', collation })
    expect(Math.floor(server.versionNum / 10_000)).toBe(version)
  })

  test('never runs as root', async () => {
    await using server = await bootServer({ version })
    const owner = statSync(`${server.dataDir}/postmaster.pid`).uid
    expect(owner).not.toBe(0)
    if (process.getuid?.() !== 0) expect(owner).toBe(process.getuid?.())
  })

  test('keeps its data and its port over every kind of restart', async () => {
    await using server = await bootServer({ version })
    const uri = await server.createDatabase()
    await queryOnce(uri, 'CREATE TABLE kept (mode text)')
    for (const mode of ['smart', 'fast', 'immediate'] as const) {
      await queryOnce(uri, `INSERT INTO kept VALUES ('${mode}')`)
      await server.restart(mode)
    }
    expect(await queryOnce(uri, "SELECT string_agg(mode, ' ') FROM kept")).toBe('smart fast immediate')
    expect(await server.readLog()).toContain('database system was not properly shut down')
  })

  test('takes no connection while it is stopped', async () => {
    await using server = await bootServer({ version })
    await server.stop()
    await expect(queryOnce(server.uri(), 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
    await server.start()
    expect(await queryOnce(server.uri(), 'SELECT 1')).toBe('1')
  })
})

const version = testVersions()[0] ?? 17

test('servers booted at once get ports and data of their own', async () => {
  const servers = await Promise.all([bootServer({ version }), bootServer({ version }), bootServer({ version })])
  try {
    expect(new Set(servers.map((server) => server.port)).size).toBe(3)
    expect(new Set(servers.map((server) => server.dataDir)).size).toBe(3)
    for (const server of servers) expect(await queryOnce(server.uri(), 'SHOW port')).toBe(String(server.port))
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
})

test('a server that cannot start says why, with its log', async () => {
  await expect(bootServer({ version, settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
    /did not start[\s\S]*invalid value for parameter "shared_buffers"/,
  )
})

test('a superuser and settings of the test hold, and null is the default of the server', async () => {
  const settings = { work_mem: '7MB', application_name: "it's \\ quoted", max_wal_senders: null }
  await using server = await bootServer({ version, superuser: 'Ada Löve@lace', settings })
  expect(server.superuser).toBe('Ada Löve@lace')
  const shown = "current_user, current_setting('work_mem'), current_setting('max_wal_senders')"
  expect(await queryOnce(server.uri(), `SELECT concat_ws(', ', ${shown})`)).toBe('Ada Löve@lace, 7MB, 10')
  expect(await queryOnce(server.uri(), "SELECT reset_val FROM pg_settings WHERE name = 'work_mem'")).toBe('7168')
})

test('databases are new, empty, and of the encoding that is asked for', async () => {
  await using server = await bootServer({ version })
  const uris = await Promise.all([server.createDatabase(), server.createDatabase(), server.createDatabase()])
  expect(new Set(uris).size).toBe(3)
  const named = await server.createDatabase({ name: 'Größe "1"' })
  expect(await queryOnce(named, 'SELECT current_database()')).toBe('Größe "1"')
  const latin = await server.createDatabase({ encoding: 'LATIN1' })
  expect(await queryOnce(latin, 'SHOW server_encoding')).toBe('LATIN1')
})

test('a reload is over when it resolves, also for settings written while the server is stopped', async () => {
  await using server = await bootServer({ version })
  await server.reload({ work_mem: '9MB' })
  expect(await queryOnce(server.uri(), 'SHOW work_mem')).toBe('9MB')
  await server.stop()
  await server.reload({ wal_level: 'replica' })
  await server.start()
  expect(await queryOnce(server.uri(), "SELECT current_setting('work_mem') || current_setting('wal_level')")).toBe(
    '9MBreplica',
  )
})

test('pg_hba.conf can lock out everybody but the provider', async () => {
  await using server = await bootServer({ version })
  await server.writeHba(['host all all all reject'])
  await expect(queryOnce(server.uri(), 'SELECT 1')).rejects.toThrow('pg_hba.conf rejects connection')
  await server.createDatabase()
  await expect(server.writeHba(['host all all nonsense'])).rejects.toThrow('does not take these lines')
  await server.writeHba(['host all all all trust'])
  expect(await queryOnce(server.uri('postgres', { password: 'wrong' }), 'SELECT 1')).toBe('1')
})

describe('TLS', () => {
  /** Connects as a client that trusts `ca` and wants to reach `servername`; answers the server's word on encryption. */
  async function encrypted(server: TestServer, ca: PemFile, servername: string): Promise<unknown> {
    const sql = postgres(server.uri(), { max: 1, ssl: { ca: ca.pem, servername } })
    try {
      const [row] = await sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
      return row?.ssl
    } finally {
      await sql.end({ timeout: 1 })
    }
  }

  test('is off unless asked for', async () => {
    await using server = await bootServer({ version })
    expect(server.ssl).toBe(false)
    expect(await queryOnce(server.uri(), 'SHOW ssl')).toBe('off')
  })

  test('stands up to verification for localhost, and to no other', async () => {
    await using server = await bootServer({ version, ssl: true })
    expect(server.ssl).toBe(true)
    expect(await encrypted(server, tlsFixtures.ca, 'localhost')).toBe(true)
    await expect(encrypted(server, tlsFixtures.ca, 'db.walwire.test')).rejects.toThrow(/altnames/)
    await expect(encrypted(server, tlsFixtures.unknownCa, 'localhost')).rejects.toThrow(/certificate/)
    await server.writeHba(['hostssl all all all scram-sha-256'])
    await expect(queryOnce(server.uri(), 'SELECT 1')).rejects.toThrow('no encryption')
  })

  test('takes the certificate of another host', async () => {
    const { cert, key } = tlsFixtures.otherHost
    await using server = await bootServer({ version, ssl: { cert: cert.pem, key: key.pem } })
    expect(await encrypted(server, tlsFixtures.ca, 'db.walwire.test')).toBe(true)
    await expect(encrypted(server, tlsFixtures.ca, 'localhost')).rejects.toThrow(/altnames/)
  })
})
