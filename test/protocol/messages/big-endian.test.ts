import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  float32At,
  float32Bits,
  float64At,
  float64Bits,
  highHalfOf,
  int16At,
  int32At,
  int32Source,
  int64At,
  int64Of,
  lowHalfOf,
  uint16At,
  uint32At,
  uint64At,
  uint64Of,
} from '../../../src/protocol/messages/big-endian.ts'

const someBytes = fc.uint8Array({ minLength: 12, maxLength: 12 })

describe('numbers in network order', () => {
  test('are what a DataView reads, at any place', () => {
    const compiled = new Function('bytes', 'at', `return ${int32Source('bytes', 'at')}`)
    fc.assert(
      fc.property(someBytes, fc.nat(4), (bytes, at) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset)
        expect(int16At(bytes, at)).toBe(view.getInt16(at))
        expect(uint16At(bytes, at)).toBe(view.getUint16(at))
        expect(int32At(bytes, at)).toBe(view.getInt32(at))
        expect(compiled(bytes, at)).toBe(view.getInt32(at))
        expect(uint32At(bytes, at)).toBe(view.getUint32(at))
        expect(int64At(bytes, at)).toBe(view.getBigInt64(at))
        expect(uint64At(bytes, at)).toBe(view.getBigUint64(at))
        expect(float32At(bytes, at)).toBe(view.getFloat32(at))
        expect(float64At(bytes, at)).toBe(view.getFloat64(at))
      }),
    )
  })

  test('are made of their halves and fall into them, with a sign and without', () => {
    fc.assert(
      fc.property(someBytes, (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset)
        const [high, low] = [view.getUint32(0), view.getUint32(4)]
        expect(uint64Of(high, low)).toBe(view.getBigUint64(0))
        expect(int64Of(high, low)).toBe(view.getBigInt64(0))
        expect(int64Of(view.getInt32(0), view.getInt32(4))).toBe(view.getBigInt64(0))
        for (const value of [view.getBigUint64(0), view.getBigInt64(0)]) {
          expect([highHalfOf(value), lowHalfOf(value)]).toEqual([high, low])
        }
      }),
    )
  })

  test('of floating point are their bits', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.float({ noNaN: true }), (double, single) => {
        const view = new DataView(new ArrayBuffer(12))
        view.setFloat64(0, double)
        view.setFloat32(8, single)
        expect(float64Bits(double)).toBe(view.getBigUint64(0))
        expect(float32Bits(single)).toBe(view.getUint32(8))
      }),
    )
  })
})
