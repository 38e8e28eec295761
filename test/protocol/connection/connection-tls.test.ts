import { describe, expect, test } from 'vitest'
import { Connection } from '../../../src/protocol/connection/connection.ts'
import type { SslMode } from '../../../src/protocol/connection/connection-options.ts'
import { tlsFixtures } from '../../server/index.ts'
import { fatal, sessionBegins } from '../messages/server-messages.ts'
import { openTo, resolved } from './connecting.ts'
import { fakeServer, fakeStream, type Peer } from './fake-server.ts'

const sslmodes: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
const ca = tlsFixtures.ca.path
const identity = { key: tlsFixtures.localhost.key.pem, cert: tlsFixtures.localhost.cert.pem }
const otherIdentity = { key: tlsFixtures.otherHost.key.pem, cert: tlsFixtures.otherHost.cert.pem }

const sslRequest = [0, 0, 0, 8, 4, 210, 22, 47]
const protocol30 = [0, 3, 0, 0]

/** Everything that a client said in plaintext, in one. */
const plaintext = (peer: Peer | undefined): Buffer => Buffer.concat(peer?.received ?? [])

/** A TLS server that then lets everybody in. */
const encryptedServer = (certificate = identity) =>
  fakeServer(async (peer) => {
    await peer.first()
    await peer.startTls(certificate)
    await peer.first()
    await peer.begin()
    await peer.gone()
  })

describe('against a server without TLS', () => {
  // trap 66: no sslmode goes to plaintext silently, prefer and disable excepted
  test.each(sslmodes)('sslmode %s sends only what it promises', async (sslmode) => {
    await using server = await fakeServer((peer) => peer.welcome().then(() => peer.gone()))
    const opening = openTo(server.port, { sslmode, sslrootcert: ca, user: 'ada' })
    if (sslmode === 'disable' || sslmode === 'prefer') {
      const connection = await opening
      expect(connection.encrypted).toBe(false)
      await connection.close()
    } else {
      await expect(opening).rejects.toMatchObject({ code: 'tls_refused', why: expect.stringContaining(sslmode) })
    }
    const sent = plaintext(server.peers[0])
    if (sslmode === 'disable') {
      expect([...sent.subarray(4, 8)]).toEqual(protocol30)
    } else {
      expect([...sent.subarray(0, 8)]).toEqual(sslRequest)
      if (sslmode === 'prefer') expect([...sent.subarray(12, 16)]).toEqual(protocol30)
      else expect(sent.length).toBe(8)
    }
    // one connection: nothing is tried again in another way
    expect(server.peers.length).toBe(1)
  })

  test.each(sslmodes.slice(1))('sslmode %s does not show what an unsigned error says', async (sslmode) => {
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      peer.send(fatal('28P01', 'send your password to evil.example'))
    })
    const opening = openTo(server.port, { sslmode, sslrootcert: ca })
    await expect(opening).rejects.toMatchObject({ code: 'connect_failed' })
    await expect(opening).rejects.not.toThrow('evil.example')
    expect(server.peers.length).toBe(1)
  })

  test.each([
    ['prefer', 'S', 'in one chunk'],
    ['require', 'S', 'in one chunk'],
    ['prefer', 'N', 'in one chunk'],
  ] as const)('sslmode %s refuses bytes behind %s, %s (CVE-2021-23222)', async (sslmode, answer, _) => {
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      peer.send(Buffer.concat([Buffer.from(answer), sessionBegins()]))
      await peer.gone()
    })
    const opening = openTo(server.port, { sslmode })
    await expect(opening).rejects.toMatchObject({ code: 'tls_failed', why: expect.stringContaining('unencrypted') })
    expect(plaintext(server.peers[0]).length).toBe(8)
  })

  test('bytes that come after the yes in a chunk of their own are not taken for the session', async () => {
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      await peer.sendAlone(Buffer.from('S'))
      await peer.sendAlone(Buffer.from(sessionBegins()))
      await peer.gone()
    })
    await expect(openTo(server.port, { sslmode: 'require' })).rejects.toMatchObject({ code: 'tls_failed' })
  })

  test.each([
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a mail server', '220 mail.example ESMTP\r\n'],
    ['an SSH server, whose greeting begins like a yes', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['an empty line', '\r\n'],
  ])('%s is recognised', async (_, greeting) => {
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      peer.send(Buffer.from(greeting))
      await peer.gone()
    })
    await expect(openTo(server.port, { sslmode: 'require' })).rejects.toMatchObject({
      code: greeting.startsWith('S') ? 'tls_failed' : 'not_postgres',
    })
  })

  test('a server that closes instead of an answer is one clear error', async () => {
    await using server = await fakeServer((peer) => peer.first().then(() => {}))
    await expect(openTo(server.port, { sslmode: 'prefer' })).rejects.toMatchObject({
      code: 'connect_failed',
      why: expect.stringContaining('request for TLS'),
    })
  })

  test('a server that resets instead of an answer is one clear error', async () => {
    await using server = await fakeServer((peer) => peer.first().then(() => peer.reset()))
    await expect(openTo(server.port, { sslmode: 'prefer' })).rejects.toMatchObject({ code: 'connect_failed' })
  })
})

describe('against a server with TLS', () => {
  test.each(sslmodes.slice(1))('sslmode %s is encrypted', async (sslmode) => {
    await using server = await encryptedServer()
    const connection = await openTo(server.port, { host: 'localhost', sslmode, sslrootcert: ca })
    expect(connection.encrypted).toBe(true)
    await connection.close()
    expect(plaintext(server.peers[0]).length).toBe(8)
  })

  test.each([
    ['prefer', tlsFixtures.unknownCa.path, 'tls_failed'],
    ['require', tlsFixtures.unknownCa.path, 'tls_failed'],
    ['verify-ca', tlsFixtures.unknownCa.path, 'tls_failed'],
    ['verify-full', tlsFixtures.unknownCa.path, 'tls_failed'],
    ['prefer', undefined, undefined],
    ['require', undefined, undefined],
  ] as const)('sslmode %s with the root %s: %s', async (sslmode, sslrootcert, code) => {
    await using server = await encryptedServer()
    const opening = openTo(server.port, { host: 'localhost', sslmode, sslrootcert })
    if (code === undefined) await (await opening).close()
    else await expect(opening).rejects.toMatchObject({ code, hint: expect.stringContaining('sslrootcert') })
    // not even prefer tries again in plaintext
    expect(server.peers.length).toBe(1)
    expect(plaintext(server.peers[0]).length).toBe(8)
  })

  test.each([
    ['verify-ca', undefined],
    ['verify-full', 'tls_failed'],
  ] as const)('sslmode %s with a certificate for another name: %s', async (sslmode, code) => {
    await using server = await encryptedServer(otherIdentity)
    const opening = openTo(server.port, { host: 'localhost', sslmode, sslrootcert: ca })
    if (code === undefined) await (await opening).close()
    else await expect(opening).rejects.toMatchObject({ code, hint: expect.stringContaining('name') })
  })

  test('verify-full checks an address against the certificate’s addresses', async () => {
    await using server = await encryptedServer()
    await (await openTo(server.port, { sslmode: 'verify-full', sslrootcert: ca })).close()
    await using other = await encryptedServer(otherIdentity)
    await expect(openTo(other.port, { sslmode: 'verify-full', sslrootcert: ca })).rejects.toMatchObject({
      code: 'tls_failed',
    })
  })

  test('verify-full checks the name and not the address that it connects to', async () => {
    await using server = await encryptedServer(otherIdentity)
    const options = { host: 'db.walwire.test', hostaddr: '127.0.0.1', sslmode: 'verify-full', sslrootcert: ca } as const
    await (await openTo(server.port, options)).close()
    expect(server.peers[0]?.serverName).toBe('db.walwire.test')
  })

  test.each([
    ['a name', { host: 'localhost' }, 'localhost'],
    ['no address', { host: '127.0.0.1' }, false],
    ['nothing where it is switched off', { host: 'localhost', sslsni: 0 }, false],
  ] as const)('SNI has %s', async (_, options, serverName) => {
    await using server = await encryptedServer()
    await (await openTo(server.port, { sslmode: 'require', ...options })).close()
    expect(server.peers[0]?.serverName).toBe(serverName)
  })

  test('a stream of the caller’s is encrypted when that is asked for', async () => {
    const failures: unknown[] = []
    const connect = fakeStream(async (peer) => {
      await peer.first()
      await peer.startTls(identity)
      await peer.first()
      await peer.begin()
      await peer.gone()
    }, failures)
    const options = { connect, sslmode: 'verify-full', sslrootcert: ca, host: 'localhost' } as const
    const connection = await Connection.open(await resolved(options))
    expect(connection.encrypted).toBe(true)
    await connection.close()
    expect(failures).toEqual([])
    await expect(Connection.open(await resolved({ ...options, host: 'db.walwire.test' }))).rejects.toMatchObject({
      code: 'tls_failed',
    })
  })

  test('a cancel request is encrypted, too', async () => {
    await using server = await encryptedServer()
    const connection = await openTo(server.port, { host: 'localhost', sslmode: 'prefer' })
    const cancelled = connection.cancel()
    await expect.poll(() => server.peers.length).toBe(2)
    server.peers[1]?.end()
    await cancelled
    expect(plaintext(server.peers[1]).length).toBe(8)
    await connection.close()
  })

  test('a cancel request is not sent in the clear because the server now says that it has no TLS', async () => {
    let connections = 0
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      if (++connections > 1) {
        peer.send(Buffer.from('N'))
        await peer.gone()
        return
      }
      await peer.startTls(identity)
      await peer.first()
      await peer.begin()
      await peer.gone()
    })
    const connection = await openTo(server.port, { host: 'localhost', sslmode: 'prefer' })
    await expect(connection.cancel()).rejects.toMatchObject({ code: 'tls_refused' })
    expect(plaintext(server.peers[1]).length).toBe(8)
    await connection.close()
  })

  test('a server that leaves in the middle of the handshake is one clear error', async () => {
    await using server = await fakeServer(async (peer) => {
      await peer.first()
      await peer.sendAlone(Buffer.from('S'))
    })
    await expect(openTo(server.port, { sslmode: 'require' })).rejects.toMatchObject({ code: 'tls_failed' })
  })

  test('a key that is none is refused before anything is sent in it', async () => {
    await using server = await encryptedServer()
    const opening = openTo(server.port, { sslmode: 'require', tls: { key: 'nonsense', cert: 'nonsense' } })
    await expect(opening).rejects.toMatchObject({ code: 'tls_failed' })
  })
})
