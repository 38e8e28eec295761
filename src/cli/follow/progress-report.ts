import type { Batch } from '../../replication/batch.ts'
import type { Logger } from '../../replication/logger.ts'

/** Counts what goes by, and says at each milestone what a person who watches wants to know. */
export class ProgressReport {
  readonly #logger: Logger
  #events = 0
  #lsn: string | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Looks at a batch before it is written. */
  onBatch(batch: Batch): void {
    for (const event of batch.events) {
      if (event.kind === 'snapshot-begin') {
        const { table, estimatedRows, mode } = event
        const estimate = estimatedRows < 0 ? undefined : estimatedRows
        this.#logger.info({ table, estimatedRows: estimate, mode }, 'snapshot of a table begins')
      } else if (event.kind === 'snapshot-end') {
        this.#logger.info({ table: event.table, rows: event.rows }, 'snapshot of a table finished')
      }
    }
    this.#events += batch.events.length
    if (batch.position.phase === 'stream') this.#lsn = batch.position.lsn
  }

  /** The last line of a run that went well. */
  ended(how: string): void {
    this.#logger.info({ events: this.#events, lsn: this.#lsn }, how)
  }
}
