import { setTimeout as delay } from 'node:timers/promises'
import type { DeliveredFeed, Destination, Standing } from '../../src/delivery/destination.ts'
import type { Batch } from '../../src/replication/batch.ts'
import type { Position } from '../../src/replication/position.ts'
import { nameOf } from './scripted-feed.ts'

/** A failure that the destination calls passing. */
export class Passing extends Error {
  override readonly name = 'Passing'
  readonly retryable = true
}

/** What a place keeps when the process is gone: the committed prefix. */
export interface Place {
  readonly events: readonly string[]
  readonly position: Position | undefined
}

/** How the next calls go: each takes the next of each list, in turn. */
export interface Weather {
  /** How many turns of the event loop, or of its microtasks, a call takes. */
  readonly waits: readonly { readonly kind: 'microtask' | 'turn' | 'timer'; readonly times: number }[]
  /** What a call of this number does instead of what it should, before or after having done it. */
  readonly failures: ReadonlyMap<number, { readonly passing: boolean; readonly when: 'before' | 'after' }>
}

/**
 * A destination in memory, which checks the contract from its side: who calls what, when, and that a commit covers exactly
 * the writes that had resolved when it was called.
 */
export class ModelDestination implements Destination {
  place: Place = { events: [], position: undefined }
  /** What broke the contract. */
  readonly violations: string[] = []
  /** Commits that were begun while a write was pending, and writes while a commit was. */
  overlaps = 0
  calls = 0
  opened = 0
  closed = 0
  readonly #weather: Weather
  /** Since the last open: what was written, each with where it led, of the writes that have resolved. */
  #resolved: { readonly names: readonly string[]; readonly position: Position }[] = []
  #open = false
  #writing = 0
  #committing = 0

  /** Resolves when the process is killed: from then on no call does anything, or comes back. */
  readonly crashed: Promise<'crashed'>
  #crash: () => void = () => {}
  #isGone = false
  readonly #crashAt: { readonly at: number; readonly when: 'before' | 'after' } | undefined
  readonly #onCall: (number: number) => void

  constructor(
    weather: Weather,
    options: {
      readonly crash?: { readonly at: number; readonly when: 'before' | 'after' } | undefined
      readonly onCall?: (number: number) => void
    } = {},
  ) {
    this.#weather = weather
    this.#crashAt = options.crash
    this.#onCall = options.onCall ?? (() => {})
    this.crashed = new Promise((resolve) => {
      this.#crash = () => resolve('crashed')
    })
  }

  async open(_feed: DeliveredFeed): Promise<Standing | undefined> {
    this.#mustBe(this.#writing + this.#committing === 0, 'opened while a call is pending')
    this.opened++
    this.#open = false
    return await this.#call(() => {
      this.#open = true
      this.#resolved = []
      // a copy that was not finished begins again
      if (this.place.position?.phase !== 'stream') this.place = { ...this.place, events: [] }
      const { position } = this.place
      return position && { start: position }
    })
  }

  async write(batch: Batch): Promise<void> {
    this.#mustBe(this.#open && this.#writing === 0, 'two writes at a time')
    this.#mustBe(batch.events.length > 0, 'an empty write')
    if (this.#committing > 0) this.overlaps++
    this.#writing++
    try {
      await this.#call(() => {})
      this.#resolved.push({ names: batch.events.map(nameOf), position: batch.position })
    } finally {
      this.#writing--
    }
  }

  async commit(position: Position): Promise<void> {
    this.#mustBe(this.#open && this.#committing === 0, 'two commits at a time')
    if (this.#writing > 0) this.overlaps++
    this.#committing++
    const covered = this.#resolved
    this.#resolved = []
    const led = covered.at(-1)?.position
    this.#mustBe(led === undefined || lsnOf(led) <= lsnOf(position), 'a commit covers a write that came later')
    try {
      await this.#call(() => {
        this.place = { events: [...this.place.events, ...covered.flatMap(({ names }) => names)], position }
      })
    } finally {
      this.#committing--
    }
  }

  async close(): Promise<void> {
    this.#open = false
    this.closed++
  }

  async #call<Result>(work: () => Result): Promise<Result> {
    const number = this.calls++
    const { waits, failures } = this.#weather
    const failure = failures.get(number)
    const fail = () => {
      throw failure?.passing ? new Passing(`call ${number}`) : new Error(`call ${number}`)
    }
    const wait = waits[number % waits.length]
    this.#onCall(number)
    if (wait !== undefined) await waitFor(wait)
    await this.#orCrash(number, 'before')
    if (failure?.when === 'before') fail()
    const result = work()
    await this.#orCrash(number, 'after')
    if (failure?.when === 'after') fail()
    return result
  }

  async #orCrash(number: number, when: 'before' | 'after'): Promise<void> {
    if (this.#crashAt?.at === number && this.#crashAt.when === when) {
      this.#isGone = true
      this.#crash()
    }
    if (this.#isGone) await new Promise(() => {})
  }

  #mustBe(isSo: boolean, violation: string): void {
    if (!isSo) this.violations.push(violation)
  }
}

async function waitFor({ kind, times }: Weather['waits'][number]): Promise<void> {
  for (let time = 0; time < times; time++) {
    if (kind === 'microtask') await undefined
    else if (kind === 'turn') await new Promise(setImmediate)
    else await delay(1)
  }
}

export function lsnOf(position: Position): number {
  return Number.parseInt(position.lsn.slice(2), 16)
}
