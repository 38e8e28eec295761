import { writeArray } from './array-text.ts'
import { writeByValue } from './by-value.ts'

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
