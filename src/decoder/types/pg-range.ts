import { writeByValue } from './by-value.ts'
import { quoteBound } from './nested-text.ts'

/** Whether the bounds belong to a range; `empty` for one that has no bounds, since nothing is in it. */
export type RangeBounds = '[]' | '[)' | '(]' | '()' | 'empty'

/** A range's text: null for a bound that is infinite, which the server prints as exclusive. */
export function rangeText(lower: string | null, upper: string | null, bounds: RangeBounds): string {
  if (bounds === 'empty') return bounds
  const opening = lower === null ? '(' : `${bounds[0]}${quoteBound(lower)}`
  const closing = upper === null ? ')' : `${quoteBound(upper)}${bounds[1]}`
  return `${opening},${closing}`
}

/** A Postgres range: `new PgRange(1, 6)` is [1,6). */
export class PgRange<T = unknown> {
  /** Null where there is no lower bound, or the range is empty. An infinite bound such as a date's is a value. */
  readonly lower: T | null
  /** As `lower`. */
  readonly upper: T | null
  readonly bounds: RangeBounds
  readonly #text: string | undefined

  /** @param text the server's own, where it is known */
  constructor(lower: T | null, upper: T | null, bounds: RangeBounds = '[)', text?: string) {
    this.lower = lower
    this.upper = upper
    this.bounds = bounds
    this.#text = text
  }

  /** A range of nothing. */
  static empty<T>(): PgRange<T> {
    return new PgRange<T>(null, null, 'empty')
  }

  get isEmpty(): boolean {
    return this.bounds === 'empty'
  }

  /** Whether the lower bound itself is in the range. */
  get lowerInclusive(): boolean {
    return this.lower !== null && this.bounds.startsWith('[')
  }

  /** Whether the upper bound itself is in the range. */
  get upperInclusive(): boolean {
    return this.upper !== null && this.bounds.endsWith(']')
  }

  /** The server's text, or of a range that the caller made, one that the server reads as the same range. */
  toString(): string {
    return this.#text ?? rangeText(boundText(this.lower), boundText(this.upper), this.bounds)
  }

  /** The form of the JSON lines. */
  toJSON(): string {
    return this.toString()
  }
}

function boundText(bound: unknown): string | null {
  return bound === null ? null : writeByValue(bound)
}
