import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '../protocol/connection/connection.ts'
import type { Lsn } from '../protocol/messages/lsn.ts'
import { readServerFacts } from './catalog/server-facts.ts'
import type { Connections } from './connections.ts'
import { type Decision, decide } from './decision.ts'
import { askForStart, outdatedStart } from './feed-start.ts'
import type { FeedState } from './feed-state.ts'
import type { CheckedStart, FollowSettings } from './follow-options.ts'
import { RunLock, slotTaken } from './slot/run-lock.ts'
import { freeSlot, readSlot, slotActive } from './slot/slot.ts'
import { slotExchanged } from './slot/slot-check.ts'
import type { SayWait } from './waits.ts'

/** A slot that is in the way is waited for so long while a walsender of an earlier run lets go of it; any, for that run itself. */
export const leftoverDeadlineMs = 5_000
const lockRetryMs = 100
/** So often a feed looks that waits for another for longer. */
const longLockRetryMs = 250

/** What a claim is made with. */
export interface SlotClaimParts {
  readonly settings: FollowSettings
  readonly state: FeedState
  readonly connections: Connections
  readonly signal: AbortSignal
  /** Whether a walsender of this try has the slot in use. */
  readonly streams: () => boolean
  /** Where the slot begins that this try made last; undefined when it made none. */
  readonly madeAt: () => Lsn | undefined
}

/** The claim of one try on its slot: as the only run over it, also when the connection that tells others so was lost. */
export class SlotClaim {
  readonly #parts: SlotClaimParts
  #isLeft = false

  constructor(parts: SlotClaimParts) {
    this.#parts = parts
  }

  /** Whether the server may have something of it: the run's lock is asked for or taken. */
  get isLeft(): boolean {
    return this.#isLeft
  }

  /**
   * Decides how to start, as the only run over the slot. What is refused whoever else lives is refused at once; another
   * run's end is waited for a moment, since the server may take one to notice that a client is gone, and without end by a feed
   * that was told to wait.
   *
   * @throws {WalwireError} `slot_taken` where another run lives, `slot_active` where it streams, and as {@link planStart}
   */
  take(): Promise<Decision> {
    return this.#parts.state.waits.during((say) => this.#takeWhenFree(say))
  }

  async #takeWhenFree(say: SayWait): Promise<Decision> {
    const { settings, state, connections, signal } = this.#parts
    const { slot: name, logger, reconnect } = settings
    const { ordinary, server } = connections
    const lock = new RunLock(ordinary, server.systemId, name)
    const waits = !state.begun && reconnect !== false && reconnect.first
    const deadline = performance.now() + leftoverDeadlineMs
    const formers = state.formersOf(connections.processes.serverStart)
    for (let told = false; ; told = true) {
      this.#isLeft = true
      const holder = await lock.takeOver(formers.ordinary)
      this.#isLeft = holder === undefined
      if (holder === undefined) {
        ordinary.whenRenewed = (connection, former) => this.#reclaimSlot(connection, former.processId)
        await freeSlot(ordinary, name, { pids: formers.replication, deadlineMs: leftoverDeadlineMs })
        const start = this.#start
        if (typeof start !== 'function') return await this.#decide(start)
        say('the function that was given as start to answer')
        const answer = await askForStart(start, name, signal)
        // the other run may have got further than the server was when this one connected
        return await this.#decide(answer, await readServerFacts(connections.replication))
      }
      state.waitedForSlot = true
      await this.#judgeWhileTaken(waits)
      const isLate = performance.now() >= deadline
      if (isLate && !waits) throw slotTaken(name, holder)
      say(`another run over slot ${name} to end: process ${holder} of the server is its ordinary connection`)
      if (!told) logger.info({ slot: name, pid: holder }, `slot ${name} is another run's: waiting for that to end`)
      await delay(isLate ? longLockRetryMs : lockRetryMs, undefined, { signal })
    }
  }

  /** What another run's end would not mend. A function is asked when the other is gone: until then its answer may change. */
  async #judgeWhileTaken(waits: boolean): Promise<void> {
    const start = this.#start
    if (typeof start === 'function') return
    const { plan, slot } = await this.#decide(start)
    if (!waits && plan.kind === 'continue' && slot?.activePid !== undefined) throw slotActive(slot)
  }

  /**
   * The ordinary connection was lost, and the lock with it: this is another one. While a walsender of this run has the slot
   * in use nobody else can; else somebody may have taken it in between.
   *
   * @throws {WalwireError} `slot_taken`, `slot_lost`
   */
  async #reclaimSlot(connection: Connection, formerPid: number): Promise<void> {
    const { settings, connections, streams, madeAt } = this.#parts
    const { slot: name, logger } = settings
    const holder = await new RunLock(connection, connections.server.systemId, name).takeOver([formerPid])
    if (streams()) {
      if (holder !== undefined) logger.warn({ slot: name, pid: holder }, `another run waits for slot ${name}`)
      return
    }
    if (holder !== undefined) throw slotTaken(name, holder)
    const made = madeAt()
    if (made !== undefined && (await readSlot(connection, name))?.confirmedFlush !== made) throw slotExchanged(name)
  }

  /** Where the feed stands, or what it was begun with. */
  get #start(): FollowSettings['start'] {
    const { state, settings } = this.#parts
    return state.progress.standing ?? settings.start
  }

  async #decide(start: CheckedStart, server = this.#parts.connections.server): Promise<Decision> {
    const { settings, state, connections } = this.#parts
    try {
      return await decide(settings, connections, server, start)
    } catch (error) {
      const isGiven = start !== undefined && start === settings.start
      throw isGiven && state.waitedForSlot ? outdatedStart(error) : error
    }
  }
}
