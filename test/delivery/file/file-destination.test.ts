import { expect, test } from 'vitest'
import { fileDestination } from '../../../src/delivery/file/file-destination.ts'

test.each([
  { path: '' },
  { path: 'a', checkpoint: 'a' },
  { path: './a', checkpoint: 'a' },
  { path: 'a.tmp', checkpoint: 'a' },
  { path: 'b/../a.lock', checkpoint: 'a' },
])('%j is refused', (options) => {
  expect(() => fileDestination(options)).toThrow(expect.objectContaining({ code: 'bad_option' }))
})

test('it says where it is', () => {
  expect(fileDestination({ path: '/data/shop.jsonl' }).description).toBe('the output /data/shop.jsonl')
})
