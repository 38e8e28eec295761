import type { Lsn } from './lsn.ts'

const utf8 = new TextEncoder()

/**
 * Writes the fields of one message in wire order (big-endian throughout): the counterpart of `Reader`.
 * Every method returns the writer.
 */
export class Writer {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  uint8(value: number): this {
    const at = this.#grow(1)
    this.#view.setUint8(at, value)
    return this
  }

  int16(value: number): this {
    const at = this.#grow(2)
    this.#view.setInt16(at, value)
    return this
  }

  int32(value: number): this {
    const at = this.#grow(4)
    this.#view.setInt32(at, value)
    return this
  }

  uint32(value: number): this {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
    return this
  }

  int64(value: bigint): this {
    const at = this.#grow(8)
    this.#view.setBigInt64(at, value)
    return this
  }

  lsn(value: Lsn): this {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, value)
    return this
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

  /** Makes room, which may replace the buffer and its view: call it before either is looked up. */
  #grow(by: number): number {
    const at = this.#length
    this.#length += by
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}
