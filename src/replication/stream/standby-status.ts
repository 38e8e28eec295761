import { performance } from 'node:perf_hooks'
import type { Connection } from '../../protocol/connection/connection.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import { encodeStandbyStatusUpdate } from '../../protocol/messages/replication-messages.ts'
import type { Progress } from '../progress.ts'
import { feedback } from './feedback.ts'
import { liveness, statusIntervalMs } from './liveness.ts'

/** An acknowledgement waits this long for others. */
const ackDelayMs = 2
/** A server that is stopping asks again after every answer: it is answered this often, beside what the timer sends. */
const answerIntervalMs = 1_000

export interface StandbyStatusParts {
  readonly connection: Connection
  readonly progress: Progress
  /** The highest LSN that was read. */
  readonly received: () => Lsn
  readonly walSenderTimeoutMs: number
  /** Gives the connections up, for this reason. */
  readonly abandon: (reason: WalwireError) => void
}

/**
 * Tells the server what was received and what is durable, on a timer of its own whether or not anything is read, and
 * notices by the same timer when the link is dead.
 */
export class StandbyStatus {
  readonly #parts: StandbyStatusParts
  #heardAtMs = performance.now()
  #askedAtMs: number | undefined
  #reading = false
  #timer: NodeJS.Timeout | undefined
  #ackTimer: NodeJS.Timeout | undefined
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #finished = false

  /** Sends the first one. */
  constructor(parts: StandbyStatusParts) {
    this.#parts = parts
    this.send(false)
    this.#schedule()
  }

  /** The socket is read from now on: what was silent while nobody read was perhaps not. */
  beginReading(): void {
    this.#reading = true
    this.#heard()
  }

  /** Something came, and nothing is read until {@link beginReading}. */
  endReading(): void {
    this.#reading = false
    this.#heard()
  }

  /** Tells the server soon what is durable; several acknowledgements in a row become one message. */
  acknowledged(): void {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined
      this.send(false)
    }, ackDelayMs)
  }

  /** The server has asked for a reply. It is given now, or by the timer. */
  answer(): void {
    if (performance.now() - this.#answeredAtMs < answerIntervalMs) return
    this.#answeredAtMs = performance.now()
    this.send(false)
  }

  /** Tells the server at once. */
  send(replyRequested: boolean): void {
    const { connection, progress, received } = this.#parts
    if (this.#finished) return
    const report = feedback({ received: received(), acknowledged: progress.flush })
    connection.write(encodeStandbyStatusUpdate({ ...report, clock: BigInt(Date.now()) * 1000n, replyRequested }))
  }

  /** Tells the server at once, for the last time: nothing is sent after this. */
  finish(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#ackTimer)
    this.send(false)
    this.#finished = true
  }

  #heard(): void {
    this.#heardAtMs = performance.now()
    this.#askedAtMs = undefined
  }

  #schedule(): void {
    const { abandon, walSenderTimeoutMs } = this.#parts
    this.#timer = setTimeout(() => {
      const state = liveness({
        nowMs: performance.now(),
        heardAtMs: this.#heardAtMs,
        askedAtMs: this.#askedAtMs,
        reading: this.#reading,
        walSenderTimeoutMs,
      })
      if (state === 'dead') {
        abandon(silent())
        return
      }
      if (state === 'ask') this.#askedAtMs = performance.now()
      this.send(state === 'ask')
      this.#schedule()
    }, statusIntervalMs(walSenderTimeoutMs))
  }
}

function silent(): WalwireError {
  return new WalwireError('connection_lost', {
    what: 'the replication connection is dead',
    why: 'the server was silent for wal_sender_timeout after it had been asked for a reply',
    hint: 'begin again at the stored position; a network in between may have dropped the connection',
  })
}
