import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '../../protocol/connection/connection.ts'
import { queryRows } from '../../replication/catalog/queryable.ts'
import { seededRandom } from './random.ts'
import { happenings, type Kind, type Till } from './shop-transactions.ts'

/** How {@link ShopWriter} writes. */
export interface ShopWriterOptions {
  /** Transactions in a second, on average. */
  readonly rate: number
  readonly seed: number
  /** Told when a transaction fails, which ends nothing: somebody else may be at work on the tables. */
  readonly onRefusal: (error: unknown) => void
}

/** Writes to the shop what a day in it would, until it is closed. */
export class ShopWriter {
  /** What may happen now: tables are changed and emptied only once they were copied. */
  kind: Kind = 'everyday'
  readonly #connection: Connection
  readonly #closing = new AbortController()
  readonly #ended: Promise<void>

  /** @param connection the writer's own, which it closes */
  constructor(connection: Connection, options: ShopWriterOptions) {
    this.#connection = connection
    this.#ended = this.#write(options)
  }

  /** Ends after the transaction that is open, or without it where that waits for somebody. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.race([this.#ended, delay(200)])
    this.#connection.destroy()
    await this.#ended
  }

  async #write({ rate, seed, onRefusal }: ShopWriterOptions): Promise<void> {
    const { signal } = this.#closing
    const random = seededRandom(seed)
    const till: Till = { random, rows: (sql) => queryRows(this.#connection, sql) }
    const next = happenings(random, () => this.kind)
    let due = performance.now()
    while (!signal.aborted && this.#connection.failure === undefined) {
      // not in time with anything: between half as long and one and a half times
      due += (1000 / rate) * (0.5 + random.next())
      const waitMs = due - performance.now()
      if (waitMs > 0 && !(await waited(waitMs, signal))) break
      try {
        await till.rows('BEGIN')
        await next.next().value(till)
        await till.rows('COMMIT')
      } catch (error) {
        if (this.#connection.failure === undefined) {
          onRefusal(error)
          await till.rows('ROLLBACK').catch(() => {})
        }
      }
    }
  }
}

/** Whether the time passed without the signal. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return await delay(ms, true, { signal }).catch(() => false)
}
