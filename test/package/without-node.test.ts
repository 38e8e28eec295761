import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('protocol/messages and the decoder load and work where there is the language and a text encoder alone, as in a browser', () => {
  const script = fileURLToPath(new URL('./without-node.mjs', import.meta.url))
  const dist = fileURLToPath(new URL('../../dist', import.meta.url))
  const output = execFileSync(process.execPath, ['--no-warnings', '--experimental-vm-modules', script, dist], {
    encoding: 'utf8',
  })
  const { globals, modules, ...did } = JSON.parse(output)
  expect(globals).toEqual([])
  expect(modules.length).toBeGreaterThan(60)
  expect(modules.filter((path: string) => !/^(protocol\/messages|decoder)\//.test(path))).toEqual([])
  expect(did).toEqual({
    heard: ['StartupMessage', 'Query', 'DataRow', 'PrimaryKeepalive', 'protocol_violation'],
    new: { id: '7n', body: 'é€😀 and more', at: '2026-01-02 03:04:05.678901+00', price: '1.50' },
  })
})
