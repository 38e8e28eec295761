import type { Connection, UnansweredWait } from '../../protocol/connection/connection.ts'
import { patienceMs, reminderMs, within } from '../../protocol/connection/within.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Logger } from '../logger.ts'
import type { SayWait, Waits } from '../waits.ts'
import type { Queryable } from './queryable.ts'
import { describeWait, readWait, type SessionWait } from './session-wait.ts'

/** What a {@link Lookout} works with. */
export interface LookoutParts {
  /** Opens a connection to ask over. */
  readonly open: (signal: AbortSignal) => Promise<Connection>
  readonly logger: Logger
  readonly waits: Waits
}

/** An answer that was given by then is still on its way. */
const onItsWayMs = 1_000
/** What waits for long is looked at this often. */
const lookIntervalMs = 10_000
const longestUnreachableMs = 60_000
const shortestUnreachableMs = 5_000

/** How long a server that cannot be reached is waited for: as long as it waits for us, within reason. */
export function reachableWithinMs(ownLimitMs: number): number {
  if (ownLimitMs <= 0) return longestUnreachableMs
  return Math.min(longestUnreachableMs, Math.max(shortestUnreachableMs, ownLimitMs))
}

/**
 * Looks after whatever a server does not answer for long, over another connection. Its session may be at work or wait for
 * somebody: that is said, and waited for. Or it has answered, or never heard what was asked, and something in between swallows
 * what is sent, without a word: then the connection is given up, as `connection_lost`. So is one whose server cannot be reached
 * by another connection either.
 */
export class Lookout {
  /** A connection to ask over; without it one is opened for each look. */
  over: Queryable | undefined
  /** How long a server is waited for that cannot be reached by another connection either; see {@link reachableWithinMs}. */
  unreachableMs: number
  readonly #parts: LookoutParts

  constructor(parts: LookoutParts, unreachableMs: number) {
    this.#parts = parts
    this.unreachableMs = unreachableMs
  }

  /**
   * Looks after a wait until it is over. Never rejects.
   *
   * @param what waits for its answer
   */
  lookAfter(wait: UnansweredWait, what: string): Promise<void> {
    return this.#parts.waits.during((tell) => this.#lookAfter(wait, what, tell))
  }

  async #lookAfter({ connection, answer, isReported }: UnansweredWait, what: string, tell: SayWait): Promise<void> {
    const { logger } = this.#parts
    const isOver = async () => (await within(answer, 0)) !== undefined
    let reachedAtMs = performance.now() - patienceMs
    let saidAtMs = Number.NEGATIVE_INFINITY
    const say = (data: object, message: string) => {
      if (performance.now() - saidAtMs < reminderMs) return
      saidAtMs = performance.now()
      logger.warn(data, message)
    }
    do {
      try {
        const wait = await this.#read(connection.processId, answer)
        reachedAtMs = performance.now()
        if (wait === undefined || isServed(wait)) {
          if ((await within(answer, onItsWayMs)) === undefined) connection.destroy(swallowed(wait))
          return
        }
        if (await isOver()) return
        if (isReported) continue
        tell(`the answer to ${what}: ${describeWait(wait)}`)
        say({ ...wait }, `${what} waits for its answer: ${describeWait(wait)}`)
      } catch (error) {
        if (isWithdrawn(error) || (await isOver())) return
        tell(`the answer to ${what}, and the server cannot be asked over another connection`)
        say({ error }, `${what} waits for its answer, and the server cannot be asked over another connection`)
        if (isAnswer(error)) reachedAtMs = performance.now()
        const { unreachableMs } = this
        const leftMs = reachedAtMs + unreachableMs - performance.now()
        if (leftMs < lookIntervalMs && (await within(answer, leftMs)) === undefined) {
          connection.destroy(new Error(`no answer came within ${unreachableMs / 1000} s, nor over another connection`))
        }
      }
    } while ((await within(answer, lookIntervalMs)) === undefined)
  }

  /** @throws what opening a connection throws, and asking over it */
  async #read(pid: number, answer: Promise<unknown>): Promise<SessionWait | undefined> {
    if (this.over !== undefined) return readWait(this.over, pid)
    const { open } = this.#parts
    const limitMs = this.unreachableMs - patienceMs
    const stop = new AbortController()
    const opening = open(stop.signal)
    const forget = () => stop.abort(new Error('nobody waits any more'))
    answer.then(forget, forget)
    const opened = await within(opening, limitMs)
    if (opened === undefined) {
      forget()
      throw new Error(`no connection could be opened within ${limitMs / 1000} s`)
    }
    if (!opened.ok) throw opened.error
    try {
      return await readWait(opened.value, pid)
    } finally {
      opened.value.destroy()
    }
  }
}

/**
 * Whether nothing more can be expected of a session: it waits for a command, having answered, or having heard of none; or it
 * waits until somebody reads what it sends, while somebody does.
 */
function isServed(wait: SessionWait): boolean {
  return wait.state?.startsWith('idle') === true || wait.event === 'Client ClientWrite'
}

/** A server that refuses can be reached. */
function isAnswer(error: unknown): boolean {
  return error instanceof WalwireError && error.sqlstate !== undefined
}

/** This side closes the connection that it asks over: all end. */
function isWithdrawn(error: unknown): boolean {
  return error instanceof WalwireError && error.code === 'connection_closed'
}

function swallowed(wait: SessionWait | undefined): Error {
  return new Error(
    wait === undefined
      ? 'its session is gone, and nobody said so'
      : 'something in between swallows what is sent: the server has answered, or was not asked',
  )
}
