import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDocument, repository } from './documents.ts'

/** Promise, assumption, rules, link to a file, name of a test. */
const rows = readDocument('docs/guarantees.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| promise'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )

test('each promise has a test that exists, under this name', () => {
  expect(rows.length).toBeGreaterThan(15)
  const without = rows.filter((cells) => {
    const [link = '', name = ''] = cells.slice(-2)
    const path = link.match(/^\[.+\]\(\.\.\/(.+)\)$/)?.[1]
    if (path === undefined || !existsSync(join(repository, path))) return true
    const source = readFileSync(join(repository, path), 'utf8')
    return ![`'${name}'`, `"${name}"`, `\`${name}\``].some((quoted) => source.includes(quoted))
  })
  expect(without).toEqual([])
})

test('each promise follows from rules that docs/traps.md has', () => {
  const rules = new Set(
    readDocument('docs/traps.md')
      .split('\n## Traps\n')[0]
      ?.match(/^\| \d+ /gm),
  )
  const unknown = rows.flatMap((cells) => (cells.at(-3) ?? '').split(', ').filter((rule) => !rules.has(`| ${rule} `)))
  expect(unknown).toEqual([])
})
