import type { Column } from '../../decoder/relation.ts'
import { clipText } from './display-width.ts'
import { countText } from './quantities.ts'
import { type Span, type Style, widthOf } from './spans.ts'
import { visibleSpans } from './visible-text.ts'

/** Types whose text ends where it seems to, spaces and commas included. Every other text is quoted unless it is a word. */
const selfDelimiting: ReadonlySet<string> = new Set([
  ...['bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'oid', 'money', 'uuid', 'bytea', 'json', 'jsonb'],
  ...['date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'bit', 'varbit', 'pg_lsn'],
  ...['inet', 'cidr', 'macaddr', 'macaddr8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'],
  ...['int4range', 'int8range', 'numrange', 'tsrange', 'tstzrange', 'daterange'],
  ...['int4multirange', 'int8multirange', 'nummultirange', 'tsmultirange', 'tstzmultirange', 'datemultirange'],
])

const isArray = /^(.*\.)?_/s
const word = /^[\p{L}\p{M}\p{N}_.+@/#%-]([\p{L}\p{M}\p{N}_.+@/#%:-]*[\p{L}\p{M}\p{N}_.+@/#%-])?$/u
const taken: ReadonlySet<string> = new Set(['null', 'true', 'false'])

/**
 * A value in at most so many cells. A long one is shortened, and its whole length told.
 *
 * @param value the server's text; null for NULL
 */
export function valueSpans(value: unknown, column: Pick<Column, 'type'>, cells: number, style?: Style): Span[] {
  if (value === null || value === undefined) return [{ text: 'null', style: 'faint' }]
  const text = String(value)
  if (column.type === 'bool' && (text === 't' || text === 'f'))
    return [{ text: text === 't' ? 'true' : 'false', style }]
  const length = column.type === 'bytea' ? { count: (text.length - 2) / 2, of: 'bytes' } : undefined
  if (selfDelimiting.has(column.type) || isArray.test(column.type)) return shorten(text, '', cells, style, length)
  return quotedSpans(text, cells, style)
}

/** A text, quoted as in SQL unless it is one word. */
export function quotedSpans(text: string, cells: number, style?: Style): Span[] {
  const bare = text.length <= cells && word.test(text) && !taken.has(text)
  return bare ? shorten(text, '', cells, style) : shorten(text, "'", cells, style)
}

/** How a value's length is told. */
interface Length {
  readonly count: number
  readonly of: string
}

function shorten(text: string, quote: '' | "'", cells: number, style: Style | undefined, length?: Length): Span[] {
  const mark: Span[] = quote === '' ? [] : [{ text: quote, style }]
  // no character that is seen takes less than a cell; a few more for what is not
  const beginning = text.length > cells * 8 ? text.slice(0, cells * 8).replace(/[\ud800-\udbff]$/, '') : text
  const spans = visibleSpans(quote === '' ? beginning : beginning.replaceAll("'", "''"), style)
  if (beginning === text && widthOf(spans) + 2 * mark.length <= cells) return [...mark, ...spans, ...mark]
  const { count, of } = length ?? { count: codePoints(text), of: 'characters' }
  const told = `${quote}… (${countText(count)} ${of})`
  const room = cells - told.length - mark.length
  const kept: Span[] = []
  let left = Math.max(1, room)
  for (const span of spans) {
    // an escape is shown whole or not at all
    const part = span.style === 'escape' && span.text.length > left ? '' : clipText(span.text, left)
    left -= widthOf([{ text: part }])
    kept.push({ ...span, text: part })
    if (part !== span.text) break
  }
  return [
    ...mark,
    ...kept,
    { text: '…', style: 'faint' },
    ...mark,
    { text: ` (${countText(count)} ${of})`, style: 'faint' },
  ]
}

/** Characters as the server counts them. */
function codePoints(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count--
  return count
}
