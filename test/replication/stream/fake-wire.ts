import { Duplex } from 'node:stream'

/** How one way of a connection passes bytes on. */
export interface Way {
  /** So many bytes come through, and then the connection is gone for both ends. */
  readonly cutAfter?: number | undefined
  /** The bytes come in pieces of at most this size. */
  readonly pieces?: number | undefined
}

/** What lies between a client and a {@link FakeServer}. */
export interface Wire {
  /** From the client to the server. */
  readonly up?: Way | undefined
  /** From the server to the client. */
  readonly down?: Way | undefined
  /** Whether the client learns of a cut by a reset; otherwise by an end of the stream, without a word. */
  readonly resets?: boolean | undefined
}

/** One end of a stream in memory, which takes as much as the other end reads and no more. */
export class PipeEnd extends Duplex {
  readonly other: PipeEnd
  readonly #way: Way
  readonly #resets: boolean
  #passed = 0
  #taken: (() => void) | undefined

  /** @param other only for the server's end, which the client's makes itself */
  constructor(wire: Wire, other?: PipeEnd) {
    super({ allowHalfOpen: false, highWaterMark: 65_536 })
    this.#way = (other === undefined ? wire.up : wire.down) ?? {}
    this.#resets = other === undefined && wire.resets === true
    this.other = other ?? new PipeEnd(wire, this)
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: () => void): void {
    if (this.other.readableEnded || this.other.destroyed) {
      done()
      return
    }
    const { cutAfter = Number.POSITIVE_INFINITY, pieces = chunk.length } = this.#way
    const passes = chunk.subarray(0, Math.max(0, cutAfter - this.#passed))
    this.#passed += passes.length
    let isTaken = true
    for (let at = 0; at < passes.length; at += pieces) isTaken = this.other.push(passes.subarray(at, at + pieces))
    if (this.#passed >= cutAfter) this.cut()
    if (isTaken || this.#passed >= cutAfter) done()
    else this.other.#taken = done
  }

  override _final(done: () => void): void {
    this.#hangUp()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#hangUp()
    done(error)
  }

  /** The connection is gone, for both ends. What came through is read first, unless it is reset. */
  cut(): void {
    for (const end of [this, this.other]) {
      if (end.destroyed || end.readableEnded) continue
      if (end.#resets) end.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
      else end.push(null)
    }
  }

  #hangUp(): void {
    const { other } = this
    if (!other.destroyed && !other.readableEnded) other.push(null)
  }
}
