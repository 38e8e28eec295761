import { expect, test } from 'vitest'
import { findPrinted, withoutPassing } from './printed.ts'

const output = withoutPassing(`copied   orders  2 rows in 15 ms, 133/s
┌ 12:00:00.000  begin 800
│ insert   orders  id: 3
└ commit   0/1A2B3C  1 change, 3 ms ago
{"kind":"begin","lsn":"0/1A2B3C","xid":800,"commitTime":"2026-01-02T03:04:05.678901Z"}
`)

test('what differs from run to run does not count', () => {
  expect(findPrinted('copied   orders  2 rows in 1 ms', output)).toBeDefined()
  expect(findPrinted('┌ 23:59:59.999  begin 1\n│ insert   orders  id: 3', output)).toBeDefined()
  const line = '{"kind":"begin","lsn":"FF/0","xid":1,"commitTime":"1999-12-31T23:59:59.999999Z"}'
  expect(findPrinted(line, output)).toBe(output.length - 1)
})

test('everything else does', () => {
  expect(findPrinted('copied   orders  3 rows in 1 ms', output)).toBeUndefined()
  expect(findPrinted('│ insert   orders  id: 4', output)).toBeUndefined()
  expect(findPrinted('copied   orders  2 rows in 1 ms\n│ insert', output)).toBeUndefined()
  expect(findPrinted('{"kind":"commit"', output)).toBeUndefined()
})

test('a line of … stands for any lines, and nothing in a line for a pattern', () => {
  expect(findPrinted('copied   orders  2 rows in 1 ms\n…\n└ commit   0/0', output)).toBeDefined()
  expect(findPrinted('└ commit   0/0\n…\ncopied', output)).toBeUndefined()
  expect(findPrinted('│ insert   .*', output)).toBeUndefined()
})
