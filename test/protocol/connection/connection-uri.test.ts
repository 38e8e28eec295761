import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConnectionUri } from '../../../src/protocol/connection/connection-uri.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'
import { nowhere } from './connecting.ts'

const parsed = (uri: string): Record<string, string> => Object.fromEntries(parseConnectionUri(uri))

describe('a connection URI', () => {
  // the first ones are libpq's documentation's and its uri-regress test's
  test.each<[string, Record<string, string>]>([
    ['postgresql://', {}],
    ['postgresql://localhost', { host: 'localhost' }],
    ['postgresql://localhost:5433', { host: 'localhost', port: '5433' }],
    ['postgresql://localhost/mydb', { host: 'localhost', dbname: 'mydb' }],
    ['postgresql://user@localhost', { user: 'user', host: 'localhost' }],
    ['postgresql://user:secret@localhost', { user: 'user', password: 'secret', host: 'localhost' }],
    [
      'postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp',
      { user: 'other', host: 'localhost', dbname: 'otherdb', connect_timeout: '10', application_name: 'myapp' },
    ],
    ['postgresql:///mydb?host=localhost&port=5433', { dbname: 'mydb', host: 'localhost', port: '5433' }],
    ['postgresql://[2001:db8::1234]/database', { host: '2001:db8::1234', dbname: 'database' }],
    ['postgresql://[::1]:5433', { host: '::1', port: '5433' }],
    ['postgresql:///dbname?host=/var/lib/postgresql', { dbname: 'dbname', host: '/var/lib/postgresql' }],
    ['postgresql://%2Fvar%2Flib%2Fpostgresql/dbname', { host: '/var/lib/postgresql', dbname: 'dbname' }],
    [
      'postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff',
      {
        user: 'user',
        host: 'localhost',
        port: '5433',
        dbname: 'mydb',
        options: '-c synchronous_commit=off',
      },
    ],
    [
      'postgres://uri-user:secret@host:12345/db',
      { user: 'uri-user', password: 'secret', host: 'host', port: '12345', dbname: 'db' },
    ],
    ['postgres://host:/db', { host: 'host', dbname: 'db' }],
    ['postgres://:12345/', { port: '12345' }],
    ['postgres://@host', { host: 'host' }],
    ['postgres://user:@host', { user: 'user', host: 'host' }],
    ['postgres://:p%40ss@host', { password: 'p@ss', host: 'host' }],
    ['postgres://us%2Fer:pa%3Ass@host', { user: 'us/er', password: 'pa:ss', host: 'host' }],
    ['postgres://user:a:b@host', { user: 'user', password: 'a:b', host: 'host' }],
    ['postgres://host?user=a%20b', { host: 'host', user: 'a b' }],
    ['postgres://host/d%C3%BC?', { host: 'host', dbname: 'dü' }],
    ['postgres://host/a+b', { host: 'host', dbname: 'a+b' }],
    ['postgres://host?ssl=true', { host: 'host', sslmode: 'require' }],
    ['postgres://host/a/b', { host: 'host', dbname: 'a/b' }],
    ['postgres://HOST', { host: 'HOST' }],
    ['postgres://host?sslmode=', { host: 'host', sslmode: '' }],
    ['postgres://one,two/db', { host: 'one,two', port: ',', dbname: 'db' }],
    ['postgres://u@one:1,[::2]:2', { user: 'u', host: 'one,::2', port: '1,2' }],
    ['postgres://one,two:2', { host: 'one,two', port: ',2' }],
    // a parameter wins over the part before it
    ['postgres://one/db?host=two&dbname=other', { host: 'two', dbname: 'other' }],
  ])('%s', (uri, expected) => expect(parsed(uri)).toEqual(expected))

  test.each([
    ['http://host', /does not begin/],
    ['localhost', /does not begin/],
    ['host=localhost user=x', /does not begin/],
    ['postgres:host', /does not begin/],
    ['postgres://[::1', /not closed/],
    ['postgres://[]', /empty/],
    ['postgres://[::1]x', /behind the bracket/],
    ['postgres://host?sslmode', /no = and no value/],
    ['postgres://host?a=b=c', /more than one =/],
    ['postgres://host?&a=b', /no =/],
    ['postgres://host/%', /%/],
    ['postgres://host/%zz', /%/],
    ['postgres://ho%00st', /zero byte/],
    ['postgres://host/%ff', /UTF-8/],
    ['postgres://user:p@ss@host/db', /more than one @/],
    ['postgres://user:1/ss@host/db', /behind a slash/],
  ])('refuses %s', (uri, why) =>
    expect(() => parseConnectionUri(uri)).toThrow(
      expect.objectContaining({ code: 'bad_connection', why: expect.stringMatching(why) }),
    ),
  )

  test('gives back every part that was encoded into it', () => {
    const part = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(part, part, part, part, (user, password, dbname, value) => {
        const [u, p, d, v] = [user, password, dbname, value].map(encodeURIComponent)
        expect(parsed(`postgres://${u}:${p}@host:1/${d}?application_name=${v}`)).toEqual({
          user,
          password,
          host: 'host',
          port: '1',
          dbname,
          application_name: value,
        })
      }),
    )
  })

  test('never shows in an error what may be a password', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom('%', ',x', '?x', '[', '?a=b=c'), (noise, broken) => {
        const secret = 'hunter2'
        try {
          parseConnectionUri(`postgres://user:${secret}${encodeURIComponent(noise)}@host${broken}`)
        } catch (error) {
          expect(JSON.stringify([String(error), error])).not.toContain(secret)
        }
      }),
    )
    expect(() => parseConnectionUri('postgres://user:hunter2%@host')).not.toThrow('hunter2')
  })

  test('never takes a password with a character that should have been encoded for a host that is then shown', () => {
    fc.assert(
      fc.property(fc.constantFrom('/', '@', '#', ' ', ':'), fc.boolean(), (character, digits) => {
        const password = `${digits ? '123' : 'hunter2'}${character}hunter2`
        let parts: Record<string, string> = {}
        try {
          parts = parsed(`postgres://user:${password}@host/db`)
        } catch {
          return
        }
        expect(parts).toEqual({ user: 'user', password, host: 'host', dbname: 'db' })
      }),
    )
  })

  test('shows no piece of a password with a ? in it, whatever follows, in any error or description', async () => {
    const piece = fc.constantFrom(
      '?',
      '/',
      '#',
      '@',
      '%',
      '=',
      '&',
      ':',
      ',',
      '[',
      ']',
      ' ',
      '%3F',
      '\n',
      'sslmode=',
      'port=',
      'ssl',
    )
    const odd = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(odd, odd, odd, async (before, between, after) => {
        const password = `sesame${before}?${between}hunter2${after}mellon`
        try {
          const { description } = await resolveConnection(`postgres://user:${password}@host/db`, nowhere)
          expect(description).not.toMatch(/sesame|hunter2|mellon/)
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error
          expect(`${error.message} ${error.hint}`).not.toMatch(/sesame|hunter2|mellon/)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
