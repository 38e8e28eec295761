import { describe, expect, test } from 'vitest'
import { clipText, displayWidth } from '../../../src/cli/pretty/display-width.ts'
import { bytesText, countText, durationText } from '../../../src/cli/pretty/quantities.ts'
import { terminalOf } from '../../../src/cli/pretty/terminal.ts'

describe('colours', () => {
  const screen = { isTTY: true, columns: 120 }

  test.each([
    ['a terminal', screen, {}, true],
    ['a pipe', {}, {}, false],
    ['a file', undefined, {}, false],
    ['a terminal with NO_COLOR', screen, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', screen, { NO_COLOR: '' }, true],
    ['a terminal that knows none', screen, { TERM: 'dumb' }, false],
    ['a pipe with FORCE_COLOR', {}, { FORCE_COLOR: '1' }, true],
    ['a file with an empty FORCE_COLOR', undefined, { FORCE_COLOR: '' }, true],
    ['a terminal with FORCE_COLOR=0', screen, { FORCE_COLOR: '0' }, false],
    ['a pipe with both', {}, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ])('%s', (_, stream, env, colour) => {
    expect(terminalOf(stream, env).colour).toBe(colour)
  })

  test('lines are replaced on a terminal alone, NO_COLOR or not', () => {
    expect(terminalOf(screen, { NO_COLOR: '1' }).live).toBe(true)
    expect(terminalOf(screen, { TERM: 'dumb' }).live).toBe(false)
    expect(terminalOf({}, { FORCE_COLOR: '1' }).live).toBe(false)
  })

  test('the width is that of now, and a pipe has none', () => {
    const resized = { isTTY: true, columns: 120 }
    const terminal = terminalOf(resized, {})
    expect(terminal.columns).toBe(120)
    resized.columns = 70
    expect(terminal.columns).toBe(70)
    expect(terminalOf({ columns: 70 }, {}).columns).toBe(Number.POSITIVE_INFINITY)
    expect(terminalOf({ isTTY: true, columns: 0 }, {}).columns).toBe(80)
  })
})

describe('the width of a text', () => {
  test.each([
    ['', 0],
    ['plain', 5],
    ['Größe', 5],
    ['e\u0301', 1],
    ['表格', 4],
    ['ｆｕｌｌ', 8],
    ['ﾊﾝｶｸ', 4],
    ['한국어', 6],
    ['\u1112\u1161\u11ab', 2],
    ['क्षि', 3],
    ['😀', 2],
    ['❤\ufe0f', 2],
    ['❤', 1],
    ['│→…█', 4],
    ['\u200d', 0],
  ])('%j takes %i cells', (text, cells) => {
    expect(displayWidth(text)).toBe(cells)
  })

  test.each([
    ['abcdef', 3, 'abc'],
    ['表格の', 5, '表格'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301e\u0301'],
    ['👩‍👩‍👧x', 4, ''],
    ['abc', -1, ''],
  ])('%j in %i cells is %j', (text, cells, clipped) => {
    expect(clipText(text, cells)).toBe(clipped)
  })
})

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [999.6, '1.0 s'],
  [1234, '1.2 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [59_700, '1 min'],
  [200_000, '3 min 20 s'],
  [3_600_000, '1 h'],
  [190_800_000, '2 d 5 h'],
])('%d ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test('numbers and sizes', () => {
  expect([0, 999, 1000, 1_234_567].map(countText)).toEqual(['0', '999', '1,000', '1,234,567'])
  expect([0, 999, 1000, 16_300, 1_240_000_000].map(bytesText)).toEqual(['0 B', '999 B', '1.0 kB', '16.3 kB', '1.2 GB'])
})
