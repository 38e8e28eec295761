import type { Duplex } from 'node:stream'
import { Framer } from '../messages/framer.ts'

/** Less than this at once says that the reader is faster than the sender; it is what Node reads of a socket at most. */
const littleBytes = 65_536
const pauseMs = 1

/** Told by a {@link ReadAhead}. */
export interface ReadAheadEvents {
  /** A chunk came, and nobody waits in {@link ReadAhead.more}. */
  chunk(): void
  /** The stream is over, once; the cause is there if it broke. */
  end(cause: Error | undefined): void
}

/**
 * The read side of a connection: puts what comes into the framer, and stops reading while enough is there.
 *
 * Reading goes on whatever is buffered while the framer is starved: a message longer than the limit must still get in.
 */
export class ReadAhead {
  readonly framer = new Framer()
  /**
   * When true, little is followed by a pause of a millisecond. A walsender writes every message by itself, and a reader
   * that wakes for each slows it down; while behind, waiting a moment lets the kernel gather them (half the time and a
   * fifth of the CPU for narrow rows). It costs a millisecond, so it is for while there is a backlog.
   */
  pacing = false

  readonly #stream: Duplex
  readonly #maxBytes: number
  readonly #events: ReadAheadEvents
  #full = false
  #pause: NodeJS.Timeout | undefined
  /** Whether readAtOnce is at work: what it reads comes as an event, too. */
  #reading = false
  #discarding = false
  /** Whether a chunk came since {@link more} last said so. */
  #fresh = false
  #over = false
  #cause: Error | undefined
  #waiting: { readonly promise: Promise<boolean>; readonly resolve: (more: boolean) => void } | undefined

  /** @param maxBytes what may be buffered before reading stops; at most one chunk more is */
  constructor(stream: Duplex, maxBytes: number, events: ReadAheadEvents) {
    this.#stream = stream
    this.#maxBytes = maxBytes
    this.#events = events
    stream.on('data', (chunk: unknown) => this.#take(chunk))
    stream.on('error', (error) => {
      this.#cause ??= error
    })
    stream.on('end', () => this.#finish())
    stream.on('close', () => this.#finish())
    stream.resume()
  }

  /**
   * Waits for bytes, after the framer said that it has no whole message: true when a chunk came since the last call
   * (perhaps already seen through the framer), false when the stream is over and every chunk was announced.
   */
  more(): Promise<boolean> {
    if (this.#fresh) {
      this.#fresh = false
      this.keepReading()
      return Promise.resolve(true)
    }
    if (this.#over) return Promise.resolve(false)
    this.keepReading()
    this.#waiting ??= waiter()
    return this.#waiting.promise
  }

  /**
   * Goes on reading if half of what was buffered is used up. A consumer that takes long between two calls of
   * {@link more} calls it in between, so that the next bytes are there when it needs them.
   */
  keepReading(): void {
    if (!this.#full) return
    if (!this.framer.starved && this.framer.buffered > this.#maxBytes / 2) return
    this.#full = false
    this.#resume()
  }

  /** From now on drops what comes, so that the stream can end while nobody pulls. */
  discard(): void {
    this.#discarding = true
    this.#full = false
    this.#endPause()
    this.#resume()
  }

  #take(chunk: unknown): void {
    if (this.#over || this.#discarding) return
    if (!(chunk instanceof Uint8Array)) {
      this.#stream.destroy(new TypeError('the stream gives text or objects instead of bytes'))
      return
    }
    const { framer } = this
    framer.push(chunk)
    if (framer.buffered > this.#maxBytes && !framer.starved) {
      this.#full = true
      this.#stream.pause()
    } else if (this.pacing && chunk.length < littleBytes && !this.#reading) {
      this.#stream.pause()
      this.#pause ??= setTimeout(() => this.#readAtOnce(), pauseMs)
    }
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#fresh = true
      this.#events.chunk()
    } else {
      this.#waiting = undefined
      waiting.resolve(true)
    }
  }

  /**
   * After a pause takes all that the stream has gathered, as one chunk, while the stream stays paused: resumed, it would
   * hand out what it has piece by piece, which over TLS is a piece for each of the server's messages.
   */
  #readAtOnce(): void {
    this.#pause = undefined
    if (this.#full || this.#over || this.#discarding) return
    this.#reading = true
    const chunk: unknown = this.#stream.read()
    this.#reading = false
    const little = chunk instanceof Uint8Array && chunk.length < littleBytes
    if (little && this.pacing && !this.#full) this.#pause = setTimeout(() => this.#readAtOnce(), pauseMs)
    else this.#resume()
  }

  #endPause(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
  }

  #resume(): void {
    if (!this.#full && this.#pause === undefined) this.#stream.resume()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#endPause()
    this.#stream.destroy()
    this.#events.end(this.#cause)
    this.#waiting?.resolve(false)
    this.#waiting = undefined
  }
}

function waiter(): { promise: Promise<boolean>; resolve: (more: boolean) => void } {
  let resolve: (more: boolean) => void = () => {}
  const promise = new Promise<boolean>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
