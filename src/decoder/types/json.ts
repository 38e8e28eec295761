import type { Codec } from './codec.ts'
import { jsonRawValue } from './json-value.ts'
import { textCodec } from './string.ts'
import { versionedTextCodec } from './versioned-text.ts'

/*
 * json, jsonb, jsonpath: strings of text. Binary: json as its text; jsonb and jsonpath as a version, which is 1, and
 * their text. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonb.c jsonb_send
 */

/** json: the text as it was written. */
export const jsonCodec: Codec<string> = asJson(textCodec)

/** jsonb: the text that the server prints. */
export const jsonbCodec: Codec<string> = asJson(versionedTextCodec('jsonb'))

/** jsonpath: the text that the server prints. */
export const jsonpathCodec: Codec<string> = versionedTextCodec('jsonpath')

/** What a value says is JSON itself, in a line of JSON too. */
function asJson(codec: Codec<string>): Codec<string> {
  const { strict } = codec
  return { ...codec, writeJson: jsonRawValue, ...(strict && { strict: asJson(strict) }) }
}
