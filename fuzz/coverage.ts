import { type Profiler, Session } from 'node:inspector'

/**
 * Which blocks of the code were run, by V8's own counters, so nothing is instrumented and nothing is installed.
 *
 * Counters are for all of the isolate, and to take them costs a millisecond or two: so a batch of inputs is tried
 * between two looks, and a batch with something new in it is tried again in halves.
 */
export class Coverage {
  readonly #session = new Session()
  readonly #isWanted: (url: string) => boolean
  /** By script: a byte for each character of its text, 1 where it was run. */
  readonly #seen = new Map<string, Uint8Array>()
  /** What was run between the last two looks. */
  #last: readonly Profiler.ScriptCoverage[] = []

  /** @param isWanted tells by its URL whether a script counts */
  constructor(isWanted: (url: string) => boolean) {
    this.#isWanted = isWanted
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage')
  }

  /** Looks, and sets all counters back: whether something ran since the last look that is not {@link keep kept}. */
  look(): boolean {
    this.#last = this.#take()
    return this.#paint(false) > 0
  }

  /** Keeps what the last {@link look} showed: it is not new any more. Returns how many characters of code are new. */
  keep(): number {
    return this.#paint(true)
  }

  /** Characters of code that were run so far. */
  get size(): number {
    let size = 0
    for (const seen of this.#seen.values()) for (const byte of seen) size += byte
    return size
  }

  end(): void {
    this.#session.disconnect()
  }

  #paint(keep: boolean): number {
    let fresh = 0
    for (const { url, functions } of this.#last) {
      const end = Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)))
      let seen = this.#seen.get(url)
      if (seen === undefined || seen.length < end) {
        const longer = new Uint8Array(end)
        if (seen !== undefined) longer.set(seen)
        seen = longer
        this.#seen.set(url, seen)
      }
      // ranges come outermost first, and a range within another says how often that part of it was run
      const now = new Uint8Array(end)
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      }
      for (let at = 0; at < end; at++) {
        if (now[at] === 1 && seen[at] === 0) {
          fresh++
          if (keep) seen[at] = 1
        }
      }
    }
    return fresh
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = []
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error
      taken = answer.result.filter(({ url }) => this.#isWanted(url))
    })
    return taken
  }

  /** In one thread the session answers before `post` returns. */
  #post(method: 'Profiler.enable' | 'Profiler.startPreciseCoverage'): void {
    const answered = (error: Error | null) => {
      if (error !== null) throw error
    }
    if (method === 'Profiler.enable') this.#session.post(method, answered)
    else this.#session.post(method, { callCount: true, detailed: true }, answered)
  }
}
