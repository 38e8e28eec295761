import { describe, expect, test } from 'vitest'
import { linesOfSvg, terminalSvg } from '../../scripts/terminal-svg.mjs'
import { displayWidth } from '../../src/cli/pretty/display-width.ts'
import { readDocument } from './documents.ts'

const draw = (lines: string[]) => terminalSvg(lines, { columns: 40, title: 'a <title>', widthOf: displayWidth })

describe('a picture of a terminal', () => {
  test('has the lines as they were, in the colours that they had', () => {
    const svg = draw(['plain', '', '\u001b[32minsert\u001b[0m  \u001b[1morders\u001b[0m  a < b & "c"'])
    expect(linesOfSvg(svg)).toEqual(['plain', 'insert  orders  a < b & "c"'])
    expect(svg).toContain('fill="#7ee787">insert</tspan>')
    expect(svg).toContain('<title>'.replace('<', '&lt;').replace('>', '&gt;'))
  })

  test('has each piece where its column is, also behind what is wide', () => {
    const xs = [...draw(['日本\u001b[1mx\u001b[0m']).matchAll(/tspan x="([\d.]+)"/g)].map(([, x]) => Number(x))
    expect(xs).toEqual([18, 18 + 4 * 8.4].map((x) => Number(x.toFixed(1))))
  })

  test('of a colour that it does not know is not made', () => {
    expect(() => draw(['\u001b[95mx'])).toThrow('there is no colour for 95')
  })
})

/** Every line that the demo prints today; one that is broken goes on behind a bar. */
const forms = [
  /^walwire demo: PostgreSQL \d+\.\d+\.\d+ boots in a temporary folder$/,
  /^a shop is made on it \(after [\d.]+ s\)$/,
  /^the shop is open \(after [\d.]+ s\): \d+ transactions a second are written to it, for \d+ s$/,
  /^⋯$/,
  /^copied *(carts|customers|order_items|orders|products|stock) *[\d,]+ rows in [\d.]+ m?s(, [\d,]+\/s)?$/,
  /^copied *6 tables, [\d,]+ rows in [\d.]+ m?s; from here on changes as they commit$/,
  /^┌ \d\d:\d\d:\d\d\.\d{3} {2}begin \d+$/,
  /^│ (insert|update|delete|truncate|schema|message)\b.+$/,
  /^│ .+: .+$/,
  /^└ commit {3}[\dA-F]+\/[\dA-F]+ {2}\d+ changes?, [\d.]+ m?s ago$/,
  /^Ended after [\d.]+ s\.$/,
  /^ {2}(copied|followed|position|lag) {2,}.+$/,
]

test('docs/demo.svg has what the demo prints today; node scripts/picture.mjs makes it anew', () => {
  const lines = linesOfSvg(readDocument('docs/demo.svg'))
  expect(lines.length).toBeGreaterThan(30)
  expect(lines.filter((line) => !forms.some((form) => form.test(line)))).toEqual([])
  for (const form of forms)
    expect(
      lines.some((line) => form.test(line)),
      String(form),
    ).toBe(true)
})
