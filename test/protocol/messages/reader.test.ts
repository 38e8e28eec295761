import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../src/protocol/messages/reader.ts'

/** A reader over bytes that lie somewhere inside a larger array. */
function readerOver(body: Uint8Array, before = 3, after = 4): Reader {
  const bytes = new Uint8Array(before + body.length + after).fill(0xee)
  bytes.set(body, before)
  return new Reader(bytes, before, before + body.length, 'a test message')
}

const protocolError = expect.objectContaining({ code: 'protocol_violation' })

describe('a reader', () => {
  test('reads what a DataView wrote, of every width', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xff }),
        fc.integer({ min: -0x8000, max: 0x7fff }),
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer(),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (u8, i16, u16, i32, u32, i64, lsn) => {
          const view = new DataView(new ArrayBuffer(29))
          view.setUint8(0, u8)
          view.setInt16(1, i16)
          view.setUint16(3, u16)
          view.setInt32(5, i32)
          view.setUint32(9, u32)
          view.setBigInt64(13, i64)
          view.setBigUint64(21, lsn)
          const reader = readerOver(new Uint8Array(view.buffer))
          expect(reader.uint8('a')).toBe(u8)
          expect(reader.int16('b')).toBe(i16)
          expect(reader.uint16('c')).toBe(u16)
          expect(reader.int32('d')).toBe(i32)
          expect(reader.uint32('e')).toBe(u32)
          expect(reader.int64('f')).toBe(i64)
          expect(reader.lsn('g')).toBe(lsn)
          expect(reader.remaining).toBe(0)
          reader.finish()
        },
      ),
    )
  })

  test('reads strings, with a byte order mark and everything', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const utf8 = Buffer.from(text.replaceAll('\0', ''), 'utf8')
        const clean = utf8.toString('utf8')
        expect(readerOver(Buffer.concat([utf8, Buffer.of(0)])).cstring('s')).toBe(clean)
        expect(readerOver(Buffer.concat([utf8, Buffer.of(0)])).escapedCstring('s')).toBe(clean)
        expect(readerOver(utf8).string(utf8.length, 's')).toBe(clean)
      }),
    )
    expect(readerOver(Buffer.from('\ufeffx\0')).cstring('s')).toBe('\ufeffx')
  })

  test('never reads past its end, whatever stands there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 7 }), (body) => {
        expect(() => readerOver(body).int64('field')).toThrow(protocolError)
        expect(() => readerOver(body).string(body.length + 1, 'field')).toThrow(protocolError)
        expect(() => readerOver(body).bytes(body.length + 1, 'field')).toThrow(protocolError)
        expect(() => readerOver(body).bytes(-1, 'field')).toThrow(protocolError)
      }),
    )
    // the zero byte behind the end is not this message's
    expect(() => new Reader(Buffer.from('ab\0'), 0, 2, 'm').cstring('name')).toThrow(protocolError)
  })

  test('says in errors what was read, and how far it was', () => {
    const reader = readerOver(Buffer.from([0, 1, 2]))
    reader.int16('first')
    expect(() => reader.int32('the number of columns')).toThrow(
      expect.objectContaining({
        message: 'a test message could not be read: the number of columns needs 4 bytes, 1 remain (byte 2)',
        offset: 2,
      }),
    )
  })

  test('refuses bytes that are not UTF-8, and lets them pass where it may', () => {
    expect(() => readerOver(Buffer.from([0xff, 0])).cstring('s')).toThrow(protocolError)
    expect(() => readerOver(Buffer.from([0xff])).string(1, 's')).toThrow(protocolError)
    expect(readerOver(Buffer.from([0x61, 0xff, 0x62, 0])).escapedCstring('s')).toBe('a\\xffb')
    const mixed = Buffer.concat([Buffer.from('é€😀'), Buffer.of(0xe9, 0xe2, 0x82, 0x20, 0xc3, 0)])
    expect(readerOver(mixed).escapedCstring('s')).toBe('é€😀\\xe9\\xe2\\x82 \\xc3')
  })

  test('checks a count before anything is made for it', () => {
    expect(() => readerOver(new Uint8Array(8)).count(0x7fff_ffff, 4, 'n')).toThrow(protocolError)
    expect(() => readerOver(new Uint8Array(8)).count(-1, 4, 'n')).toThrow(protocolError)
    expect(readerOver(new Uint8Array(8)).count(2, 4, 'n')).toBe(2)
  })

  test('gives bytes of their own', () => {
    const bytes = Buffer.from([1, 2, 3])
    const copy = new Reader(bytes, 0, 3, 'm').bytes(3, 'b')
    bytes.fill(9)
    expect([...copy]).toEqual([1, 2, 3])
  })

  test('refuses what stands behind the last field', () => {
    const reader = readerOver(Buffer.from([1, 2]))
    reader.uint8('a')
    expect(() => reader.finish()).toThrow(protocolError)
  })
})
