import { createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Connection } from '../../../src/protocol/connection/connection.ts'
import {
  authenticationCleartext,
  authenticationMd5,
  authenticationOk,
  authenticationSasl,
  backendKeyData,
  bytes,
  cstring,
  fatal,
  int8,
  message,
  noticeResponse,
  parameterStatus,
  readyForQuery,
  sessionBegins,
} from '../messages/server-messages.ts'
import { answerToLook } from '../messages/settings-look.ts'
import { openOver, openTo, resolved } from './connecting.ts'
import { duplexPair, fakeServer, fakeStream, type Peer } from './fake-server.ts'
import { type ScramMischief, scram } from './scram-server.ts'

const password = 'hunter2'

async function login(script: (peer: Peer) => Promise<void> | void, options: object = {}): Promise<Connection> {
  const connect = fakeStream(async (peer) => {
    await peer.startup()
    await script(peer)
    await peer.gone()
  })
  return Connection.open(await resolved({ connect, connect_timeout: 2, password, ...options }))
}

describe('the startup message', () => {
  test('has the session settings, after the caller’s own options so that they win', async () => {
    let parameters: ReadonlyMap<string, string> = new Map()
    const connect = fakeStream(async (peer) => {
      parameters = await peer.startup()
      peer.send(sessionBegins())
      await peer.lookedAt({ settings: { 'my.setting': 'two words\\', TimeZone: 'PST8PDT' } })
      await peer.gone()
    })
    const options = { connect, user: 'ada', dbname: 'shop', options: '-c work_mem=64MB -c datestyle=German' }
    const connection = await Connection.open(await resolved(options), {
      replication: 'database',
      applicationName: 'a feed',
      settings: { 'my.setting': 'two words\\', TimeZone: 'PST8PDT' },
    })
    await connection.close()
    expect(Object.fromEntries(parameters)).toEqual({
      user: 'ada',
      database: 'shop',
      replication: 'database',
      application_name: 'a feed',
      client_encoding: 'UTF8',
      options: expect.stringMatching(
        /^-c role=none -c work_mem=64MB -c datestyle=German .*-c DateStyle=ISO,\\ MDY .*-c TimeZone=PST8PDT .*-c search_path= .*-c my\.setting=two\\ words\\\\$/,
      ),
    })
  })

  test('has transaction_timeout where the first look at the settings was ended by it: not every server knows it', async () => {
    const options: string[] = []
    const connect = fakeStream(async (peer) => {
      const parameters = await peer.startup()
      options.push(parameters.get('options') ?? '')
      peer.send(sessionBegins())
      if (options.length > 1) {
        await peer.lookedAt()
        await peer.gone()
      } else {
        await peer.text('Q')
        peer.send(fatal('25P04', 'terminating connection due to transaction timeout'))
      }
    })
    const connection = await Connection.open(await resolved({ connect }))
    await connection.close()
    expect(options.map((text) => text.includes('-c transaction_timeout=0'))).toEqual([false, true])
  })

  test.each([
    [{}, {}, 'walwire'],
    [{}, { applicationName: 'a feed' }, 'a feed'],
    [{ application_name: 'mine' }, { applicationName: 'a feed' }, 'mine'],
    [{ fallback_application_name: 'fallback' }, {}, 'fallback'],
  ])('names the application: %j, %j', async (options, open, name) => {
    let parameters: ReadonlyMap<string, string> = new Map()
    const connect = fakeStream(async (peer) => {
      parameters = await peer.welcome()
      await peer.gone()
    })
    await (await Connection.open(await resolved({ connect, ...options }), open)).close()
    expect(parameters.get('application_name')).toBe(name)
    expect(parameters.has('replication')).toBe(false)
  })
})

describe('a session', () => {
  test('begins with what the server says about itself', async () => {
    const notices: string[] = []
    const connection = await openOver(
      async (peer) => {
        await peer.startup()
        peer.send(
          authenticationOk,
          noticeResponse({ S: 'WARNING', C: '01000', M: 'a warning on the way' }),
          parameterStatus('server_version', '16.4 (Debian 16.4-1.pgdg120+1)'),
          backendKeyData(123),
          readyForQuery(),
        )
        await peer.lookedAt()
        await peer.gone()
      },
      { onNotice: (notice) => notices.push(notice.message) },
    )
    expect(connection.serverVersion).toBe(160_004)
    expect(connection.processId).toBe(4711)
    expect(connection.parameters.get('server_version')).toBe('16.4 (Debian 16.4-1.pgdg120+1)')
    expect(notices).toEqual(['a warning on the way'])
    await connection.close()
  })

  test.each([
    ['14.23', 140_023],
    ['17.10 (Debian 17.10-1.pgdg12+1)', 170_010],
    ['18beta1', 180_000],
    ['19devel', 190_000],
    ['9.6.24', 90_624],
    ['13.4.0-YB', 130_004],
    ['', 0],
  ])('of server %j has version %i', async (text, version) => {
    const connection = await openOver(async (peer) => {
      await peer.startup()
      peer.send(sessionBegins(text))
      const look = await peer.text('Q')
      // only from 17 on, where it exists
      expect(look.includes('transaction_timeout')).toBe(version >= 170_000)
      peer.send(answerToLook(look))
      await peer.gone()
    })
    expect(connection.serverVersion).toBe(version)
    await connection.close()
  })

  test('begins when it comes byte by byte', async () => {
    const connection = await openOver(async (peer) => {
      await peer.startup()
      for (const byte of sessionBegins()) await peer.sendAlone(int8(byte))
      await peer.lookedAt()
      await peer.gone()
    })
    expect(connection.processId).toBe(4711)
    await connection.close()
  })

  test('may say which protocol versions it knows', async () => {
    const connection = await openOver(async (peer) => {
      await peer.startup()
      peer.send(message('v', 0, 0))
      await peer.begin()
      await peer.gone()
    })
    await connection.close()
  })

  test('goes through a function that makes the stream, and through a port', async () => {
    await using server = await fakeServer(async (peer) => {
      await peer.welcome()
      await peer.gone()
    })
    const connection = await openTo(server.port)
    await connection.close()
    expect((await connection.ended).code).toBe('connection_closed')
    expect(server.failures).toEqual([])
  })
})

describe('a login', () => {
  test('by cleartext password', async () => {
    const connection = await login(async (peer) => {
      peer.send(authenticationCleartext)
      expect(await peer.text('p')).toBe(password)
      await peer.begin()
    })
    await connection.close()
  })

  test('by MD5', async () => {
    const connection = await login(async (peer) => {
      peer.send(authenticationMd5(Uint8Array.of(1, 2, 3, 4)))
      // for the user me: md5(md5('hunter2me') || '\1\2\3\4')
      expect(await peer.text('p')).toMatch(/^md5[0-9a-f]{32}$/)
      await peer.begin()
    })
    await connection.close()
  })

  test.each([
    ['alone', ['SCRAM-SHA-256']],
    ['beside what is not known', ['SCRAM-SHA-256-PLUS', 'OAUTHBEARER', 'SCRAM-SHA-256']],
  ])('by SCRAM %s', async (_, mechanisms) => {
    const connection = await login(async (peer) => {
      await scram(peer, password, { mechanisms })
      await peer.begin()
    })
    await connection.close()
  })

  // trap 67
  test.each<[string, ScramMischief, RegExp]>([
    ['a nonce of its own', { serverFirst: () => 'r=mine,s=AAAA,i=4096' }, /nonce/],
    ['the client’s nonce alone', { serverFirst: (nonce) => `r=${nonce},s=AAAA,i=4096` }, /nonce/],
    ['0 iterations', { serverFirst: (nonce) => `r=${nonce}X,s=AAAA,i=0` }, /i=iterations/],
    ['2^31 iterations', { serverFirst: (nonce) => `r=${nonce}X,s=AAAA,i=${2 ** 31}` }, /iterations/],
    ['a wrong signature', { serverFinal: () => `v=${Buffer.alloc(32, 1).toString('base64')}` }, /signature/],
    ['an error', { serverFinal: () => 'e=other-error' }, /other-error/],
    ['no final message', { skipFinal: true }, /AuthenticationOk/],
  ])('refuses SCRAM with %s', async (_, mischief, why) => {
    const opening = login(async (peer) => {
      await scram(peer, password, mischief)
      peer.send(sessionBegins())
    })
    await expect(opening).rejects.toMatchObject({ code: 'auth_failed', why: expect.stringMatching(why) })
  })

  test('refuses a server that lets the client in right after it has asked for SCRAM', async () => {
    const opening = login((peer) => peer.send(authenticationSasl('SCRAM-SHA-256'), sessionBegins()))
    await expect(opening).rejects.toMatchObject({ code: 'auth_failed' })
  })

  test('refuses a password that the function did not give', async () => {
    const script = (peer: Peer): void => peer.send(authenticationCleartext)
    await expect(login(script, { password: () => '' })).rejects.toMatchObject({ code: 'auth_failed' })
    await expect(login(script, { password: () => Promise.reject(new Error('x')) })).rejects.toMatchObject({
      code: 'auth_failed',
      cause: expect.any(Error),
    })
  })

  test.each([
    ['28P01', 'auth_failed', false],
    ['28000', 'auth_failed', false],
    ['3D000', 'database_missing', false],
    ['42501', 'not_permitted', false],
    ['53300', 'too_many_connections', true],
    ['57P03', 'server_not_ready', true],
    ['57P01', 'server_stopping', true],
    ['08P01', 'server_error', false],
    ['XX000', 'server_error', false],
  ] as const)('refused with %s is %s', async (sqlstate, code, retryable) => {
    const opening = login((peer) => {
      peer.send(fatal(sqlstate, 'go away'))
      peer.end()
    })
    await expect(opening).rejects.toMatchObject({
      code,
      retryable,
      sqlstate,
      why: `FATAL ${sqlstate}: go away`,
      hint: expect.stringMatching(/./),
    })
    await expect(opening).rejects.not.toThrow(password)
  })
})

describe('a server that is none, or broken, is one clear error', () => {
  const greetings = {
    'a web server': 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
    'a mail server': '220 mail.example ESMTP ready\r\n',
    'an SSH server': 'SSH-2.0-OpenSSH_9.6\r\n',
    'a Redis server': '-ERR unknown command\r\n',
    'a MySQL server': 'J\0\0\0\n8.0.36\0',
    'zero bytes': '\0\0\0\0\0\0\0\0',
  }

  test.each(Object.entries(greetings))('%s', async (_, greeting) => {
    await using server = await fakeServer(async (peer) => {
      peer.send(Buffer.from(greeting, 'latin1'))
      await peer.gone()
    })
    await expect(openTo(server.port, { sslmode: 'disable' })).rejects.toMatchObject({ code: 'not_postgres' })
    await expect(openTo(server.port, { sslmode: 'prefer' })).rejects.toMatchObject({
      code: expect.stringMatching(/not_postgres|tls_failed/),
    })
  })

  test.each<[string, Uint8Array]>([
    ['a query’s answer before authentication', readyForQuery()],
    ['a key before authentication', backendKeyData()],
    ['a row after authentication', Buffer.concat([authenticationOk, message('D', Buffer.alloc(2))])],
    ['a copy after authentication', Buffer.concat([authenticationOk, message('c')])],
    ['an option that was not asked for', message('v', 0, 1, '_pq_.x')],
  ])('%s', async (_, sent) => {
    await expect(login((peer) => peer.send(sent))).rejects.toMatchObject({ code: 'protocol_violation' })
  })

  test('a notification before authentication is nothing but strange', async () => {
    const connection = await login(async (peer) => {
      peer.send(message('A', 1, 'c', 'p'))
      await peer.begin()
    })
    await connection.close()
  })

  const stages: [string, Uint8Array][] = [
    ['at once', Buffer.alloc(0)],
    ['in the middle of a message', authenticationOk.subarray(0, 4)],
    ['after asking for a password', authenticationCleartext],
    ['after authentication', authenticationOk],
    ['before it is ready', sessionBegins().subarray(0, -6)],
  ]

  test.each(stages)('it closes %s', async (_, sent) => {
    const opening = login((peer) => {
      peer.send(sent)
      peer.end()
    })
    await expect(opening).rejects.toMatchObject({ code: 'connect_failed', retryable: true })
  })

  test.each(stages)('it resets %s', async (_, sent) => {
    await using server = await fakeServer(async (peer) => {
      await peer.startup()
      await peer.sendAlone(sent)
      peer.reset()
    })
    await expect(openTo(server.port, { password })).rejects.toMatchObject({ code: 'connect_failed', retryable: true })
  })

  test.each(stages)('it says nothing more %s', async (_, sent) => {
    const connect = fakeStream(async (peer) => {
      await peer.startup()
      peer.send(sent)
      await peer.gone()
    })
    const opening = Connection.open({ ...(await resolved({ connect, password })), connectTimeoutMs: 100 })
    await expect(opening).rejects.toMatchObject({
      code: 'connect_timeout',
      retryable: true,
      why: expect.stringMatching(/within 0.1 s while (waiting|logging in)/),
    })
  })

  test('it says nothing to the request for TLS', async () => {
    await using server = await fakeServer((peer) => peer.gone())
    const silent = { ...(await resolved({ host: '127.0.0.1', port: server.port })), connectTimeoutMs: 100 }
    await expect(Connection.open(silent)).rejects.toMatchObject({
      code: 'connect_timeout',
      why: expect.stringContaining('request for TLS'),
    })
    // and no socket is left behind
    await server.peers[0]?.gone()
  })

  test('it never stops to send before it is ready', async () => {
    const opening = login(async (peer) => {
      const noise = parameterStatus('x', 'y'.repeat(1000))
      peer.send(authenticationOk)
      for (let index = 0; index < 20; index++) await peer.sendAlone(noise)
      peer.send(message('S', cstring('x'), bytes('y'.repeat(2_000_000)), int8(0)))
    })
    await expect(opening).rejects.toMatchObject({ code: 'protocol_violation' })
  })
})

describe('a server that is not there is one clear error', () => {
  test('nothing listens', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    await new Promise((resolve) => server.close(resolve))
    for (const host of ['127.0.0.1', 'localhost']) {
      await expect(openTo(port, { host })).rejects.toMatchObject({
        code: 'connect_failed',
        retryable: true,
        why: expect.stringContaining('ECONNREFUSED'),
        what: expect.stringContaining(`${host}:${port}`),
      })
    }
  })

  test('the name does not exist', async () => {
    await expect(openTo(1, { host: 'no-such-host.invalid' })).rejects.toMatchObject({
      code: 'connect_failed',
      why: expect.stringMatching(/name/),
    })
  })

  test('the socket does not exist', async () => {
    await expect(openTo(5432, { host: '/no/such/folder' })).rejects.toMatchObject({
      code: 'connect_failed',
      why: expect.stringContaining('/no/such/folder/.s.PGSQL.5432'),
    })
  })

  test('the function that connects fails', async () => {
    const cause = new Error('tunnel is down')
    const connect = () => Promise.reject(cause)
    await expect(Connection.open(await resolved({ connect }))).rejects.toMatchObject({ code: 'connect_failed', cause })
  })

  test('the function that connects is too late, and its stream is closed', async () => {
    const stream = new PassThrough()
    const connect = () => new Promise<PassThrough>((resolve) => setTimeout(() => resolve(stream), 60))
    const opening = Connection.open({ ...(await resolved({ connect })), connectTimeoutMs: 20 })
    await expect(opening).rejects.toMatchObject({ code: 'connect_timeout' })
    await expect.poll(() => stream.destroyed).toBe(true)
  })
})

describe('the signal', () => {
  test('that is aborted already opens nothing', async () => {
    const signal = AbortSignal.abort(new Error('no more'))
    const opening = openOver(() => expect.unreachable(), { signal })
    await expect(opening).rejects.toThrow('no more')
  })

  test('ends the opening with its reason, and the stream with it', async () => {
    const abort = new AbortController()
    const [client, server] = duplexPair()
    const connect = async () => client
    const opening = Connection.open(await resolved({ connect }), { signal: abort.signal })
    server.once('data', () => abort.abort(new Error('changed my mind')))
    await expect(opening).rejects.toThrow('changed my mind')
    expect(client.destroyed).toBe(true)
  })

  test('means nothing to a connection that is open', async () => {
    const abort = new AbortController()
    const connection = await openOver((peer) => peer.welcome().then(() => peer.gone()), { signal: abort.signal })
    abort.abort()
    expect(connection.failure).toBe(undefined)
    await connection.close()
  })
})
