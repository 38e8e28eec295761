import { replaceEach } from './replace-each.ts'

/** Whether an element cannot stand in an array's text as it is; `delimiter` is looked for besides. */
const needsQuotes = /^$|^null$|[{}"\\\t\n\v\f\r ]/i

/**
 * Puts an element's text between quotes where the server would read something else without them.
 *
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function quoteElement(text: string, delimiter: string): string {
  return needsQuotes.test(text) || text.includes(delimiter) ? `"${replaceEach(text, /["\\]/g, '\\$&')}"` : text
}

/** An array's text: nested lists as far down as `dimensions`, NULL, and what `writeElement` makes of everything else. */
export function writeArray(
  values: readonly unknown[],
  lowerBounds: readonly number[],
  dimensions: number,
  delimiter: string,
  writeElement: (value: unknown) => string,
): string {
  const writeLevel = (level: readonly unknown[], depth: number): string =>
    `{${level
      .map((value) => {
        if (value === null || value === undefined) return 'NULL'
        if (depth > 1 && Array.isArray(value)) return writeLevel(value, depth - 1)
        return quoteElement(writeElement(value), delimiter)
      })
      .join(delimiter)}}`
  return bounds(values, lowerBounds) + writeLevel(values, dimensions)
}

/** How deep an array is nested. */
export function dimensionsOf(values: readonly unknown[]): number {
  let dimensions = 1
  for (let inner = values[0]; Array.isArray(inner); inner = inner[0]) dimensions++
  return dimensions
}

function bounds(values: readonly unknown[], lowerBounds: readonly number[]): string {
  if (lowerBounds.every((bound) => bound === 1)) return ''
  let text = ''
  let level: unknown = values
  for (const bound of lowerBounds) {
    const length: number = Array.isArray(level) ? level.length : 0
    text += `[${bound}:${bound + length - 1}]`
    level = Array.isArray(level) ? level[0] : undefined
  }
  return `${text}=`
}
