import { float64At, int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { float8Bytes, writeFloat } from './float.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Points are two float8, x and y. Text: each type in brackets of its own around float8 as the server prints it.
 * Binary: the float8s in the order of the text; a polygon with the number of its points before them, Int32, a path with a
 * byte for closed before that. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/geo_ops.c
 */

/** point: a string, `(x,y)`. */
export const pointCodec: Codec<string> = makeCodec('point', 2, ([x, y]) => `(${x},${y})`)

/** lseg: a string, `[(x1,y1),(x2,y2)]`. */
export const lsegCodec: Codec<string> = makeCodec('lseg', 4, ([x1, y1, x2, y2]) => `[(${x1},${y1}),(${x2},${y2})]`)

/** box: a string, `(x1,y1),(x2,y2)`, the upper right corner first. */
export const boxCodec: Codec<string> = makeCodec('box', 4, ([x1, y1, x2, y2]) => `(${x1},${y1}),(${x2},${y2})`)

/** line: a string, `{A,B,C}` for Ax + By + C = 0. */
export const lineCodec: Codec<string> = makeCodec('line', 3, ([a, b, c]) => `{${a},${b},${c}}`)

/** circle: a string, `<(x,y),r>`. */
export const circleCodec: Codec<string> = makeCodec('circle', 3, ([x, y, r]) => `<(${x},${y}),${r}>`)

function makeCodec(type: string, count: number, textOf: (numbers: readonly string[]) => string): Codec<string> {
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      checkLength(start, end, 8 * count, type)
      return textOf(numbersAt(bytes, start, end))
    },
    encodeText: writeString,
    encodeBinary: (value) => {
      const numbers = numbersIn(writeString(value))
      // the brackets and commas must be those that the type has
      if (numbers.length !== count || textOf(numbers) !== value) throw new TypeError(`'${value}' is no ${type}`)
      return float8Bytes(numbers.map(Number))
    },
    binaryExact: true,
  }
}

/** path: a string, `[(x1,y1),…]` or, closed, `((x1,y1),…)`. */
export const pathCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    const isClosed = bytes[start] !== 0
    const points = readPoints(bytes, start + 1, end, 'path')
    return isClosed ? `(${points})` : `[${points}]`
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const text = writeString(value)
    return Uint8Array.of(text.startsWith('(') ? 1 : 0, ...pointBytes(text, 'path', /^(\(.*\)|\[.*\])$/))
  },
  binaryExact: true,
}

/** polygon: a string, `((x1,y1),…)`. */
export const polygonCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => `(${readPoints(bytes, start, end, 'polygon')})`,
  encodeText: writeString,
  encodeBinary: (value) => pointBytes(writeString(value), 'polygon', /^\(.*\)$/),
  binaryExact: true,
}

function readPoints(bytes: Uint8Array, start: number, end: number, type: string): string {
  const count = end - start < 4 ? -1 : int32At(bytes, start)
  if (count < 0 || end - start !== 4 + 16 * count) {
    throw new ProtocolError(`a binary ${type} could not be read`, `it says ${count} points in ${end - start} bytes`, 0)
  }
  const numbers = numbersAt(bytes, start + 4, end)
  let text = ''
  for (let index = 0; index < numbers.length; index += 2) {
    text += `${index === 0 ? '' : ','}(${numbers[index]},${numbers[index + 1]})`
  }
  return text
}

function pointBytes(text: string, type: string, brackets: RegExp): Uint8Array {
  const numbers = numbersIn(text)
  if (!brackets.test(text) || numbers.length % 2 !== 0) throw new TypeError(`'${text}' is no ${type}`)
  const bytes = new Uint8Array(4 + 8 * numbers.length)
  new DataView(bytes.buffer).setInt32(0, numbers.length / 2)
  bytes.set(float8Bytes(numbers.map(Number)), 4)
  return bytes
}

function numbersAt(bytes: Uint8Array, start: number, end: number): string[] {
  const numbers: string[] = []
  for (let at = start; at < end; at += 8) numbers.push(writeFloat(float64At(bytes, at)))
  return numbers
}

const float8Form = /^(-?(\d+(\.\d+)?(e[+-]\d+)?|Infinity)|NaN)$/

function numbersIn(text: string): string[] {
  const numbers = text.split(/[[\](){}<>,]+/).filter((number) => number !== '')
  for (const number of numbers) if (!float8Form.test(number)) throw new TypeError(`'${number}' is no float8`)
  return numbers
}
