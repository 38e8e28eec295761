import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { keywords } from '../../../src/protocol/connection/connection-keywords.ts'
import type { ConnectionInput } from '../../../src/protocol/connection/connection-options.ts'
import { resolve } from './worlds.ts'

const tcp = (host: string, port = 5432) => ({ kind: 'tcp', host, port })

describe('a connection', () => {
  test('out of nothing has libpq’s defaults', async () => {
    const resolved = await resolve()
    expect(resolved).toMatchObject({
      endpoint: tcp('localhost'),
      user: 'me',
      dbname: 'me',
      sslmode: 'prefer',
      connectTimeoutMs: 10_000,
      applicationName: undefined,
      options: undefined,
      acceptedMethods: undefined,
      keepAliveIdleMs: 60_000,
      description: 'me@localhost:5432/me',
      warnings: [],
    })
    expect(await resolved.password()).toBe(undefined)
  })

  test('goes to the Unix socket where there is one, by the port’s name', async () => {
    const sockets = ['/tmp/.s.PGSQL.5433']
    expect((await resolve({}, { sockets })).endpoint).toEqual(tcp('localhost'))
    expect(await resolve({ port: 5433 }, { sockets })).toMatchObject({
      endpoint: { kind: 'unix', path: '/tmp/.s.PGSQL.5433' },
      sslmode: 'disable',
      tls: undefined,
    })
    const both = ['/tmp/.s.PGSQL.5432', '/var/run/postgresql/.s.PGSQL.5432']
    expect((await resolve({}, { sockets: both })).endpoint).toEqual({ kind: 'unix', path: both[1] })
    expect((await resolve({}, { sockets: both, platform: 'win32' })).endpoint).toEqual(tcp('localhost'))
  })

  test('is what was given, then the environment, then the default', async () => {
    const env = {
      PGHOST: 'env.example',
      PGPORT: '1111',
      PGUSER: 'env-user',
      PGDATABASE: 'env-db',
      PGPASSWORD: 'env-secret',
      PGAPPNAME: 'env-app',
      PGOPTIONS: '-c geqo=off',
      PGCONNECT_TIMEOUT: '3',
      PGSSLMODE: 'disable',
      PGREQUIREAUTH: 'scram-sha-256',
    }
    const fromEnv = await resolve(undefined, { env })
    expect(fromEnv).toMatchObject({
      endpoint: tcp('env.example', 1111),
      user: 'env-user',
      dbname: 'env-db',
      applicationName: 'env-app',
      options: '-c geqo=off',
      connectTimeoutMs: 3000,
      sslmode: 'disable',
      acceptedMethods: new Set(['scram-sha-256']),
    })
    expect(await fromEnv.password()).toBe('env-secret')
    const given = await resolve('postgres://u:p@h:2/d?connect_timeout=4&sslmode=require&application_name=a', { env })
    expect(given).toMatchObject({
      endpoint: tcp('h', 2),
      user: 'u',
      dbname: 'd',
      applicationName: 'a',
      connectTimeoutMs: 4000,
      sslmode: 'require',
      options: '-c geqo=off',
    })
    expect(await given.password()).toBe('p')
    expect(await resolve({ host: 'h', user: 'u', dbname: 'd' }, { env })).toMatchObject({
      endpoint: tcp('h', 1111),
      user: 'u',
      dbname: 'd',
    })
  })

  test('counts an empty variable, and an undefined keyword, as none', async () => {
    const env = { PGHOST: '', PGSSLMODE: '', PGSERVICE: '', PGPORT: '' }
    expect(await resolve({ host: undefined, user: undefined }, { env })).toMatchObject({ endpoint: tcp('localhost') })
  })

  test('connects to hostaddr and keeps host for the certificate and the password file', async () => {
    const resolved = await resolve({
      host: 'db.example',
      hostaddr: '10.0.0.1',
      sslmode: 'verify-full',
      sslrootcert: 'system',
    })
    expect(resolved.endpoint).toEqual(tcp('10.0.0.1'))
    expect(resolved.tls?.servername).toBe('db.example')
  })

  test('describes itself without a secret', async () => {
    const resolved = await resolve('postgres://u:hunter2@[::1]:9/d?sslpassword=hunter2')
    expect(resolved.description).toBe('u@[::1]:9/d')
    expect(JSON.stringify(resolved.description)).not.toContain('hunter2')
  })

  test('takes a password from a function, each time anew', async () => {
    let calls = 0
    const resolved = await resolve(
      { host: 'h', password: async () => `token ${++calls}` },
      { env: { PGPASSWORD: 'no' } },
    )
    expect([await resolved.password(), await resolved.password()]).toEqual(['token 1', 'token 2'])
  })

  test('goes through a stream of the caller’s, without TLS unless that is asked for', async () => {
    const connect = async () => new PassThrough()
    expect(await resolve({ connect, user: 'u' })).toMatchObject({
      endpoint: { kind: 'custom', connect },
      sslmode: 'disable',
    })
    expect(await resolve({ connect, user: 'u', sslmode: 'require' })).toMatchObject({ sslmode: 'require' })
    await expect(resolve({ connect, sslmode: 'verify-full', tls: { ca: 'x' } })).rejects.toMatchObject({
      code: 'bad_connection',
      why: expect.stringContaining('name'),
    })
    expect(await resolve({ connect, tls: { servername: 'db.example' } })).toMatchObject({ sslmode: 'verify-full' })
  })
})

describe('the password file', () => {
  const files = { '/home/me/.pgpass': 'localhost:5432:d:u:socket\nh:5432:d:u:tcp\n10.0.0.1:*:*:*:addr' }

  test.each<[string, ConnectionInput, string | undefined]>([
    ['by host', { host: 'h', user: 'u', dbname: 'd' }, 'tcp'],
    ['by address, where there is no host', { hostaddr: '10.0.0.1', user: 'u' }, 'addr'],
    ['by localhost for the default socket', { host: '/tmp', user: 'u', dbname: 'd' }, 'socket'],
    ['by its folder for another socket', { host: '/srv/pg', user: 'u', dbname: 'd' }, undefined],
    ['not at all for another user', { host: 'h', user: 'v', dbname: 'd' }, undefined],
  ])('is searched %s', async (_, input, password) => {
    expect(await (await resolve(input, { files })).password()).toBe(password)
  })

  test('comes last, and may be elsewhere', async () => {
    const input = { host: 'h', user: 'u', dbname: 'd' }
    expect(await (await resolve(input, { files, env: { PGPASSWORD: 'env' } })).password()).toBe('env')
    const elsewhere = { '/etc/pass': 'h:*:*:*:elsewhere' }
    expect(await (await resolve({ ...input, passfile: '/etc/pass' }, { files: elsewhere })).password()).toBe(
      'elsewhere',
    )
    expect(await (await resolve(input, { files: elsewhere, env: { PGPASSFILE: '/etc/pass' } })).password()).toBe(
      'elsewhere',
    )
  })

  test.each([
    ['others can read', { exposed: true }, /chmod 600/],
    ['is a folder', { plain: false }, /plain file/],
  ])('is not used, and not silently, when it is one that %s', async (_, file, warning) => {
    const exposed = { '/home/me/.pgpass': { text: '*:*:*:*:secret', ...file } }
    const resolved = await resolve({ host: 'h' }, { files: exposed })
    expect(await resolved.password()).toBe(undefined)
    expect(resolved.warnings).toEqual([expect.stringMatching(warning)])
    expect(resolved.warnings.join()).not.toContain('secret')
  })
})

describe('what cannot be obeyed is refused', () => {
  test.each<[string, ConnectionInput]>([
    ['an abstract socket', { host: '@x' }],
    ['sslmode allow', { sslmode: 'allow' } as object],
    ['a service', 'postgres://h?service=x'],
    ['balancing', 'postgres://h?load_balance_hosts=random'],
    ['GSS encryption', 'postgres://h?gssencmode=require'],
    ['direct TLS', 'postgres://h?sslnegotiation=direct'],
    ['another encoding', 'postgres://h?client_encoding=LATIN1'],
    ['replication', 'postgres://h?replication=database'],
    ['a revocation list', 'postgres://h?sslcrl=/x'],
    ['a Kerberos service', 'postgres://h?krbsrvname=x'],
    ['keepalives that Node cannot set', 'postgres://h?keepalives_count=3'],
    ['OAuth', 'postgres://h?oauth_issuer=x'],
  ])('as not supported: %s', async (_, input) => {
    await expect(resolve(input)).rejects.toMatchObject({ code: 'unsupported_option' })
  })

  test.each(['PGSERVICE', 'PGSSLCRL', 'PGGSSENCMODE', 'PGREQUIREPEER', 'PGKRBSRVNAME'])(
    'also from the environment: %s',
    async (variable) => {
      await expect(resolve({}, { env: { [variable]: 'require' } })).rejects.toMatchObject({
        code: 'unsupported_option',
        what: expect.stringContaining(variable),
      })
    },
  )

  test('but not from the environment where the program says otherwise', async () => {
    const env = { PGTARGETSESSIONATTRS: 'read-write', PGGSSENCMODE: 'require' }
    const input = { target_session_attrs: 'any', gssencmode: 'disable' } as const
    await expect(resolve(input, { env })).resolves.toBeDefined()
  })

  test.each([
    'postgres://h?channel_binding=prefer&gssencmode=disable&target_session_attrs=any&sslcompression=0',
    'postgres://h?client_encoding=UTF8&load_balance_hosts=disable&sslnegotiation=postgres&sslcertmode=allow',
  ])('but not where it asks for what happens anyway: %s', async (uri) => {
    await expect(resolve(uri)).resolves.toBeDefined()
  })

  test.each<[string, ConnectionInput, RegExp]>([
    ['an unknown keyword', { databse: 'x' } as object, /"databse" is not known/],
    ['an unknown keyword in a URI', 'postgres://h?sslmod=require', /^the keyword "…" is not known/],
    ['a keyword of another library', { database: 'x' } as object, /database/],
    ['an inherited name', 'postgres://h?constructor=x', /not known/],
    ['an unknown sslmode', { sslmode: 'verify_full' } as object, /sslmode "verify_full" is not known/],
    ['an empty sslmode', 'postgres://h?sslmode=', /sslmode "" is not known/],
    ['more ports than hosts', { host: 'a,b', port: '1,2,3' }, /3 ports and 2 hosts do not match/],
    ['two ports for no host', { port: '1,2' }, /2 ports and one host do not match/],
    ['fewer hosts than addresses', { host: 'a', hostaddr: '::1,::2' }, /one host and 2 addresses/],
    ['a target that is none', { target_session_attrs: 'master' } as object, /target_session_attrs is "master"/],
    ['a port that is none', { port: 70000 }, /port is not/],
    ['a port that is text', { port: 'x' }, /port is not/],
    ['port 0', { port: 0 }, /port is not/],
    ['half a second', { connect_timeout: 0.5 }, /connect_timeout is "0.5"/],
    ['an address that is a name', { hostaddr: 'localhost' }, /no IP address/],
    ['sslsni=yes', { sslsni: 'yes' } as object, /sslsni is "yes"/],
    ['a version of TLS that is none', { ssl_min_protocol_version: 'SSLv3' } as object, /ssl_min_protocol_version/],
    ['a boolean', { keepalives: true } as object, /neither a text nor a number/],
    ['a zero byte', { user: 'a\0b' }, /zero byte/],
    ['a channel binding that is none', { channel_binding: 'on' } as object, /channel_binding is "on"/],
    ['an unknown method', { require_auth: 'scram' }, /require_auth names "scram"/],
    ['methods with and without !', { require_auth: '!md5,password' }, /mixes/],
    ['a root certificate that does not exist', { sslrootcert: '/nowhere' }, /\/nowhere \(sslrootcert\) does not exist/],
    ['a client certificate that does not exist', { sslcert: '/nowhere' }, /sslcert/],
  ])('as wrong: %s', async (_, input, why) => {
    await expect(resolve(input)).rejects.toMatchObject({ code: 'bad_connection', why: expect.stringMatching(why) })
  })

  test('and the hint names the right keyword', async () => {
    await expect(resolve({ database: 'x' } as object)).rejects.toMatchObject({ hint: 'write dbname' })
  })

  test('no user at all', async () => {
    await expect(resolve({}, { userName: undefined })).rejects.toMatchObject({ code: 'bad_connection' })
  })

  test('every keyword is either obeyed, or refused with a reason', () => {
    for (const [name, keyword] of Object.entries(keywords)) {
      expect('supported' in keyword || 'reason' in keyword, name).toBe(true)
    }
  })
})

describe('numbers', () => {
  test.each([
    ['0', 0],
    ['-1', 0],
    ['1', 1000],
    ['99999999999', 0x7fff_ffff],
  ])('connect_timeout=%s', async (connect_timeout, ms) => {
    expect((await resolve({ connect_timeout })).connectTimeoutMs).toBe(ms)
  })

  test.each([
    [{}, 60_000],
    [{ keepalives_idle: 30 }, 30_000],
    [{ keepalives_idle: 0 }, 0],
    [{ keepalives: 0, keepalives_idle: 60 }, undefined],
  ] as const)('%j', async (input, ms) => {
    expect((await resolve(input)).keepAliveIdleMs).toBe(ms)
  })

  test.each([
    [{ host: 'h' }, {}, 'prefer'],
    [{ host: 'h' }, { PGCHANNELBINDING: 'require' }, 'require'],
    ['postgres://h?sslmode=require&channel_binding=require', {}, 'require'],
    [{ host: 'h', channel_binding: 'disable' }, { PGCHANNELBINDING: 'require' }, 'disable'],
  ] as const)('channel binding of %j with %j', async (input, env, mode) => {
    expect((await resolve(input, { env })).channelBinding).toBe(mode)
  })

  test.each([
    ['md5', ['md5']],
    ['scram-sha-256,none', ['none', 'scram-sha-256']],
    ['!password,!none', ['md5', 'scram-sha-256']],
    ['gss', []],
  ])('require_auth=%s', async (require_auth, methods) => {
    expect((await resolve({ require_auth })).acceptedMethods).toEqual(new Set(methods))
  })
})
