import { writeByValue } from './by-value.ts'

/** Whether an element cannot stand in an array's text as it is; `delimiter` is looked for besides. */
const needsQuotes = /^$|^null$|[{}"\\\t\n\v\f\r ]/i

/**
 * Puts an element's text between quotes where the server would read something else without them.
 *
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function quoteElement(text: string, delimiter: string): string {
  return needsQuotes.test(text) || text.includes(delimiter) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text
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

/**
 * A Postgres array whose subscripts do not all begin at 1 (`'[0:1]={1,2}'::int[]`). In JavaScript its elements begin at
 * 0 as in any array; where they began is in `lowerBounds`, one number for each dimension.
 * What `map`, `slice` and their like return is a plain array.
 */
export class PgArray<T = unknown> extends Array<T> {
  readonly lowerBounds: readonly number[]
  readonly #delimiter: string
  readonly #writeElement: (value: unknown) => string

  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  /**
   * @param delimiter what stands between elements in its text: a comma, for `box` a semicolon
   * @param writeElement the text of an element; where it is not given, elements are written by what they are
   */
  constructor(
    values: Iterable<T> = [],
    lowerBounds: readonly number[] = [],
    delimiter = ',',
    writeElement: (value: unknown) => string = writeByValue,
  ) {
    super()
    for (const value of values) this.push(value)
    this.lowerBounds = lowerBounds
    this.#delimiter = delimiter
    this.#writeElement = writeElement
  }

  /** The text that the server reads as the same array, subscripts included. */
  override toString(): string {
    return writeArray(this, this.lowerBounds, Math.max(1, this.lowerBounds.length), this.#delimiter, this.#writeElement)
  }

  /** The form of the JSON lines, since an array alone would lose the subscripts. */
  toJSON(): { lowerBounds: readonly number[]; values: readonly T[] } {
    return { lowerBounds: this.lowerBounds, values: [...this] }
  }
}
