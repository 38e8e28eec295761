import type { Batch } from '../../replication/batch.ts'
import type { Event } from '../../replication/events.ts'
import type { Logger } from '../../replication/logger.ts'
import type { Position } from '../../replication/position.ts'
import { SnapshotProgress } from '../pretty/snapshot-progress.ts'

/** How often a copy that goes on is told about. */
const reportEveryMs = 10_000

/** Counts what goes by, and says at each milestone what a person who watches wants to know. */
export class ProgressReport {
  readonly #logger: Logger
  readonly #tellsSnapshot: boolean
  readonly #now: () => number
  readonly #snapshot: SnapshotProgress
  #toldAt: number
  #events = 0
  #lsn: string | undefined

  /** @param options.snapshot whether to tell about the copy of tables, which the output may do by itself */
  constructor(logger: Logger, options: { snapshot: boolean; now?: () => number }) {
    this.#logger = logger
    this.#tellsSnapshot = options.snapshot
    this.#now = options.now ?? (() => performance.now())
    this.#snapshot = new SnapshotProgress(this.#now)
    this.#toldAt = this.#now()
  }

  /** Looks at a batch before it is written. */
  onBatch(batch: Batch): void {
    // whatever the phase: a small copy ends in the batch that it began in, and with it the phase
    if (this.#tellsSnapshot) this.#onSnapshot(batch.events)
    this.#events += batch.events.length
    this.onCommit(batch.position)
  }

  /** Looks at a position, which may have come without a batch. */
  onCommit({ phase, lsn }: Position): void {
    if (phase === 'stream') this.#lsn = lsn
  }

  /** The last line of a run that went well. */
  ended(how: string): void {
    this.#logger.info({ events: this.#events, lsn: this.#lsn }, how)
  }

  #onSnapshot(events: readonly Event[]): void {
    for (const event of events) {
      if (event.kind === 'snapshot') {
        this.#snapshot.row(event.table)
      } else if (event.kind === 'snapshot-begin') {
        const { table, estimatedRows, mode } = event
        this.#snapshot.begin(event, table)
        const estimate = estimatedRows < 0 ? undefined : estimatedRows
        this.#logger.info({ table, estimatedRows: estimate, mode }, 'snapshot of a table begins')
      } else if (event.kind === 'snapshot-end') {
        const took = this.#snapshot.end(event.table)
        const seconds = took && Math.round(took.elapsedMs) / 1000
        this.#logger.info({ table: event.table, rows: event.rows, seconds }, 'snapshot of a table finished')
      }
    }
    if (this.#now() - this.#toldAt < reportEveryMs) return
    this.#toldAt = this.#now()
    for (const { name, rows, estimatedRows, rate, leftMs } of this.#snapshot.copying) {
      const rowsPerSecond = rate && Math.round(rate)
      const secondsLeft = leftMs && Math.round(leftMs / 1000)
      this.#logger.info({ table: name, rows, estimatedRows, rowsPerSecond, secondsLeft }, 'snapshot of a table goes on')
    }
  }
}
