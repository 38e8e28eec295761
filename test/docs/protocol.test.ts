import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
const rows = [...text.matchAll(/^\| (?!message \|)(?!---)(.*) \|$/gm)].map(([, row = '']) => row.split(' | '))

/** A dash in place of a test is followed by the reason. */
function namesTest(file: string, name: string): boolean {
  if (file === '—') return name.includes(' ')
  const url = new URL(`../${file}`, import.meta.url)
  if (!existsSync(url)) return false
  const source = readFileSync(url, 'utf8')
  return [`'${name}'`, `"${name}"`, `\`${name}\``].some((quoted) => source.includes(quoted))
}

test('each message that a server may send has its condition, what is done with it, and a test that exists, or why there is none', () => {
  expect(rows.length).toBeGreaterThan(50)
  expect(rows.filter((row) => row.length !== 5)).toEqual([])
  expect(rows.filter(([, , , file = '', name = '']) => !namesTest(file, name))).toEqual([])
})
