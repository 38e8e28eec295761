import type { Writable } from 'node:stream'
import type { Progress } from '../../fuzz/tally.ts'
import { countText, durationText, plural } from '../pretty/quantities.ts'
import { type MaybeTerminal, terminalOf } from '../pretty/terminal.ts'

/** How often a line is written where lines cannot be replaced. */
const tellEveryMs = 10_000

/** Says how it goes: on a terminal in one line that is replaced, elsewhere in a line now and then. */
export class ProgressLine {
  readonly #stream: Writable & MaybeTerminal
  readonly #now: () => number
  readonly #beganAt: number
  #toldAt: number
  #drawn = false

  constructor(stream: Writable & MaybeTerminal, now: () => number = () => performance.now()) {
    this.#stream = stream
    this.#now = now
    this.#beganAt = now()
    this.#toldAt = this.#beganAt
  }

  tell({ values, mismatches }: Progress): void {
    const { live, columns } = terminalOf(this.#stream)
    if (!live && this.#now() - this.#toldAt < tellEveryMs) return
    this.#toldAt = this.#now()
    const elapsedMs = this.#toldAt - this.#beganAt
    const rate = Math.round(values / Math.max(elapsedMs / 1000, 0.001))
    const line = `${countText(values)} values, ${plural(mismatches, 'mismatch', 'mismatches')}, ${countText(rate)} values a second, ${durationText(elapsedMs)}`
    this.erase()
    this.#stream.write(live ? line.slice(0, columns - 1) : `${line}\n`)
    this.#drawn = live
  }

  /** Takes the line away, for what is written next. */
  erase(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K')
    this.#drawn = false
  }
}
