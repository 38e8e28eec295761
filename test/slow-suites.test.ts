import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(repository, path), 'utf8')
const slow = read('test/slow-suites.txt')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

test('every suite that `npm test` leaves out is there, once, in order', () => {
  expect(slow.length).toBeGreaterThan(5)
  expect(slow.filter((path) => !existsSync(join(repository, path)))).toEqual([])
  expect(slow).toEqual([...new Set(slow)].sort())
})

test('the CI run is both: what `npm test` runs, and what it leaves out', () => {
  const run = read('.ci/run')
  expect(run).toMatch(/^tests test$/m)
  expect(run).toMatch(/^tests run test:slow$/m)
})
