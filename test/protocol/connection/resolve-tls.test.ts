import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ConnectionInput } from '../../../src/protocol/connection/connection-options.ts'
import { tlsFixtures } from '../../server/index.ts'
import { resolve, type World } from './worlds.ts'

describe('TLS', () => {
  const root = { '/home/me/.postgresql/root.crt': 'ROOT' }

  test.each<[string, ConnectionInput, World, object]>([
    ['prefer checks nothing', { host: 'h', sslmode: 'prefer' }, {}, { rejectUnauthorized: false, servername: 'h' }],
    ['require checks nothing', { host: 'h', sslmode: 'require' }, {}, { rejectUnauthorized: false }],
    [
      'require with a root certificate checks the chain',
      { host: 'h', sslmode: 'require' },
      { files: root },
      { rejectUnauthorized: true, ca: 'ROOT' },
    ],
    ['prefer, too', { host: 'h', sslmode: 'prefer' }, { files: root }, { rejectUnauthorized: true, ca: 'ROOT' }],
    ['verify-ca', { host: 'h', sslmode: 'verify-ca' }, { files: root }, { rejectUnauthorized: true, ca: 'ROOT' }],
    ['verify-full', { host: 'h', sslmode: 'verify-full' }, { files: root }, { rejectUnauthorized: true, ca: 'ROOT' }],
    [
      'a root certificate that is named',
      { host: 'h', sslmode: 'verify-ca', sslrootcert: '/r' },
      { files: { ...root, '/r': 'R' } },
      { ca: 'R' },
    ],
    ['no SNI for an address', { host: '10.0.0.1', sslmode: 'require' }, {}, { servername: undefined }],
    ['no SNI where it is switched off', { host: 'h', sslmode: 'require', sslsni: 0 }, {}, { servername: undefined }],
    [
      'a client certificate',
      { host: 'h', sslcert: '/c', sslkey: '/k', sslpassword: 'p' },
      { files: { '/c': 'C', '/k': 'K' } },
      { cert: 'C', key: 'K', passphrase: 'p' },
    ],
    [
      'the client certificate at its default place',
      { host: 'h' },
      { files: { '/home/me/.postgresql/postgresql.crt': 'C', '/home/me/.postgresql/postgresql.key': 'K' } },
      { cert: 'C', key: 'K' },
    ],
    ['versions', { host: 'h', ssl_min_protocol_version: 'TLSv1.3' }, {}, { minVersion: 'TLSv1.3' }],
    [
      'versions in small letters, from the environment',
      { host: 'h' },
      { env: { PGSSLMAXPROTOCOLVERSION: 'tlsv1.2' } },
      { maxVersion: 'TLSv1.2' },
    ],
    [
      'the caller’s own over the rest',
      { host: 'h', sslmode: 'require', tls: { ca: 'OWN', servername: 's' } },
      { files: root },
      { ca: 'OWN', servername: 's', rejectUnauthorized: true },
    ],
    ['tls alone is verify-full', { host: 'h', tls: { ca: 'OWN' } }, {}, { ca: 'OWN', rejectUnauthorized: true }],
    [
      'tls that checks nothing is require',
      { host: 'h', tls: { rejectUnauthorized: false } },
      {},
      { rejectUnauthorized: false },
    ],
  ])('%s', async (_, input, given, options) => {
    expect((await resolve(input, given)).tls).toMatchObject(
      Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    )
    for (const [key, value] of Object.entries(options)) {
      if (value === undefined) expect((await resolve(input, given)).tls).not.toHaveProperty(key)
    }
  })

  test.each<[ConnectionInput, string]>([
    [{ host: 'h' }, 'prefer'],
    [{ host: 'h', tls: {} }, 'verify-full'],
    [{ host: 'h', tls: { rejectUnauthorized: false } }, 'require'],
    [{ host: 'h', sslrootcert: 'system' }, 'verify-full'],
    [{ host: 'h', sslmode: 'disable', tls: {} }, 'disable'],
    ['postgres://h?requiressl=1', 'require'],
    ['postgres://h?requiressl=0', 'prefer'],
    ['postgres://h?requiressl=1&sslmode=disable', 'disable'],
    [{ host: '/srv', sslmode: 'verify-full' }, 'disable'],
  ])('%j has the sslmode %s', async (input, sslmode) => {
    expect((await resolve(input)).sslmode).toBe(sslmode)
  })

  test('checks the name for verify-full alone, and the one that was given', async () => {
    const certificate = new X509Certificate(tlsFixtures.localhost.cert.pem).toLegacyObject()
    const objection = async (input: ConnectionInput): Promise<Error | undefined> =>
      (await resolve(input, { files: root })).tls?.checkServerIdentity?.('never this', certificate)
    const sslmode = 'verify-full'
    expect(await objection({ host: 'localhost', sslmode })).toBe(undefined)
    expect(await objection({ host: 'localhost', sslmode, sslsni: 0 })).toBe(undefined)
    expect(await objection({ host: 'localhost', hostaddr: '10.0.0.1', sslmode })).toBe(undefined)
    expect(await objection({ host: '127.0.0.1', sslmode })).toBe(undefined)
    expect(await objection({ host: 'other.example', sslmode })).toBeInstanceOf(Error)
    expect(await objection({ host: '10.0.0.1', sslmode })).toBeInstanceOf(Error)
    expect(await objection({ host: 'other.example', sslmode, tls: { servername: 'localhost' } })).toBe(undefined)
    for (const weaker of ['prefer', 'require', 'verify-ca'] as const) {
      expect(await objection({ host: 'other.example', sslmode: weaker })).toBe(undefined)
    }
  })

  test.each<[string, ConnectionInput, RegExp]>([
    ['verify-full without roots', { host: 'h', sslmode: 'verify-full' }, /no root certificate/],
    ['verify-ca without roots', { host: 'h', sslmode: 'verify-ca' }, /no root certificate/],
    [
      'an address alone, where the name is to be checked',
      { hostaddr: '10.0.0.1', sslmode: 'verify-full', sslrootcert: 'system' },
      /name/,
    ],
    [
      'system roots without a look at the name',
      { host: 'h', sslmode: 'verify-ca', sslrootcert: 'system' },
      /system is not allowed/,
    ],
    [
      'a promise and its opposite',
      { host: 'h', sslmode: 'verify-full', tls: { rejectUnauthorized: false } },
      /rejectUnauthorized/,
    ],
  ])('refuses %s', async (_, input, why) => {
    await expect(resolve(input)).rejects.toMatchObject({ code: 'bad_connection', why: expect.stringMatching(why) })
  })
})
