/** Less than this is not worth a look. */
const defaultLeast = 1_000

/** When to look through what only grows for what is of no use any more: when it has doubled since it was looked through last. */
export class Growth {
  readonly #least: number
  #due: number

  constructor(least = defaultLeast) {
    this.#least = least
    this.#due = least
  }

  isDue(size: number): boolean {
    return size >= this.#due
  }

  /** It was looked through, and so much remained. */
  looked(size: number): void {
    this.#due = Math.max(this.#least, 2 * size)
  }
}
