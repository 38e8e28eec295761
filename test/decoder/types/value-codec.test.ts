import { expect, test } from 'vitest'
import { decodeText, encodeText } from '../../../src/decoder/types/value-codec.ts'

test('by name and by OID, from a string and from bytes', () => {
  expect(decodeText('int8', '5')).toBe(5n)
  expect(decodeText(20, '5')).toBe(5n)
  expect(decodeText('_text', '{é,NULL}')).toEqual(['é', null])
  expect(decodeText('text', new TextEncoder().encode('é'))).toBe('é')
  expect(encodeText('_box', ['(2,2),(1,1)', null])).toBe('{(2,2),(1,1);NULL}')
  expect(encodeText(17, new Uint8Array([1, 255]))).toBe('\\x01ff')
})

test.each([
  ['int4[]', '_int4'],
  ['integer', 'int4'],
  ['mood', 'public.mood'],
  [20000, 'TypeRegistry'],
])('a type that is not built in is refused: %s', (type, hint) => {
  const refusal = expect.objectContaining({ code: 'bad_option', hint: expect.stringContaining(hint) })
  expect(() => decodeText(type, '')).toThrow(refusal)
  expect(() => encodeText(type, '')).toThrow(refusal)
})

test.each<[string, unknown]>([
  ['int4', '1'],
  ['int8', 1.5],
  ['float8', '1'],
  ['float8', 1n],
  ['bool', 't'],
  ['bytea', '\\x00'],
  ['bytea', [0]],
  ['text', 1],
  ['text', null],
  ['text', 'a\0b'],
  ['text', '\ud800'],
  ['_int4', '{1}'],
  ['_int4', ['1']],
  ['_text', [1]],
])('%s does not take %o', (type, value) => {
  expect(() => encodeText(type, value)).toThrow(TypeError)
})
