import type { Writable } from 'node:stream'
import type { Output } from '../../delivery/file/output.ts'

/** How often what is live is drawn at most: more cannot be read. */
const drawEveryMs = 100

/**
 * An output on a terminal with some lines below it that are replaced all the time. They go before anything is written
 * and come back after it, so that what was written reads as if they had not been there.
 */
export class LiveOutput implements Output {
  readonly #output: Output
  readonly #stream: Writable
  readonly #lines: () => readonly string[]
  #drawn = 0
  #drawnAt = Number.NEGATIVE_INFINITY

  /**
   * @param output writes to the stream
   * @param lines what is live now, no line wider than the terminal
   */
  constructor(output: Output, stream: Writable, lines: () => readonly string[]) {
    this.#output = output
    this.#stream = stream
    this.#lines = lines
  }

  get path(): string | undefined {
    return this.#output.path
  }

  get length(): number {
    return this.#output.length
  }

  async write(lines: Iterable<string>): Promise<void> {
    const written = [...lines]
    if (written.length > 0) {
      this.erase()
      await this.#output.write(written)
    }
    this.#draw()
  }

  sync(): Promise<void> {
    return this.#output.sync()
  }

  async close(): Promise<void> {
    this.erase()
    await this.#output.close()
  }

  /** Takes the live lines away, for whatever else writes to the terminal. They come back with the next batch. */
  erase(): void {
    if (this.#drawn === 0) return
    const up = this.#drawn === 1 ? '' : `\u001b[${this.#drawn - 1}A`
    this.#stream.write(`\r${up}\u001b[J`)
    this.#drawn = 0
    this.#drawnAt = Number.NEGATIVE_INFINITY
  }

  #draw(): void {
    if (performance.now() - this.#drawnAt < drawEveryMs) return
    this.erase()
    const lines = this.#lines()
    if (lines.length === 0) return
    this.#stream.write(lines.join('\n'))
    this.#drawn = lines.length
    this.#drawnAt = performance.now()
  }
}
