import { describe, expect, test } from 'vitest'
import { bootServer, testVersions, tlsFixtures } from '../../server/index.ts'
import { eavesdropper } from './eavesdropper.ts'
import { open, value } from './real.ts'

describe('a server of one’s own', () => {
  const [version = 17] = testVersions()

  test('lets in by each method of pg_hba.conf, over TCP and over the socket', async () => {
    await using server = await bootServer({ version })
    const admin = await open(server.uri())
    await admin.query(`
      set password_encryption = 'scram-sha-256'; create role ada login password 'secret';
      set password_encryption = 'md5'; create role bob login password 'secret'`)
    const hosts = [server.host, server.socketDir]
    const as = (host: string, user: string, options: object = {}) =>
      open({ host, port: server.port, dbname: 'postgres', user, ...options })
    const hba = (method: string) => server.writeHba([`local all all ${method}`, `host all all all ${method}`])

    await hba('trust')
    for (const host of hosts) expect(await value(await as(host, 'ada'), 'select current_user')).toBe('ada')
    await expect(as(server.host, 'ada', { require_auth: '!none' })).rejects.toMatchObject({ code: 'auth_failed' })

    // scram-sha-256 stands for the one role, md5 for the other
    for (const [method, user, asked] of [
      ['password', 'ada', 'password'],
      ['md5', 'bob', 'md5'],
      ['md5', 'ada', 'scram-sha-256'],
      ['scram-sha-256', 'ada', 'scram-sha-256'],
    ] as const) {
      await hba(method)
      for (const host of hosts) {
        const given = { password: 'secret', require_auth: asked }
        expect(await value(await as(host, user, given), 'select current_user')).toBe(user)
        await expect(as(host, user, { password: 'wrong' })).rejects.toMatchObject({
          code: 'auth_failed',
          sqlstate: '28P01',
        })
        await expect(as(host, user)).rejects.toMatchObject({
          code: 'auth_failed',
          hint: expect.stringContaining('PGPASSWORD'),
        })
      }
    }

    await hba('reject')
    await expect(as(server.host, 'ada')).rejects.toMatchObject({ code: 'auth_failed', sqlstate: '28000' })
  })

  test('encrypts, and is checked', async () => {
    await using server = await bootServer({ version, ssl: true, hba: ['hostssl all all all scram-sha-256'] })
    const { ca, unknownCa } = tlsFixtures
    const to = (host: string, options: object) =>
      open({
        host,
        port: server.port,
        dbname: 'postgres',
        user: server.superuser,
        password: server.password,
        ...options,
      })
    const encrypted = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
    for (const options of [
      { sslmode: 'prefer' },
      { sslmode: 'require' },
      { sslmode: 'verify-ca', sslrootcert: ca.path },
      { sslmode: 'verify-full', sslrootcert: ca.path },
      { tls: { ca: ca.pem } },
    ]) {
      const connection = await to('localhost', options)
      expect(connection.encrypted).toBe(true)
      expect(await value(connection, encrypted)).toBe('t')
      await connection.copy('copy (select generate_series(1, 100000000)) to stdout')
      await connection.cancel()
      await expect(connection.endCopy()).rejects.toMatchObject({ code: 'cancelled' })
    }
    expect((await to('127.0.0.1', { sslmode: 'verify-full', sslrootcert: ca.path })).encrypted).toBe(true)
    await expect(to('localhost', { sslmode: 'verify-ca', sslrootcert: unknownCa.path })).rejects.toMatchObject({
      code: 'tls_failed',
    })
    await expect(to('localhost', { sslmode: 'prefer', sslrootcert: unknownCa.path })).rejects.toMatchObject({
      code: 'tls_failed',
    })
    const elsewhere = { host: 'db.walwire.test', hostaddr: '127.0.0.1', sslmode: 'verify-full', sslrootcert: ca.path }
    await expect(to('', elsewhere)).rejects.toMatchObject({ code: 'tls_failed', hint: expect.stringContaining('name') })
    // the server has no entry for plaintext
    await expect(to('localhost', { sslmode: 'disable' })).rejects.toMatchObject({
      code: 'auth_failed',
      sqlstate: '28000',
    })
    // over the socket there is none, whatever is asked
    const local = await to(server.socketDir, { sslmode: 'verify-full' })
    expect(await value(local, encrypted)).toBe('f')
  })

  test('binds the password to the TLS connection, so that somebody in between is found out', async () => {
    const { localhost, otherHost } = tlsFixtures
    for (const { cert, key } of [localhost, otherHost]) {
      const ssl = { cert: cert.pem, key: key.pem }
      await using server = await bootServer({ version, ssl })
      const to = (port: number, options: object) =>
        open({
          host: 'localhost',
          port,
          dbname: 'postgres',
          user: server.superuser,
          password: server.password,
          ...options,
        })
      for (const channel_binding of ['disable', 'prefer', 'require']) {
        const connection = await to(server.port, { sslmode: 'require', channel_binding })
        expect(await value(connection, 'select 1')).toBe('1')
      }
      await expect(to(server.port, { sslmode: 'disable', channel_binding: 'require' })).rejects.toMatchObject({
        code: 'auth_failed',
        why: expect.stringContaining('channel_binding'),
      })
      // with a certificate of its own, which nobody checks with sslmode=require
      await using between = await eavesdropper(server.port, cert === localhost.cert ? otherHost : localhost)
      await expect(to(between.port, { sslmode: 'require' })).rejects.toMatchObject({
        code: 'auth_failed',
        sqlstate: '28000',
        hint: expect.stringContaining('ends TLS'),
      })
      expect(await value(await to(between.port, { sslmode: 'require', channel_binding: 'disable' }), 'select 1')).toBe(
        '1',
      )
    }
  })

  test('takes a client’s certificate, and refuses the lack of one', async () => {
    await using server = await bootServer({ version, ssl: true, hba: ['hostssl all all all cert'] })
    const { ca, client } = tlsFixtures
    const base = {
      host: 'localhost',
      port: server.port,
      dbname: 'postgres',
      user: 'postgres',
      sslmode: 'verify-full',
      sslrootcert: ca.path,
    } as const
    const connection = await open({ ...base, sslcert: client.cert.path, sslkey: client.key.path })
    expect(await value(connection, 'select current_user')).toBe('postgres')
    await expect(open(base)).rejects.toMatchObject({ code: 'auth_failed', sqlstate: '28000' })
    // one that is not for clients; with TLS 1.3 the server says so only after the client's handshake is over
    const { cert, key } = tlsFixtures.localhost
    await expect(open({ ...base, sslcert: cert.path, sslkey: key.path })).rejects.toMatchObject({ code: 'tls_failed' })
  })

  test('without TLS refuses who demands it', async () => {
    await using server = await bootServer({ version })
    const input = (sslmode: string) => server.uri('postgres', { sslmode, sslrootcert: tlsFixtures.ca.path })
    for (const sslmode of ['require', 'verify-ca', 'verify-full']) {
      await expect(open(input(sslmode))).rejects.toMatchObject({ code: 'tls_refused' })
    }
    expect((await open(input('prefer'))).encrypted).toBe(false)
  })

  test.each(['fast', 'immediate'] as const)(
    'that stops (%s) is noticed, and is not there until it has started',
    async (mode) => {
      await using server = await bootServer({ version })
      const idle = await open(server.uri())
      const sleeping = await open(server.uri())
      const failed = expect(sleeping.query('select pg_sleep(60)')).rejects.toMatchObject({
        code: expect.stringMatching(/server_stopping|connection_lost/),
        retryable: true,
      })
      await server.stop(mode)
      await failed
      expect(await idle.ended).toMatchObject({
        code: mode === 'fast' ? 'server_stopping' : expect.stringMatching(/server_stopping|connection_lost/),
        retryable: true,
      })
      await expect(open(server.uri())).rejects.toMatchObject({ code: 'connect_failed', retryable: true })
      await server.start()
      expect(await value(await open(server.uri()), 'select 1')).toBe('1')
    },
  )
})
