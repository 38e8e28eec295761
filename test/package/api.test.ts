import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { apiText } from './api.ts'

const kept = join(import.meta.dirname, 'api.txt')

test('the types that each entry exports are those that are kept: `npm run docs` renews test/package/api.txt, and what changed for a user belongs into CHANGELOG.md', () => {
  const text = apiText()
  if (process.env.WALWIRE_WRITE_DOCS === '1') writeFileSync(kept, text)
  expect(text).toBe(readFileSync(kept, 'utf8'))
})
