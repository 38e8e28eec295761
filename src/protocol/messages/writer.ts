import { highHalfOf, lowHalfOf } from './big-endian.ts'
import { WalwireError } from './errors.ts'
import type { Lsn } from './lsn.ts'

const utf8 = new TextEncoder()
const halfPair = /\p{Surrogate}/u

/** @throws {WalwireError} `bad_option`, without the text, which may be a password */
export function refuse(why: string): never {
  throw new WalwireError('bad_option', {
    what: 'a message cannot be written',
    why,
    hint: 'change what is to be sent',
  })
}

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

  /**
   * A NUL-terminated string.
   *
   * @throws {WalwireError} `bad_option` for one with a zero byte: it would end there, and the rest stand where the next
   * field or message is read
   */
  cstring(value: string, field = 'a string'): this {
    if (value.includes('\0')) refuse(`${field} contains a zero byte, which ends a string in the protocol`)
    return this.string(value, field).uint8(0)
  }

  /**
   * The bytes of a string, with nothing around them.
   *
   * @throws {WalwireError} `bad_option` for what UTF-8 cannot hold: half of a surrogate pair would become another character
   */
  string(value: string, field = 'a string'): this {
    if (halfPair.test(value)) refuse(`${field} contains half of a surrogate pair`)
    return this.bytes(utf8.encode(value))
  }

  /**
   * An Int16 that says how many elements follow.
   *
   * @param most how many the other side can read: 65,535 where it takes the number as unsigned
   * @throws {WalwireError} `bad_option` for more than that
   */
  count(value: number, field: string, most: 0x7fff | 0xffff = 0x7fff): this {
    if (value > most) refuse(`${field} is ${value}, and at most ${most} can be sent`)
    return this.int16(value)
  }

  /** Overwrites what {@link int32} wrote: a length that is known only when everything behind it stands. */
  int32At(at: number, value: number): this {
    this.#bytes.set(new Writer(4).int32(value).finish(), at)
    return this
  }

  get length(): number {
    return this.#length
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
