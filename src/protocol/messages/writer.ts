import { highHalfOf, lowHalfOf } from './big-endian.ts'
import type { Lsn } from './lsn.ts'

const utf8 = new TextEncoder()

/**
 * Writes the fields of one message in wire order (big-endian throughout): the counterpart of `Reader`.
 * Every method returns the writer.
 */
export class Writer {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity)
  }

  uint8(value: number): this {
    const at = this.#grow(1)
    this.#bytes[at] = value
    return this
  }

  int16(value: number): this {
    const at = this.#grow(2)
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value
    return this
  }

  int32(value: number): this {
    const at = this.#grow(4)
    this.#bytes[at] = value >> 24
    this.#bytes[at + 1] = value >> 16
    this.#bytes[at + 2] = value >> 8
    this.#bytes[at + 3] = value
    return this
  }

  uint32(value: number): this {
    return this.int32(value)
  }

  int64(value: bigint): this {
    return this.int32(highHalfOf(value)).int32(lowHalfOf(value))
  }

  lsn(value: Lsn): this {
    return this.int64(value)
  }

  /** One ASCII character. */
  tag(character: string): this {
    return this.uint8(character.charCodeAt(0))
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length)
    this.#bytes.set(value, at)
    return this
  }

  /** A NUL-terminated string; the caller made sure that it holds no NUL. */
  cstring(value: string): this {
    return this.bytes(utf8.encode(value)).uint8(0)
  }

  /** What was written: a view of the writer's own memory, which is not to be used after that. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Makes room, which may replace the buffer: call it before that is looked up. */
  #grow(by: number): number {
    const at = this.#length
    this.#length += by
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    return at
  }
}
