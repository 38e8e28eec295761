import { longestTimerMs } from '../protocol/connection/within.ts'
import type { Position } from '../replication/position.ts'
import { type CommitPolicy, commitDelayMs } from './commit-policy.ts'

/** What {@link Commits} are made with. */
export interface CommitsOptions {
  /** Makes durable what was written up to this position, and acknowledges it. */
  readonly commit: (position: Position) => Promise<void>
  readonly policy: CommitPolicy
  readonly now: () => number
}

/**
 * Decides when to commit, one at a time, while writes go on.
 *
 * A commit begins at the end of a write, or in a turn of the event loop of its own. Then whatever write had resolved
 * before it is known here too, so that destination and position speak of the same writes; begun in the middle of a turn,
 * just after a write had resolved and before that was seen here, it would cover one write more than its position says.
 */
export class Commits {
  readonly #options: CommitsOptions
  readonly #failed = new AbortController()
  #written: { readonly position: Position; readonly events: number } | undefined
  #pending: Promise<void> | undefined
  #alarm: NodeJS.Timeout | undefined
  #committedAt = Number.NEGATIVE_INFINITY
  #ended = false

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** Aborted when a commit has failed, with its error as the reason. Nothing is committed after that. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /** A write has resolved, with as many events, and led to this position. */
  wrote(position: Position, events: number): void {
    this.#written = { position, events: events + (this.#written?.events ?? 0) }
    if (this.#pending === undefined && this.#delayMs() === 0) this.#begin()
    else this.#schedule()
  }

  /** Everything that was written is committed when this resolves. Not to be called while a write is pending. */
  async flush(): Promise<void> {
    this.failed.throwIfAborted()
    while (this.#pending !== undefined || this.#written !== undefined) {
      if (this.#pending === undefined) this.#begin()
      await this.#pending
      this.failed.throwIfAborted()
    }
  }

  /** Begins no more; resolves when none is pending. */
  async settle(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#alarm)
    await this.#pending
  }

  #delayMs(): number {
    const { policy, now } = this.#options
    return commitDelayMs(policy, { events: this.#written?.events ?? 0, sinceCommitMs: now() - this.#committedAt })
  }

  #schedule(): void {
    clearTimeout(this.#alarm)
    if (this.#pending !== undefined || this.#written === undefined || this.#ended || this.failed.aborted) return
    this.#alarm = setTimeout(() => this.#begin(), Math.min(this.#delayMs(), longestTimerMs))
  }

  #begin(): void {
    clearTimeout(this.#alarm)
    if (this.#written === undefined || this.#ended || this.failed.aborted) return
    const { position } = this.#written
    this.#written = undefined
    this.#pending = this.#commit(position)
  }

  async #commit(position: Position): Promise<void> {
    try {
      await this.#options.commit(position)
      this.#committedAt = this.#options.now()
    } catch (error) {
      this.#failed.abort(error)
    }
    this.#pending = undefined
    this.#schedule()
  }
}
