/** A source of chance that a seed repeats (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** Whether something that happens this often, of 1, happens now. */
  happens(probability: number): boolean {
    return this.next() < probability
  }

  /** One of several things. */
  oneOf<Thing>(things: readonly [Thing, ...Thing[]]): Thing {
    return things[this.between(0, things.length - 1)] ?? things[0]
  }

  /** Another source, which does not depend on what this one gives later. */
  fork(): Chance {
    return new Chance(Math.floor(this.next() * 2 ** 32))
  }
}

/** The seed in the environment, or a new one. */
export function seedFrom(text: string | undefined): number {
  return text === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(text)
}
