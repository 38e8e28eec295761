import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'

const source = join(import.meta.dirname, '../../../src/decoder')

afterEach(() => {
  vi.unstubAllGlobals()
})

test('the decoder imports nothing of Node, and names Buffer only where it looks whether there is one', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  expect(files).toContain('text.ts')
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8')
    expect(text, file).not.toMatch(/from '(node:|buffer|util)/)
    if (file !== 'text.ts') expect(text, file).not.toMatch(/\bBuffer\b/)
  }
})

test('values are the same with Buffer deleted', async () => {
  const values: [string, unknown][] = [
    ['bool', true],
    ['int4', -5],
    ['int8', 2n ** 63n - 1n],
    ['float8', 0.30000000000000004],
    ['float8', -0],
    ['numeric', `${'9'.repeat(40)}.00`],
    ['timestamptz', '2026-01-02 03:04:05.678901+00'],
    ['text', 'é€😀 and a little more than a short text'],
    ['bytea', new Uint8Array([0, 255])],
    ['_text', ['é', null, 'a "quoted" one', '😀'.repeat(20)]],
    ['_bytea', [new Uint8Array([1, 2, 3])]],
  ]
  vi.resetModules()
  vi.stubGlobal('Buffer', undefined)
  const { decodeText, encodeText } = await import('../../../src/decoder/types/value-codec.ts')
  const read = values.map(([type, value]) => decodeText(type, encodeText(type, value)))
  vi.unstubAllGlobals()
  expect(read).toStrictEqual(values.map(([, value]) => value))
})
