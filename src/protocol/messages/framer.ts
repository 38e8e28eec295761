import { int32At } from './big-endian.ts'
import { ProtocolError } from './errors.ts'

/** The longest message that a server can send or take: its own limit for one allocation, and the length word. */
export const longestMessage = 0x4000_0000

/** The longest message without a tag: MAX_STARTUP_PACKET_LENGTH (PG18: pqcomm.h), and the length word. */
const longestUntagged = 10_004

const noChunk: Uint8Array = new Uint8Array(0)

/**
 * Cuts the byte stream of one side into messages, whatever the chunks: `Byte1 tag, Int32 length (of itself and the body),
 * body`. What has no tag, at the beginning of a connection, is asked for by other methods, since only who follows the
 * conversation knows when it comes.
 *
 * It works on the chunks as they came from the socket. Only a message that spans chunks is copied, once, when its last
 * byte is there; all others are read where they lie. What {@link next} shows is valid until it is called again.
 *
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
export class Framer {
  /** The message's tag byte. */
  tag = 0
  /** The array in which the body lies, from {@link start} to {@link end}. */
  bytes: Uint8Array = noChunk
  start = 0
  end = 0

  /**
   * A message whose length word says more is refused before its bytes are waited for. Lowered while it is not yet
   * certain that the other side is a server: text read as a length word is half a gigabyte.
   */
  maxMessageBytes = longestMessage

  #chunks: Uint8Array[] = []
  /** Index of the chunk after the current one. */
  #nextChunk = 0
  /** The chunk being walked, and how far. */
  #chunk: Uint8Array = noChunk
  #at = 0
  #buffered = 0
  #needed = 0
  readonly #from: 'server' | 'client'

  /** @param from whose bytes these are, for errors */
  constructor(from: 'server' | 'client' = 'server') {
    this.#from = from
  }

  /** Bytes given and not yet shown. */
  get buffered(): number {
    return this.#buffered
  }

  /** Whether the next message is known to need more bytes than are there: reading must go on, whatever is buffered. */
  get starved(): boolean {
    return this.#needed > this.#buffered
  }

  /** Gives the next chunk. It must not change until every message in it was shown. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#buffered += chunk.length
    if (this.#at === this.#chunk.length && this.#nextChunk === this.#chunks.length) {
      this.#chunk = chunk
      this.#at = 0
    } else {
      this.#chunks.push(chunk)
    }
  }

  /**
   * Moves to the next whole message.
   *
   * @returns false when more bytes are needed
   * @throws {ProtocolError} when the length word cannot be one
   */
  next(): boolean {
    const chunk = this.#chunk
    const at = this.#at
    const left = chunk.length - at
    if (left < 5) return this.#nextAcross()
    const length = int32At(chunk, at + 1) + 1
    if (length < 5 || length > this.maxMessageBytes) this.#reject(typeOf(chunk[at]!), length - 1)
    if (length > left) return this.#nextAcross()
    this.tag = chunk[at]!
    this.bytes = chunk
    this.start = at + 5
    this.end = at + length
    this.#at = at + length
    this.#buffered -= length
    return true
  }

  /**
   * Moves to the next whole message that has no tag, as a client's first: `Int32 length (of itself and the body), body`.
   * {@link tag} is 0.
   *
   * @returns false when more bytes are needed
   * @throws {ProtocolError} when the length word cannot be one
   */
  nextUntagged(): boolean {
    if (!this.#has(4)) return false
    const length = int32At(this.#peek(4), 0)
    if (length < 8 || length > longestUntagged) this.#reject('without a type', length)
    if (!this.#has(length)) return false
    this.#show(length, 4)
    this.tag = 0
    return true
  }

  /**
   * Moves to the next byte, which is all of a message: a server's answer to a request for encryption. {@link tag} is 0.
   *
   * @returns false when it is not there yet
   */
  nextByte(): boolean {
    if (!this.#has(1)) return false
    this.#show(1, 0)
    this.tag = 0
    return true
  }

  /** The first byte that was given and not yet shown; undefined when there is none. */
  get firstByte(): number | undefined {
    return this.#buffered === 0 ? undefined : this.#peek(1)[0]
  }

  /** A framer of its own over what was given and not yet shown: to look ahead without moving this one. */
  fork(): Framer {
    const fork = new Framer(this.#from)
    fork.maxMessageBytes = this.maxMessageBytes
    fork.#chunk = this.#chunk
    fork.#at = this.#at
    fork.#chunks = this.#chunks.slice(this.#nextChunk)
    fork.#buffered = this.#buffered
    return fork
  }

  /** The next message starts in this chunk and ends in a later one, or the chunk is used up. */
  #nextAcross(): boolean {
    if (this.#at === this.#chunk.length && this.#nextChunk < this.#chunks.length) {
      this.#advanceChunk()
      return this.next()
    }
    if (!this.#has(5)) return false
    const header = this.#peek(5)
    const length = int32At(header, 1) + 1
    if (length < 5 || length > this.maxMessageBytes) this.#reject(typeOf(header[0]!), length - 1)
    if (!this.#has(length)) return false
    this.tag = header[0]!
    this.#show(length, 5)
    return true
  }

  /** Whether so many bytes are there; if not, they are what is {@link starved} of. */
  #has(length: number): boolean {
    const isThere = length <= this.#buffered
    this.#needed = isThere ? 0 : length
    return isThere
  }

  /** Copies the next message and moves behind it. */
  #show(length: number, header: number): void {
    this.bytes = this.#peek(length)
    this.start = header
    this.end = length
    let skip = length
    while (skip >= this.#chunk.length - this.#at) {
      skip -= this.#chunk.length - this.#at
      this.#at = this.#chunk.length
      if (this.#nextChunk === this.#chunks.length) break
      this.#advanceChunk()
    }
    this.#at += skip
    this.#buffered -= length
  }

  /** Copies the next `length` buffered bytes, without moving. */
  #peek(length: number): Uint8Array {
    const copy = new Uint8Array(length)
    let filled = 0
    let chunk = this.#chunk
    let from = this.#at
    for (let index = this.#nextChunk; filled < length; index++) {
      const part = chunk.subarray(from, from + length - filled)
      copy.set(part, filled)
      filled += part.length
      from = 0
      chunk = this.#chunks[index]!
    }
    return copy
  }

  #advanceChunk(): void {
    this.#chunk = this.#chunks[this.#nextChunk]!
    this.#at = 0
    // a shown chunk must not be kept alive by the array
    this.#chunks[this.#nextChunk] = noChunk
    this.#nextChunk++
    if (this.#nextChunk === this.#chunks.length) {
      this.#chunks = []
      this.#nextChunk = 0
    } else if (this.#nextChunk >= 64 && this.#nextChunk * 2 >= this.#chunks.length) {
      // nor may the array grow without end; at half, each chunk is moved at most once on average
      this.#chunks.splice(0, this.#nextChunk)
      this.#nextChunk = 0
    }
  }

  #reject(type: string, length: number): never {
    throw new ProtocolError(
      `the ${this.#from} sent something that is not a message`,
      `a message ${type} with length ${length}`,
      0,
    )
  }
}

function typeOf(tag: number): string {
  return `of type 0x${tag.toString(16)}`
}
