import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { passwordFromFile } from '../../../src/protocol/connection/pgpass.ts'

const key = { host: 'db.example', port: '5432', dbname: 'shop', user: 'ada' }

describe('a password file', () => {
  test.each([
    ['an exact entry', 'db.example:5432:shop:ada:secret', 'secret'],
    ['an entry of wildcards', '*:*:*:*:secret', 'secret'],
    ['another host', 'other:5432:shop:ada:secret', undefined],
    ['another port', 'db.example:5433:shop:ada:secret', undefined],
    ['another database', 'db.example:5432:other:ada:secret', undefined],
    ['another user', 'db.example:5432:shop:bob:secret', undefined],
    ['the first entry that matches', '*:*:*:bob:1\n*:*:*:ada:2\n*:*:*:*:3', '2'],
    ['a comment', '#*:*:*:*:no\n*:*:*:*:yes', 'yes'],
    ['empty and short lines', '\n*:*:*\n\n*:*:*:*:yes\n', 'yes'],
    ['line ends of Windows', '*:*:*:*:secret\r\n', 'secret'],
    ['an escaped colon and backslash', '*:*:*:*:a\\:b\\\\c', 'a:b\\c'],
    ['a password up to a colon', '*:*:*:*:abc:def', 'abc'],
    ['a backslash at the end', '*:*:*:*:abc\\', 'abc\\'],
    ['spaces, which count', '*:*:*:*: secret ', ' secret '],
    ['an escaped star, which is no wildcard', '\\*:*:*:*:no\n*:*:*:*:yes', 'yes'],
    ['a star among other characters, which is no wildcard', 'db*:*:*:*:no', undefined],
    ['nothing', '', undefined],
  ])('with %s', (_, text, password) => expect(passwordFromFile(text, key)).toBe(password))

  test('finds an IPv6 address by its escaped colons', () => {
    expect(passwordFromFile('\\:\\:1:*:*:*:secret', { ...key, host: '::1' })).toBe('secret')
  })

  test('gives back any password for any key, escaped as documented', () => {
    const word = fc.string({ unit: fc.constantFrom('a', ':', '\\', '*', '#', ' ', 'ü'), minLength: 1 })
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), word, ([host, port, dbname, user], password) => {
        const escaped = (text: string): string => text.replace(/[\\:]/g, '\\$&')
        // a field that is a star alone, or a line that begins with #, means something else
        const line = [host, port, dbname, user].map(escaped).join(':').replace(/^#/, '\\#')
        fc.pre([host, port, dbname, user].every((field) => field !== '*'))
        const text = `${line}:${escaped(password)}\n`
        expect(passwordFromFile(text, { host, port, dbname, user })).toBe(password)
        expect(passwordFromFile(text, { host: `${host}x`, port, dbname, user })).toBe(undefined)
      }),
    )
  })
})
