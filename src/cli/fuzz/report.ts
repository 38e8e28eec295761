import type { Cell } from '../../fuzz/batch.ts'
import { madeTypes } from '../../fuzz/forms/made-types.ts'
import type { FoundValue, RefusedValue } from '../../fuzz/share.ts'
import type { Tally, TypeTally } from '../../fuzz/tally.ts'
import { countText, plural } from '../pretty/quantities.ts'

/** The table at the end: a line for each type. */
export function tableLines(types: readonly TypeTally[]): string[] {
  const hasRefused = types.some(({ refused }) => refused > 0)
  const head = ['type', 'values tried', 'mismatches', ...(hasRefused ? ['not taken'] : [])]
  const rows = types.map(({ name, values, mismatches, refused }) => [
    name,
    countText(values),
    countText(mismatches),
    ...(hasRefused ? [countText(refused)] : []),
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  return [head, ...rows].map((row) =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart((widths[column] ?? 0) + 2)))
      .join('')
      .trimEnd(),
  )
}

/** The last line. */
export function lastLine(tally: Pick<Tally, 'values' | 'mismatches' | 'types'>, seed: number): string {
  const tried = tally.types.filter(({ values }) => values > 0).length
  return `${tally.values} values, ${tried} types, ${tally.mismatches} mismatches, seed ${seed}`
}

/** A value that differs, with the SQL that shows what the server has. */
export function findingLines({ type, cell, text, problems, shrinks }: FoundValue, seed: number): string[] {
  const literal = text ?? (typeof cell === 'string' ? cell : null)
  const sql = literal === null ? `SELECT NULL::${type}` : `SELECT ${sqlLiteral(literal)}::${type}`
  return [
    `${type} differs (made smaller ${plural(shrinks, 'time')}; again with --seed ${seed} --types ${quoteArgument(type)})`,
    `  written as       ${showCell(cell)}`,
    `  server's text    ${text === null ? 'NULL' : JSON.stringify(text)}`,
    ...problems.map(({ where, gave }) => `  ${where.padEnd(15)}  ${gave}`),
    `  SQL              ${sql};`,
    ...makingOf(type).map((statement) => `  with             ${statement};`),
  ]
}

/** A value that the server did not take. */
export function refusalLine({ type, cell }: RefusedValue): string {
  return `${type}: the server does not take ${showCell(cell)}, and perhaps others; they are not among the values tried`
}

/** The statements that make a type which no database has by itself, and those before it, of which it may be made. */
function makingOf(type: string): readonly string[] {
  const name = type.replace(/\[\]$/, '')
  const isAbout = new RegExp(`^(CREATE|ALTER) (TYPE|DOMAIN) ${name} |multirange_type_name = ${name}\\)`)
  return /^\w+$/.test(name)
    ? madeTypes.slice(0, 1 + madeTypes.findLastIndex((statement) => isAbout.test(statement)))
    : []
}

/** A text for SQL that stands on one line, whatever is in it. */
function sqlLiteral(text: string): string {
  const escaped = text
    .replace(/\\/g, '\\\\')
    .replace(/'/g, "''")
    .replace(
      /[\p{Cc}\u2028\u2029\ufeff]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  return `${escaped.includes('\\') ? 'E' : ''}'${escaped}'`
}

function showCell(cell: Cell): string {
  if (cell === null) return 'NULL'
  return typeof cell === 'string' ? JSON.stringify(cell) : `\\x${Buffer.from(cell).toString('hex')} (binary)`
}

function quoteArgument(text: string): string {
  return /^[\w,]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
