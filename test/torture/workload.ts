import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import type { Chance } from '../end-to-end/random.ts'
import { Session } from './session.ts'

/** How many sessions write at once. */
const sessions = 4
/** What is cut off while it commits may have been committed or not. */
export type Outcome = 'committed' | 'rolled back' | 'unknown'

/** What ends a session, or a transaction of it, without its being wrong: locks, and a server that goes. */
const passing = /^(08|57P|55P03|40P01|40001|25P0|CONNECT|ECONN|EPIPE|53300)/

/** Several sessions that write until they are told to stop, straight to the server, also over its restarts. */
export class Workload {
  /** What became of each transaction, by its row of the ledger. */
  readonly outcomes = new Map<number, Outcome>()
  /** Whether tables may be altered and truncated: each time makes a copy under way begin again. */
  mayAlter = true
  readonly #url: string
  readonly #stop = new AbortController()
  readonly #working: Promise<void>[]
  #failure: unknown

  constructor(url: string, chance: Chance) {
    this.#url = url
    this.#working = Array.from({ length: sessions }, (_, number) => this.#work(number, chance.fork()))
    for (const working of this.#working) {
      working.catch((error: unknown) => {
        this.#failure ??= error
      })
    }
  }

  get committed(): number {
    let count = 0
    for (const outcome of this.outcomes.values()) if (outcome === 'committed') count++
    return count
  }

  /** @throws what a session failed of */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when every session has ended its transaction. @throws what a session failed of */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#working)
  }

  async #work(number: number, chance: Chance): Promise<void> {
    const { signal } = this.#stop
    const session = new Session(number, chance)
    while (!signal.aborted) {
      const sql = postgres(this.#url, {
        ...{ max: 1, fetch_types: false, onnotice: () => {}, connect_timeout: 5 },
        connection: { lock_timeout: 300, application_name: 'torture workload' },
      })
      try {
        while (!signal.aborted) await this.#transaction(session, sql)
      } catch (error) {
        if (!passing.test(codeOf(error))) throw error
        await delay(50)
      } finally {
        await sql.end({ timeout: 1 })
      }
    }
  }

  async #transaction(session: Session, sql: postgres.Sql): Promise<void> {
    const id = session.nextTransaction()
    let outcome: Outcome = 'rolled back'
    try {
      const commits = await session.write(sql, id, this.mayAlter)
      if (commits) outcome = 'unknown'
      await sql.unsafe(commits ? 'COMMIT' : 'ROLLBACK')
      if (commits) outcome = 'committed'
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) || /^(08|57P)/.test(error.code)) throw error
      if (!passing.test(error.code)) throw error
      await sql.unsafe('ROLLBACK')
    } finally {
      this.outcomes.set(id, outcome)
    }
    await delay(session.pauseMs())
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
