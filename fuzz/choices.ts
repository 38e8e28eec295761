/**
 * Reads bytes as choices: what a generator makes of an input. So a generator's inputs are bytes as any other target's,
 * which can be mutated, kept for what they reach, and shrunk. Beyond the last byte every choice is the first.
 */
export class Choices {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Whether all bytes were used: what is made from here on is the same for every input. */
  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  uint8(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  uint32(): number {
    return ((this.uint8() << 24) | (this.uint8() << 16) | (this.uint8() << 8) | this.uint8()) >>> 0
  }

  uint64(): bigint {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
  }

  /** A whole number from 0 to `limit` - 1; one byte for limits up to 256. */
  below(limit: number): number {
    return limit <= 256 ? this.uint8() % limit : this.uint32() % limit
  }

  /** True one time out of `times`, and not when the bytes are used up. */
  once(times: number): boolean {
    return this.below(times) === times - 1
  }

  /** @throws {RangeError} when there is nothing to choose from */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('there is nothing to choose from')
    return item
  }

  /** Up to `most` times what `make` makes. */
  list<Item>(most: number, make: () => Item): Item[] {
    return Array.from({ length: this.below(most + 1) }, make)
  }

  /** The next bytes as they are. */
  bytes(most: number): Uint8Array {
    const length = this.below(most + 1)
    const bytes = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }
}
