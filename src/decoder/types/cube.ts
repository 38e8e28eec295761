import { float64At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { float8Bytes, writeFloat } from './float.ts'
import { writeString } from './string.ts'

/*
 * cube, of the extension of that name. Text: (1, 2),(3, 4), two corners, or one where it is a point.
 * Binary: Int32 number of dimensions, in the highest bit whether it is a point; the float8s of one corner or two.
 * https://github.com/postgres/postgres/blob/master/contrib/cube/cube.c cube_send
 */

const pointBit = 0x8000_0000
const headerBytes = 4

/** cube: a string, the server's text. */
export const cubeCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    const header = end - start < headerBytes ? -1 : uint32At(bytes, start)
    const isPoint = header >= pointBit
    const dimensions = isPoint ? header - pointBit : header
    if (header < 0 || end - start !== headerBytes + 8 * dimensions * (isPoint ? 1 : 2)) {
      throw new ProtocolError(
        'a binary cube could not be read',
        `it says ${dimensions} dimensions in ${end - start} bytes`,
        0,
      )
    }
    const numbers: number[] = []
    for (let at = start + headerBytes; at < end; at += 8) numbers.push(float64At(bytes, at))
    const first = numbers.slice(0, dimensions)
    const second = numbers.slice(dimensions)
    // the server prints one corner wherever both are the same; a NaN is never the same
    const isOne = isPoint || first.every((number, index) => number === second[index])
    return isOne ? cornerText(first) : `${cornerText(first)},${cornerText(second)}`
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const text = writeString(value)
    const [matched, first = '', second] = /^\(([^()]*)\)(?:,\(([^()]*)\))?$/.exec(text) ?? []
    if (matched === undefined) throw new TypeError(`'${text}' is no cube`)
    const corners = [first, ...(second === undefined ? [] : [second])].map((corner) =>
      corner === '' ? [] : corner.split(', ').map(Number),
    )
    const [{ length } = []] = corners
    const bytes = new Uint8Array(headerBytes + 8 * length * corners.length)
    new DataView(bytes.buffer).setUint32(0, length + (second === undefined ? pointBit : 0))
    bytes.set(float8Bytes(corners.flat()), headerBytes)
    return bytes
  },
  binaryExact: true,
}

function cornerText(numbers: readonly number[]): string {
  return `(${numbers.map(writeFloat).join(', ')})`
}
