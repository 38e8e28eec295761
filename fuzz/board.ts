const headerBytes = 8
const capacity = 1 << 21

/**
 * Memory that the worker and whoever watches it share: which input is being tried, and whether it is still the same one.
 * A worker that hangs can say nothing any more, and one that is out of memory neither.
 */
export class Board {
  readonly memory: SharedArrayBuffer
  /** [number of the input being tried, 0 when none is; its length] */
  readonly #state: Int32Array
  readonly #input: Uint8Array
  #count = 0

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(headerBytes + capacity)) {
    this.memory = memory
    this.#state = new Int32Array(memory, 0, 2)
    this.#input = new Uint8Array(memory, headerBytes)
  }

  /** The worker begins with an input. */
  begin(input: Uint8Array): void {
    const kept = input.length <= capacity ? input : input.subarray(0, capacity)
    this.#input.set(kept)
    this.#state[1] = kept.length
    this.#count = (this.#count % 0x7fff_ffff) + 1
    Atomics.store(this.#state, 0, this.#count)
  }

  /** The worker is through with it. */
  end(): void {
    Atomics.store(this.#state, 0, 0)
  }

  /** The number of the input that is being tried; undefined when none is. */
  get running(): number | undefined {
    return Atomics.load(this.#state, 0) || undefined
  }

  /** A copy of the last input that was begun with. */
  get input(): Uint8Array {
    return this.#input.slice(0, this.#state[1])
  }
}
