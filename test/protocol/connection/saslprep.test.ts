import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { saslprep } from '../../../src/protocol/connection/saslprep.ts'

describe('SASLprep', () => {
  test.each([
    // RFC 4013 section 3
    ['a soft hyphen is mapped to nothing', 'I\u00adX', 'IX'],
    ['no transformation', 'user', 'user'],
    ['case is kept', 'USER', 'USER'],
    ['a feminine ordinal is an a', '\u00aa', 'a'],
    ['a roman numeral is its letters', '\u2168', 'IX'],
    // and beyond
    ['other spaces are spaces', 'a\u00a0b\u3000c', 'a b c'],
    ['letters and their accents are joined', 'e\u0301', '\u00e9'],
    ['right-to-left text', '\u0627\u0628', '\u0627\u0628'],
  ])('%s', (_, password, prepared) => expect(saslprep(password)).toBe(prepared))

  test.each([
    ['a control character (RFC 4013 section 3)', '\u00e9\u0007'],
    ['right-to-left that ends in a digit (RFC 4013 section 3)', '\u0627\u0031'],
    ['both directions', '\u0627a\u0627'],
    ['nothing but what is mapped to nothing', '\u00ad\u200d'],
    ['a code point that Unicode 3.2 did not know, and with it the ligature', '\ufb01\u{1f600}'],
    ['a private character', '\ue000'],
    ['a deprecated accent, which normalisation would hide', 'a\u0340'],
  ])('leaves the password as it is for %s', (_, password) => expect(saslprep(password)).toBe(password))

  test('never touches ASCII, not even control characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary-ascii' }), (text) => void expect(saslprep(text)).toBe(text)))
  })

  test('gives the same when it is done twice', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 1, max: 0x3000 }).map((code) => String.fromCodePoint(code)) }),
        (text) => {
          const once = saslprep(text)
          fc.pre(once !== text)
          expect(saslprep(once).normalize('NFKC')).toBe(once)
        },
      ),
    )
  })
})
