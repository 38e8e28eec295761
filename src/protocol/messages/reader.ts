import { uint64At } from './big-endian.ts'
import { ProtocolError } from './errors.ts'
import { escapedText } from './escaped-text.ts'
import type { Lsn } from './lsn.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the fields of one message in wire order (big-endian throughout) and never beyond its end.
 * For everything but rows, whose readers are compiled (decoder/row-reader.ts).
 * Every method throws {@link ProtocolError} with the field's name and offset when the bytes do not serve.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-types.html
 */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #start: number
  readonly #end: number
  readonly #message: string
  #at: number

  /** @param message the message's name, for errors */
  constructor(bytes: Uint8Array, start: number, end: number, message: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#start = start
    this.#end = end
    this.#at = start
    this.#message = message
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#end - this.#at
  }

  /** Offset of the next byte in the array that was given. */
  get at(): number {
    return this.#at
  }

  uint8(field: string): number {
    return this.#view.getUint8(this.#take(1, field))
  }

  int16(field: string): number {
    return this.#view.getInt16(this.#take(2, field))
  }

  uint16(field: string): number {
    return this.#view.getUint16(this.#take(2, field))
  }

  int32(field: string): number {
    return this.#view.getInt32(this.#take(4, field))
  }

  uint32(field: string): number {
    return this.#view.getUint32(this.#take(4, field))
  }

  int64(field: string): bigint {
    return this.#view.getBigInt64(this.#take(8, field))
  }

  lsn(field: string): Lsn {
    return uint64At(this.#bytes, this.#take(8, field))
  }

  /** A NUL-terminated string. */
  cstring(field: string): string {
    const nul = this.#nul(field)
    return this.#text(field, this.#at, nul, nul + 1)
  }

  /**
   * The same for text whose encoding is not certain: each byte that is not UTF-8 is shown as `\\xHH`. Never for a value or
   * a name.
   */
  escapedCstring(field: string): string {
    const nul = this.#nul(field)
    const text = escapedText(this.#bytes.subarray(this.#at, nul))
    this.#at = nul + 1
    return text
  }

  /** The next `length` bytes as a string. */
  string(length: number, field: string): string {
    const at = this.#take(length, field)
    return this.#text(field, at, at + length, at + length)
  }

  /** The next `length` bytes, copied: the array that was given may be reused. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#take(length, field)
    // not slice: what a socket gives is a Buffer, and a Buffer's slice is a view
    return new Uint8Array(this.#bytes.subarray(at, at + length))
  }

  /**
   * Checks a count against what remains before anything is allocated for it.
   *
   * @param elementSize the least number of bytes that one element takes
   */
  count(count: number, elementSize: number, field: string): number {
    if (count < 0 || count * elementSize > this.remaining) {
      this.fail(`${field} says ${count}, which cannot fit the ${this.remaining} bytes that remain`)
    }
    return count
  }

  /** Rejects what stands behind the last field. */
  finish(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes stand behind the last field`)
  }

  fail(why: string): never {
    throw new ProtocolError(`${this.#message} could not be read`, why, this.#at - this.#start)
  }

  #take(length: number, field: string): number {
    const at = this.#at
    if (length < 0 || length > this.#end - at) this.fail(`${field} needs ${length} bytes, ${this.remaining} remain`)
    this.#at = at + length
    return at
  }

  #nul(field: string): number {
    const nul = this.#bytes.indexOf(0, this.#at)
    if (nul < 0 || nul >= this.#end) this.fail(`${field} has no terminating zero byte`)
    return nul
  }

  #text(field: string, start: number, end: number, next: number): string {
    let text: string
    try {
      text = utf8.decode(this.#bytes.subarray(start, end))
    } catch {
      this.fail(`${field} is not valid UTF-8: ${escapedText(this.#bytes.subarray(start, Math.min(end, start + 100)))}`)
    }
    this.#at = next
    return text
  }
}
