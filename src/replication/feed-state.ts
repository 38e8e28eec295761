import type { PgoutputDecoder } from '../decoder/pgoutput.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import type { Batch } from './batch.ts'
import type { ServingProcesses } from './connections.ts'
import type { Transaction } from './events.ts'
import type { FeedError } from './feed.ts'
import { Progress } from './progress.ts'
import { SlotHealth } from './slot/slot-health.ts'
import { SlotOwnership } from './slot/slot-ownership.ts'
import { HeldTables } from './snapshot/held-tables.ts'
import { AnnouncedRelations } from './stream/announced-relations.ts'
import { Waits } from './waits.ts'

/** Each try waits for what those before it have left. */
const mostFormers = 8

/**
 * What a feed knows of itself, whichever connections it runs over: all that must outlive them for the consumer to see
 * one feed.
 */
export class FeedState {
  /** What was delivered, and what of that acknowledged. */
  readonly progress = new Progress()
  /** The schema of each table as the consumer was last told. */
  readonly announced = new AnnouncedRelations()
  /** What the consumer may have of tables whose copy came to nothing. */
  readonly held = new HeldTables()
  /** What was logged and is not to be logged again. */
  readonly said = new Set<string>()
  /** What was noticed of the slot. */
  readonly slotHealth = new SlotHealth()
  /** What it waits for at the moment. */
  readonly waits = new Waits()
  #lastError: FeedError | undefined
  /** Who drops the slot. */
  readonly ownership = new SlotOwnership()
  /** The connections of tries since the feed had its slot last, and with it. */
  #formers: readonly ServingProcesses[] = []
  /** Of the last try: a relation that did not change stays the same object. */
  decoder: PgoutputDecoder | undefined
  /** Another run had the slot when this one wanted it. */
  waitedForSlot = false
  /** The transaction in the middle of which the feed stands. */
  transaction: Transaction | undefined
  /** How often other connections took the place of lost ones. */
  #reconnects = 0
  #servedSinceMs: number | undefined
  #begun = false
  #delivers = false

  /** What it failed with last, whether or not it went on. */
  get lastError(): FeedError | undefined {
    return this.#lastError
  }

  get reconnects(): number {
    return this.#reconnects
  }

  /** Whether the feed has ever had its slot. */
  get begun(): boolean {
    return this.#begun
  }

  /** For how long it has it; 0 while it has not. In ms. */
  get servedMs(): number {
    return this.#servedSinceMs === undefined ? 0 : performance.now() - this.#servedSinceMs
  }

  /** A try came to its end. */
  failed(error: unknown): void {
    const code = error instanceof WalwireError ? error.code : undefined
    this.#lastError = { code, message: error instanceof Error ? error.message : String(error), at: new Date() }
  }

  /** A try has asked for the run's lock. The server may not notice for long that its connections are gone: these may have lock and slot. */
  leavesBehind(processes: ServingProcesses): void {
    this.#formers = [...this.#formers, processes].slice(-mostFormers)
  }

  /** Processes that may have been left behind on a server. @param serverStart when that was started, where it says so */
  formersOf(serverStart: string | undefined): Readonly<Record<'ordinary' | 'replication', readonly number[]>> {
    const here = this.#formers.filter((former) => serverStart !== undefined && former.serverStart === serverStart)
    return { ordinary: here.map(({ ordinary }) => ordinary), replication: here.map(({ replication }) => replication) }
  }

  /** The slot is made, or streams: nobody before has it any more. */
  serves(): void {
    this.#formers = []
    if (this.#servedSinceMs !== undefined) return
    this.#servedSinceMs = performance.now()
    if (this.#begun) this.#reconnects++
    this.#begun = true
  }

  /** The caller gets this batch: it counts as delivered, and may be stored. */
  handOver({ position, events }: Batch): void {
    this.#delivers = true
    this.progress.deliver(position)
    const last = events.at(-1)
    this.transaction = position.tx !== undefined && last !== undefined && 'tx' in last ? last.tx : undefined
    this.ownership.handedOver(position)
    this.announced.told(events)
    this.held.told(events)
  }

  /** The connections are gone, and with them what was read and not delivered. */
  away(): void {
    this.#servedSinceMs = undefined
    this.announced.takeBack()
    this.held.takeBack()
    // another run may have the slot before this one does, and leave it elsewhere
    if (!this.#begun && !this.#delivers) this.progress.withdraw()
  }
}
