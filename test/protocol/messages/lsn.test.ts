import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { uint64Of } from '../../../src/protocol/messages/big-endian.ts'
import { formatLsn, parseLsn } from '../../../src/protocol/messages/lsn.ts'

const lsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })

describe('an LSN', () => {
  test('survives being printed and read, over all 64 bits', () => {
    fc.assert(fc.property(lsn, (value) => void expect(parseLsn(formatLsn(value))).toBe(value)))
  })

  test('is read in the padding of PostgreSQL 19, and in lower case', () => {
    fc.assert(
      fc.property(lsn, (value) => {
        const padded = `${(value >> 32n).toString(16)}/${(value & 0xffff_ffffn).toString(16).padStart(8, '0')}`
        expect(parseLsn(padded)).toBe(value)
        expect(parseLsn(padded.toUpperCase())).toBe(value)
      }),
    )
  })

  test('keeps its order as a number, which its text does not', () => {
    fc.assert(fc.property(lsn, lsn, (a, b) => void expect(parseLsn(formatLsn(a)) < parseLsn(formatLsn(b))).toBe(a < b)))
    expect(parseLsn('0/9') < parseLsn('0/10')).toBe(true)
    expect(parseLsn('F/0') < parseLsn('10/0')).toBe(true)
  })

  test('is joined of its halves', () => {
    fc.assert(
      fc.property(
        lsn,
        (value) => void expect(uint64Of(Number(value >> 32n), Number(value & 0xffff_ffffn))).toBe(value),
      ),
    )
  })

  test.each([
    ['0/0', 0n],
    ['16/B374D848', 0x16_b374_d848n],
    ['FFFFFFFF/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
    ['0/016B3748', 0x16b_3748n],
  ])('reads %s', (text, value) => expect(parseLsn(text)).toBe(value))

  test.each([
    '',
    '0',
    '/',
    '0/',
    '/0',
    '0/0/0',
    '0/G',
    ' 0/0',
    '0/0\n',
    '123456789/0',
    '0/123456789',
    '0x1/0',
    '-1/0',
    '0/-1',
  ])('refuses %j', (text) => expect(() => parseLsn(text)).toThrow(RangeError))

  test.each([-1n, 0x1_0000_0000_0000_0000n])('refuses the number %d', (value) =>
    expect(() => parseLsn(value)).toThrow(RangeError),
  )
})
