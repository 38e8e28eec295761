/**
 * Random numbers that come again with their seed: sfc32, begun from a hash of the seed's text. Not Math.random, which
 * has no seed, and not fast-check's, whose generators make a tree of closures for each value.
 *
 * @see http://pracrand.sourceforge.net/RNG_engines.txt
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: string) {
    this.#a = hash(seed, 0x9e37_79b9)
    this.#b = hash(seed, 0x243f_6a88)
    this.#c = hash(seed, 0xb7e1_5162)
    for (let round = 0; round < 12; round++) this.uint32()
  }

  /** Any of the 2^32. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit)
  }

  /** From 1 to `most`, small ones more often: every power of two is as likely as the next. */
  upTo(most: number): number {
    return 1 + this.below(Math.min(most, 2 ** this.below(Math.ceil(Math.log2(most + 1)) + 1)))
  }

  /** True one time out of `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  /** @throws {RangeError} when there is nothing to choose from */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('there is nothing to choose from')
    return item
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** FNV-1a over the text's units, and murmur3's last step, which spreads it over all bits. */
function hash(text: string, begin: number): number {
  let value = begin
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193)
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return (value ^ (value >>> 16)) >>> 0
}
