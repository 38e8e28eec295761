import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const folder = new URL('../../src/protocol/', import.meta.url)
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

/** These check bounds themselves, or do not read what a server sent. */
const exceptions = new Set([
  'messages/reader.ts',
  // for who has checked that the bytes are there
  'messages/big-endian.ts',
  // the cancel key, to send it
  'connection/frontend.ts',
  // DER, not a message
  'connection/channel-binding.ts',
])

describe('what a server sends', () => {
  test.each(sources.filter((name) => !exceptions.has(name)))(
    'is read through a Reader, which checks bounds: %s',
    (name) => {
      const source = readFileSync(new URL(name, folder), 'utf8')
      expect(source).not.toMatch(/\.get(?:Big)?(?:Ui|I)nt\d+\(|\.read(?:Big)?U?Int\d+[BL]E\(|<< ?(?:8|16|24)\b/)
    },
  )

  test('is never cut with slice, which on a Buffer gives a view and no copy', () => {
    for (const name of sources) {
      const source = readFileSync(new URL(name, folder), 'utf8')
      expect(source, name).not.toMatch(/\b(?:bytes|chunk|body|data|buffer)\.slice\(/)
    }
  })
})
