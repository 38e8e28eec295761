import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBytea, writeBytea } from '../../../src/decoder/types/bytea.ts'
import { ProtocolError } from '../../../src/protocol/messages/errors.ts'
import { failureOf, readInPlace } from './in-place.ts'

/** byteaout with bytea_output = escape. */
function escapeForm(value: Uint8Array): string {
  return Array.from(value, (byte) => {
    if (byte === 0x5c) return '\\\\'
    return byte < 0x20 || byte > 0x7e ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte)
  }).join('')
}

test('both output forms of any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
      expect(readInPlace(readBytea, writeBytea(value))).toEqual(value)
      expect(
        readInPlace(
          readBytea,
          writeBytea(value).replace(/[a-f]/g, (digit) => digit.toUpperCase()),
        ),
      ).toEqual(value)
      expect(readInPlace(readBytea, escapeForm(value))).toEqual(value)
    }),
  )
})

test('the escape form of bytes that look like the hexadecimal one', () => {
  const value = new TextEncoder().encode('\\x00')
  expect(escapeForm(value)).toBe('\\\\x00')
  expect(readInPlace(readBytea, '\\\\x00')).toEqual(value)
})

test('the bytes are the reader’s own: no view of what was given (trap 61)', () => {
  const text = new TextEncoder().encode('\\x0102')
  const value = readBytea(text, 0, text.length)
  text.fill(0)
  expect(value).toEqual(new Uint8Array([1, 2]))
  expect(value.buffer).not.toBe(text.buffer)
  expect(value.byteLength).toBe(value.buffer.byteLength)
})

test('malformed text is refused', () => {
  for (const text of [
    '\\x0',
    '\\x0g',
    '\\xg0',
    '\\x 1',
    '\\',
    'a\\',
    '\\1',
    '\\12',
    '\\400',
    '\\08a',
    '\\y',
    '\\\\\\',
  ]) {
    expect(failureOf(readBytea, text), text).toBeInstanceOf(ProtocolError)
  }
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0x5c, 0x78, 0x30, 0x37, 0x39, 0x61, 0x67, 0xff), { maxLength: 12 }),
      (codes) => {
        const failure = failureOf(readBytea, Uint8Array.from(codes))
        expect(failure === undefined || failure instanceof ProtocolError).toBe(true)
      },
    ),
  )
})
