import { hexText } from './hex.ts'
import { PgArray } from './pg-array.ts'
import { replaceEach } from './replace-each.ts'

/**
 * What may have to be escaped in a string: control characters, quote, backslash, halves of surrogate pairs, and the
 * separators of Unicode.
 */
const escaped = /[^ !#-[\]-\u2027\u202a-\ud7ff\ue000-\uffff]/

/** A JSON string on one line. Testing first is twice as fast as JSON.stringify, since nearly no text needs an escape. */
export function jsonString(text: string): string {
  return escaped.test(text) ? escapeSeparators(JSON.stringify(text)) : `"${text}"`
}

/**
 * JSON may have U+2028 and U+2029 as they are, and they may only stand in its strings. There are readers of lines that end
 * one at them, the readline of Node 24 among them.
 */
function escapeSeparators(json: string): string {
  if (!json.includes('\u2028') && !json.includes('\u2029')) return json
  return replaceEach(replaceEach(json, /\u2028/g, '\\u2028'), /\u2029/g, '\\u2029')
}

/**
 * A value as JSON on one line, by what it is: bigint as a string; NaN and the infinities as strings, -0 kept;
 * bytes as the text of a bytea; arrays nested, with `lowerBounds` where they are not all 1; objects by their properties,
 * or by their toJSON; undefined, and whatever JSON cannot say, as null.
 */
export function jsonValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return jsonString(value)
    case 'number':
      if (Number.isFinite(value)) return value === 0 && Object.is(value, -0) ? '-0' : `${value}`
      return `"${value}"`
    case 'bigint':
      return `"${value}"`
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      return value === null ? 'null' : jsonObject(value)
    default:
      return 'null'
  }
}

/** A value of json or jsonb: JSON already, and only brought onto one line. */
export function jsonRawValue(value: unknown): string {
  return typeof value === 'string' ? onOneLine(value) : jsonValue(value)
}

/** JSON has no raw line breaks inside strings, so that every one stands between tokens, where a space serves as well. */
function onOneLine(json: string): string {
  return escapeSeparators(json.includes('\n') || json.includes('\r') ? replaceEach(json, /[\r\n]/g, ' ') : json)
}

/**
 * An array, nested as its value is, with its lower bounds where it has them.
 *
 * @param dimensions so many levels of arrays are dimensions, what is below is an element, whatever it is
 */
export function jsonArray(
  values: readonly unknown[],
  writeElement: (element: unknown) => string,
  dimensions: number,
): string {
  const text = jsonLevel(values, writeElement, dimensions)
  return values instanceof PgArray ? `{"lowerBounds":[${values.lowerBounds.join(',')}],"values":${text}}` : text
}

function jsonLevel(level: readonly unknown[], writeElement: (element: unknown) => string, dimensions: number): string {
  let text = ''
  for (let index = 0; index < level.length; index++) {
    const value = level[index]
    const isLevel = dimensions > 1 && Array.isArray(value)
    const written = isLevel ? jsonLevel(value, writeElement, dimensions - 1) : writeElement(value)
    text += index === 0 ? written : `,${written}`
  }
  return `[${text}]`
}

function jsonObject(value: object): string {
  if (value instanceof Uint8Array) return `"\\\\x${hexText(value, 0, value.length)}"`
  if (Array.isArray(value)) return jsonArray(value, jsonValue, 1)
  if ('toJSON' in value && typeof value.toJSON === 'function') return jsonValue(value.toJSON())
  let text = ''
  for (const [name, property] of Object.entries(value)) {
    text += `${text === '' ? '' : ','}${jsonString(name)}:${jsonValue(property)}`
  }
  return `{${text}}`
}
