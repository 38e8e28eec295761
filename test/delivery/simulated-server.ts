import type { Batch } from '../../src/replication/batch.ts'
import type { Position } from '../../src/replication/position.ts'
import { batchOf, positionAt } from './scripted-feed.ts'

/** What a server remembers over all runs: whether there is a slot, and what it was told it may forget. */
export class SimulatedServer {
  slot: { confirmed: number } | undefined
  readonly #copied: readonly string[]
  readonly #transactions: readonly (readonly string[])[]

  /** @param transactions the names of their events; one without is a position that moved on by itself */
  constructor(copied: readonly string[], transactions: readonly (readonly string[])[]) {
    this.#copied = copied
    this.#transactions = transactions
  }

  ack = (position: Position): void => {
    if (position.phase === 'stream' && this.slot) {
      this.slot.confirmed = Math.max(this.slot.confirmed, Number.parseInt(position.lsn.slice(2), 16))
    }
  }

  /** A feed as the library's rules have it, with the errors that mean loss. `idle` is called when there is no more. */
  async *batches(start: Position | string | undefined, idle: () => void): AsyncGenerator<Batch, undefined> {
    let from = 0
    if (start === 'slot') {
      if (!this.slot) throw new Error('there is no slot')
      from = this.slot.confirmed
    } else if (typeof start === 'object' && start.phase === 'stream') {
      if (!this.slot) throw new Error('slot lost')
      from = Number.parseInt(start.lsn.slice(2), 16)
      if (from < this.slot.confirmed) throw new Error(`gap: ${from} is behind ${this.slot.confirmed}`)
    } else {
      if (start === undefined && this.slot) throw new Error('slot exists')
      yield batchOf(positionAt(0, 'new'))
      this.slot = { confirmed: 0 }
      for (const row of this.#copied) yield batchOf(positionAt(0, 'snapshot'), row)
    }
    for (const [index, events] of this.#transactions.entries()) {
      if (index >= from) yield batchOf(positionAt(index + 1), ...events)
    }
    idle()
    await new Promise(() => {})
    return undefined
  }
}
