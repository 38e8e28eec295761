import { int32At, uint16At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * Text: lexemes in single quotes, apart by spaces, with their positions and weights: 'a':1A,2 'it''s' 'b\\c'. Quotes and
 * backslashes in a lexeme are doubled. Binary: Int32 number of lexemes; for each String lexeme, Int16 number of positions,
 * and those, Int16 each: weight (D 0, C 1, B 2, A 3) in the upper two bits.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/tsvector.c tsvectorsend
 */

const weights: readonly string[] = ['', 'C', 'B', 'A']

/** tsvector: a string. */
export const tsvectorCodec: Codec<string> = { ...makeCodec(sliceUtf8), strict: makeCodec(sliceUtf8Strictly) }

function makeCodec(sliceText: SliceText): Codec<string> {
  return {
    readText: sliceText,
    readBinary: (bytes, start, end) => {
      if (end - start < 4) fail('the number of lexemes is missing', 0)
      const count = int32At(bytes, start)
      if (count < 0) fail(`it says ${count} lexemes`, 0)
      let text = ''
      let at = start + 4
      for (let index = 0; index < count; index++) {
        const nul = lexemeEnd(bytes, at, end)
        if (nul + 3 > end) fail('it ends within a lexeme', at - start)
        text += `${index === 0 ? '' : ' '}${quoteLexeme(sliceText(bytes, at, nul))}`
        const positions = uint16At(bytes, nul + 1)
        at = nul + 3
        if (at + 2 * positions > end) fail(`a lexeme has ${positions} positions, which are not there`, at - start)
        for (let position = 0; position < positions; position++, at += 2) {
          const packed = uint16At(bytes, at)
          text += `${position === 0 ? ':' : ','}${packed & 0x3fff}${weights[packed >> 14]}`
        }
      }
      if (at !== end) fail('bytes stand behind the last lexeme', at - start)
      return text
    },
    encodeText: writeString,
    encodeBinary,
    binaryExact: true,
  }
}

/** The zero byte that ends a lexeme, or `end`. */
export function lexemeEnd(bytes: Uint8Array, at: number, end: number): number {
  let nul = at
  while (nul < end && bytes[nul] !== 0) nul++
  return nul
}

/** A lexeme as tsvector and tsquery print it. */
export function quoteLexeme(lexeme: string): string {
  return `'${lexeme.replace(/['\\]/g, '$&$&')}'`
}

/** What stands between the quotes, without what makes it stand there. */
export function unquoteLexeme(quoted: string): string {
  return quoted.slice(1, -1).replace(/(['\\])\1/g, '$1')
}

const entry = /('(?:[^'\\]|''|\\\\)*')(?::([\d,ABC]+))?( |$)/y
const position = /^(\d{1,5})([ABC]?)$/

function encodeBinary(value: unknown): Uint8Array {
  const text = writeString(value)
  const entries = new Writer()
  let count = 0
  entry.lastIndex = 0
  while (entry.lastIndex < text.length) {
    const from = entry.lastIndex
    const [matched, quoted = '', positions] = entry.exec(text) ?? []
    if (matched === undefined) throw new TypeError(`no lexeme stands at character ${from} of the tsvector`)
    const sent = positions === undefined ? [] : positions.split(',')
    entries.cstring(unquoteLexeme(quoted)).int16(sent.length)
    for (const given of sent) entries.int16(packPosition(given))
    count++
  }
  return new Writer().int32(count).bytes(entries.finish()).finish()
}

function packPosition(given: string): number {
  const [matched, number, weight] = position.exec(given) ?? []
  if (matched === undefined || Number(number) > 0x3fff) throw new TypeError(`'${given}' is no position of a lexeme`)
  return Number(number) | (weights.indexOf(weight ?? '') << 14)
}

function fail(why: string, offset: number): never {
  throw new ProtocolError('a binary tsvector could not be read', why, offset)
}
