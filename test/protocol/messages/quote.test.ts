import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteIdentifier, quoteLiteral, quoteReplicationLiteral } from '../../../src/protocol/messages/quote.ts'

const refused = expect.objectContaining({ code: 'bad_option' })

describe('quoting', () => {
  test.each([
    ['orders', '"orders"'],
    ['Order Items', '"Order Items"'],
    ['a"b', '"a""b"'],
    ['"', '""""'],
    ['select', '"select"'],
    ['ü\\', '"ü\\"'],
  ])('of the name %j', (name, quoted) => expect(quoteIdentifier(name)).toBe(quoted))

  test.each([
    ['', "''"],
    ["it's", "'it''s'"],
    ['a\\b', " E'a\\\\b'"],
    ["\\'; drop table t; --", " E'\\\\''; drop table t; --'"],
  ])('of the text %j', (text, quoted) => expect(quoteLiteral(text)).toBe(quoted))

  test.each([
    ['a\\b', "'a\\b'"],
    ["it's", "'it''s'"],
  ])('of the text %j for the replication grammar, which has no escapes', (text, quoted) =>
    expect(quoteReplicationLiteral(text)).toBe(quoted),
  )

  test('never lets a text end early', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", '"', '\\', 'a', ';', '\n') }), (text) => {
        // strip what is doubled inside; nothing that could end the quotation may be left
        const literal = quoteLiteral(text).trimStart()
        const inner = literal.replace(/^E?'/, '').slice(0, -1)
        const rest = literal.startsWith('E') ? inner.replaceAll('\\\\', '') : inner
        expect(rest.replaceAll("''", '')).not.toMatch(literal.startsWith('E') ? /['\\]/ : /'/)
        if (text !== '') expect(quoteIdentifier(text).slice(1, -1).replaceAll('""', '')).not.toContain('"')
      }),
    )
  })

  test('refuses what no server takes', () => {
    expect(() => quoteIdentifier('')).toThrow(refused)
    expect(() => quoteIdentifier('a\0')).toThrow(refused)
    expect(() => quoteLiteral('a\0')).toThrow(refused)
    expect(() => quoteReplicationLiteral('a\0')).toThrow(refused)
  })
})
