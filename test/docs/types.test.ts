import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDocument, repository } from './documents.ts'
import { typesPage } from './types-page.ts'

/** Renews the tables of docs/types.md: `npm run docs`. */
const writes = process.env.WALWIRE_WRITE_DOCS === '1'

test('docs/types.md has what the registry has: `npm run docs` renews it', () => {
  const page = typesPage()
  if (writes) writeFileSync(join(repository, 'docs/types.md'), page)
  expect(readDocument('docs/types.md')).toBe(page)
})
