import { int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * hstore, of the extension of that name. Text: "key"=>"value", "key"=>NULL, with a backslash before a quote or backslash.
 * Binary: Int32 number of pairs; for each Int32 length and bytes of the key, Int32 length, -1 for NULL, and bytes of the
 * value. https://github.com/postgres/postgres/blob/master/contrib/hstore/hstore_io.c
 */

/** hstore: a string, the server's text. */
export const hstoreCodec: Codec<string> = { ...makeCodec(sliceUtf8), strict: makeCodec(sliceUtf8Strictly) }

const encoder = new TextEncoder()

function makeCodec(sliceText: SliceText): Codec<string> {
  return {
    readText: sliceText,
    readBinary: (bytes, start, end) => {
      const count = end - start < 4 ? -1 : int32At(bytes, start)
      if (count < 0 || 8 * count > end - start - 4) fail(`it says ${count} pairs in ${end - start} bytes`, 0)
      let at = start + 4
      const part = (): string | null => {
        const length = at + 4 > end ? -2 : int32At(bytes, at)
        if (length < -1 || length > end - at - 4) fail(`a part says that it is ${length} bytes long`, at - start)
        const from = at + 4
        at = from + Math.max(0, length)
        return length < 0 ? null : sliceText(bytes, from, at)
      }
      let text = ''
      for (let pair = 0; pair < count; pair++) {
        const from = at
        const key = part() ?? fail('a key is NULL', from - start)
        const value = part()
        text += `${pair === 0 ? '' : ', '}${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`
      }
      if (at !== end) fail('bytes stand behind the last pair', at - start)
      return text
    },
    encodeText: writeString,
    encodeBinary,
    binaryExact: true,
  }
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

const pair = /"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)(?:, |$)/sy

function encodeBinary(value: unknown): Uint8Array {
  const text = writeString(value)
  const pairs = new Writer()
  let count = 0
  pair.lastIndex = 0
  while (pair.lastIndex < text.length) {
    const from = pair.lastIndex
    const [matched, key = '', held] = pair.exec(text) ?? []
    if (matched === undefined) throw new TypeError(`no pair stands at character ${from} of the hstore`)
    for (const part of [key, held]) {
      if (part === undefined) pairs.int32(-1)
      else {
        const bytes = encoder.encode(part.replace(/\\(.)/gs, '$1'))
        pairs.int32(bytes.length).bytes(bytes)
      }
    }
    count++
  }
  return new Writer().int32(count).bytes(pairs.finish()).finish()
}

function fail(why: string, offset: number): never {
  throw new ProtocolError('a binary hstore could not be read', why, offset)
}
