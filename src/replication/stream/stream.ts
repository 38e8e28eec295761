import { performance } from 'node:perf_hooks'
import { beginLayout, decodeRelation, type RelationMessage } from '../../decoder/messages.ts'
import type { PgoutputDecoder } from '../../decoder/pgoutput.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Connection } from '../../protocol/connection/connection.ts'
import { backendTag } from '../../protocol/messages/backend.ts'
import { int64Of, uint32At, uint64Of } from '../../protocol/messages/big-endian.ts'
import { type ErrorFields, readErrorFields } from '../../protocol/messages/error-fields.ts'
import { ProtocolError, WalwireError } from '../../protocol/messages/errors.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import { Reader } from '../../protocol/messages/reader.ts'
import {
  encodeStandbyStatusUpdate,
  postgresEpochMicros,
  readPrimaryKeepalive,
  replicationTag,
  xLogDataLayout,
} from '../../protocol/messages/replication-messages.ts'
import type { Batch } from '../batch.ts'
import type { Logger } from '../logger.ts'
import { flushLsn } from '../position.ts'
import type { Progress } from '../progress.ts'
import type { Assembler } from './assembler.ts'
import { BinaryNotExact, inexactColumn } from './binary-format.ts'
import { feedback, idleBatchDue, idleIntervalMs } from './feedback.ts'
import { liveness, statusIntervalMs } from './liveness.ts'
import { Waker } from './waker.ts'

/** What a stream works with. */
export interface StreamParts {
  /** In copy-both mode: START_REPLICATION was answered. */
  readonly connection: Connection
  readonly decoder: PgoutputDecoder
  readonly assembler: Assembler
  readonly progress: Progress
  readonly types: TypeRegistry
  /** Makes the types of a relation's columns known, from the catalog where need be; undefined when they are. */
  readonly learnTypes: (relation: RelationMessage) => Promise<void> | undefined
  /**
   * Makes sure that types are still what they were, for a transaction that committed there; undefined when they are. Gives
   * those that are read as text from then on.
   */
  readonly checkTypes: (commitLsn: Lsn, xid: number) => Promise<readonly string[]> | undefined
  /** Gives the connections up, for this reason. */
  readonly abandon: (reason: WalwireError) => void
  readonly logger: Logger
  /** Whether the server was asked for binary values. */
  readonly binary: boolean
  readonly walSenderTimeoutMs: number
  /** Where the stream starts: the server has that much. */
  readonly from: Lsn
  readonly stop: Lsn | undefined
}

/** `B` and `R`: the messages of pgoutput that may need the catalog before they are read. */
const beginTag = 0x42
const relationTag = 0x52

/** An acknowledgement waits this long for others. */
const ackDelayMs = 2
/** How often to ask whether the server has reached `stop`. */
const stopPollMs = 100
/** A transaction that is older than this when it is sent comes out of a backlog. */
const backlogMicros = 20_000n

/** What the catalog must answer before the stream goes on, and how it goes on then. */
interface Pending {
  readonly answer: Promise<void>
  readonly proceed: () => void
}

/**
 * The shell around the assembler: reads the replication connection when a batch is wanted and only then decodes, sends
 * status updates on a timer of its own whether or not anything is read, and notices when the link is dead.
 */
export class Stream {
  readonly #parts: StreamParts
  readonly #waker = new Waker()
  #reading: Promise<void> | undefined
  #failure: Error | undefined
  #ended = false
  #pending: Pending | undefined

  #received: Lsn
  /** Where the server said that it has come to. */
  #server: Lsn | undefined
  #replyRequested = false
  /** The server's clock in the last XLogData, in two halves; 0 after a keepalive between transactions. */
  #clockHigh = 0
  #clockLow = 0
  #heardAtMs = performance.now()
  #askedAtMs: number | undefined
  #batchAtMs = performance.now()
  #lagMicros = 0n
  #stopAskedAtMs = Number.NEGATIVE_INFINITY

  #statusTimer: NodeJS.Timeout | undefined
  #ackTimer: NodeJS.Timeout | undefined

  constructor(parts: StreamParts) {
    this.#parts = parts
    this.#received = parts.from
    this.#sendStatus(false)
    this.#scheduleStatus()
    void parts.connection.ended.then(() => this.#waker.wake())
  }

  /** The highest LSN that was read. */
  get received(): Lsn {
    return this.#received
  }

  get server(): Lsn | undefined {
    return this.#server
  }

  /** Age of the last transaction that was read, at the time when the server sent it. */
  get lagMs(): number {
    return Number(this.#lagMicros / 1000n)
  }

  /**
   * Waits for the next batch.
   *
   * @returns undefined when `stop` was reached and delivered, or the stream was finished
   * @throws whatever ended the stream, after everything that came whole before it was delivered
   */
  async next(): Promise<Batch | undefined> {
    const { assembler, progress, stop } = this.#parts
    while (!this.#ended) {
      if (this.#pending !== undefined) await this.#proceed(this.#pending)
      const batch = this.#decode()
      if (batch !== undefined) return this.#deliver(batch)
      if (this.#pending !== undefined) continue
      if (assembler.stopped) {
        const delivered = progress.delivered
        return delivered !== undefined && assembler.lsn > flushLsn(delivered) && !assembler.inTransaction
          ? this.#deliver(assembler.takeIdle())
          : undefined
      }
      if (this.#failure instanceof BinaryNotExact) {
        const rest = assembler.take(true)
        if (rest !== undefined) return this.#deliver(rest)
      }
      if (this.#failure !== undefined) throw this.#failure
      if (this.#idleDue()) return this.#deliver(assembler.takeIdle())
      if (stop !== undefined && performance.now() - this.#stopAskedAtMs >= stopPollMs) {
        this.#stopAskedAtMs = performance.now()
        this.#sendStatus(true)
      }
      await this.#wait()
    }
    return undefined
  }

  /** Tells the server soon what is durable; several acknowledgements in a row become one message. */
  acknowledged(): void {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined
      this.#sendStatus(false)
    }, ackDelayMs)
    this.#waker.wake()
  }

  /** Tells the server at once, for the last time: nothing is sent on a timer after this. */
  finish(): void {
    clearTimeout(this.#statusTimer)
    clearTimeout(this.#ackTimer)
    if (!this.#ended) this.#sendStatus(false)
    this.#ended = true
    this.#waker.wake()
  }

  #deliver(batch: Batch): Batch {
    this.#batchAtMs = performance.now()
    this.#replyRequested = false
    return batch
  }

  /** Decodes what was read, up to one batch. Undefined when that is not enough for one, or types must be learned first. */
  #decode(): Batch | undefined {
    const { connection, assembler } = this.#parts
    const { framer } = connection
    let batch: Batch | undefined
    try {
      while (batch === undefined && this.#failure === undefined && !assembler.stopped && framer.next()) {
        if (framer.tag === backendTag.CopyData) this.#copyData(framer.bytes, framer.start, framer.end)
        else this.#aside()
        if (this.#pending !== undefined) return undefined
        if (assembler.full) batch = assembler.take()
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
    if (assembler.lsn > this.#received) this.#received = assembler.lsn
    this.#lagMicros = this.#lagOfLast()
    connection.pacing = this.#lagMicros > backlogMicros
    connection.keepReading()
    return batch ?? assembler.take()
  }

  /** How long after its commit the last message was sent; 0 when the server had nothing more to send. */
  #lagOfLast(): bigint {
    const { commitTime } = this.#parts.assembler
    if (commitTime === undefined || (this.#clockHigh === 0 && this.#clockLow === 0)) return 0n
    return int64Of(this.#clockHigh, this.#clockLow) + postgresEpochMicros - commitTime
  }

  #copyData(bytes: Uint8Array, start: number, end: number): void {
    const { assembler, decoder } = this.#parts
    if (bytes[start] === replicationTag.XLogData) {
      const body = start + xLogDataLayout.data
      if (body >= end) throw new ProtocolError('XLogData could not be read', `it has only ${end - start} bytes`, 0, 'w')
      const high = uint32At(bytes, start + xLogDataLayout.dataStart)
      const low = uint32At(bytes, start + xLogDataLayout.dataStart + 4)
      assembler.at(high, low, end - start)
      if (bytes[body] === relationTag) {
        const relation = decodeRelation(new Reader(bytes, body + 1, end, 'Relation'))
        const answer = this.#parts.learnTypes(relation)
        if (answer === undefined) this.#define(relation)
        else this.#pending = { answer, proceed: () => this.#define(relation) }
        return
      }
      if (bytes[body] === beginTag) {
        const finalLsn = body + beginLayout.finalLsn
        const commitLsn = uint64Of(uint32At(bytes, finalLsn), uint32At(bytes, finalLsn + 4))
        const answer = this.#parts.checkTypes(commitLsn, uint32At(bytes, body + beginLayout.xid))
        if (answer !== undefined) {
          const begin = new Uint8Array(bytes.subarray(body, end))
          const proceed = () => decoder.read(begin, 0, begin.length, assembler)
          this.#pending = { answer: answer.then((altered) => this.#noteAltered(altered)), proceed }
          return
        }
      }
      this.#clockHigh = uint32At(bytes, start + xLogDataLayout.sendTime)
      this.#clockLow = uint32At(bytes, start + xLogDataLayout.sendTime + 4)
      decoder.read(bytes, body, end, assembler)
    } else if (bytes[start] === replicationTag.PrimaryKeepalive) {
      const keepalive = readPrimaryKeepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive'))
      this.#server = keepalive.walEnd
      if (keepalive.walEnd > this.#received) this.#received = keepalive.walEnd
      this.#replyRequested ||= keepalive.replyRequested
      assembler.keepalive(keepalive.walEnd)
      if (!assembler.inTransaction) this.#clockHigh = this.#clockLow = 0
    } else {
      throw new ProtocolError(
        'the replication stream could not be read',
        `a message 0x${bytes[start]?.toString(16)} is neither XLogData nor a keepalive`,
        0,
      )
    }
  }

  #aside(): void {
    const { connection } = this.#parts
    const { tag, bytes, start, end } = connection.framer
    const notice = tag === backendTag.NoticeResponse && readErrorFields(new Reader(bytes, start, end, 'NoticeResponse'))
    if (connection.sideMessage() !== 'handled') {
      this.#failure = serverLeft()
    } else if (notice && notice.routine === publicationLoader) {
      this.#failure = publicationMissing(notice, this.#parts.progress.delivered?.slot)
    }
  }

  async #proceed({ answer, proceed }: Pending): Promise<void> {
    this.#pending = undefined
    try {
      await answer
      proceed()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  /** Values of a type that was altered say in binary form by which attributes they were written, if those are known. */
  #noteAltered([type]: readonly string[]): void {
    if (type !== undefined && this.#parts.binary) throw BinaryNotExact.ofAltered(type)
  }

  #define(message: RelationMessage): void {
    const { binary, decoder, types } = this.#parts
    const relation = decoder.define(message)
    const inexact = binary ? inexactColumn(relation, types) : undefined
    if (inexact !== undefined) this.#failure = BinaryNotExact.ofColumn(inexact)
  }

  /**
   * Whether a batch without events is due. A keepalive that asks for a reply is answered by that batch's
   * acknowledgement, or else by the timer: a server that is stopping asks again after every answer, so one at once that
   * says nothing new would make it ask thousands of times a second.
   */
  #idleDue(): boolean {
    const { assembler, progress } = this.#parts
    const delivered = progress.delivered
    if (delivered === undefined || assembler.inTransaction) return false
    return idleBatchDue({
      received: assembler.lsn,
      delivered: flushLsn(delivered),
      allAcknowledged: progress.allAcknowledged,
      replyRequested: this.#replyRequested,
      sinceBatchMs: performance.now() - this.#batchAtMs,
    })
  }

  /** Until there is something new to look at: bytes, an acknowledgement, the end, or the time for an idle batch. */
  async #wait(): Promise<void> {
    const { assembler, progress, stop } = this.#parts
    if (this.#reading === undefined) {
      // what was silent while nobody read was perhaps not
      this.#heardAtMs = performance.now()
      this.#askedAtMs = undefined
      this.#reading = this.#read()
    }
    const delivered = progress.delivered
    const mayBecomeIdle = delivered !== undefined && assembler.lsn > flushLsn(delivered) && progress.allAcknowledged
    const idleMs = mayBecomeIdle ? Math.max(1, idleIntervalMs - (performance.now() - this.#batchAtMs)) : undefined
    await this.#waker.wait(stop === undefined ? idleMs : stopPollMs)
  }

  async #read(): Promise<void> {
    const { connection } = this.#parts
    const more = await connection.more()
    this.#reading = undefined
    this.#heardAtMs = performance.now()
    this.#askedAtMs = undefined
    if (!more) this.#failure ??= await connection.ended
    this.#waker.wake()
  }

  #scheduleStatus(): void {
    const { abandon, walSenderTimeoutMs } = this.#parts
    this.#statusTimer = setTimeout(() => {
      const state = liveness({
        nowMs: performance.now(),
        heardAtMs: this.#heardAtMs,
        askedAtMs: this.#askedAtMs,
        reading: this.#reading !== undefined,
        walSenderTimeoutMs,
      })
      if (state === 'dead') {
        abandon(silent())
        return
      }
      if (state === 'ask') this.#askedAtMs = performance.now()
      this.#sendStatus(state === 'ask')
      this.#scheduleStatus()
    }, statusIntervalMs(walSenderTimeoutMs))
  }

  #sendStatus(replyRequested: boolean): void {
    const { connection, progress } = this.#parts
    if (this.#ended) return
    const acknowledged = progress.acknowledged
    const report = feedback({
      received: this.#received,
      acknowledged: acknowledged === undefined ? 0n : flushLsn(acknowledged),
    })
    connection.write(encodeStandbyStatusUpdate({ ...report, clock: BigInt(Date.now()) * 1000n, replyRequested }))
  }
}

/** CopyDone or CommandComplete without having been asked: how a walsender leaves when the server is stopping. */
function serverLeft(): WalwireError {
  return new WalwireError('server_stopping', {
    what: 'the server ended the replication stream',
    why: 'it is stopping',
    hint: 'begin again at the stored position when it is back',
  })
}

function silent(): WalwireError {
  return new WalwireError('connection_lost', {
    what: 'the replication connection is dead',
    why: 'the server was silent for wal_sender_timeout after it had been asked for a reply',
    hint: 'begin again at the stored position; a network in between may have dropped the connection',
  })
}

/**
 * From 18 on the server only warns of a publication that does not exist, by this function of its own, and leaves out
 * the changes that it would have published.
 *
 * @see PG18: src/backend/replication/pgoutput/pgoutput.c LoadPublications
 */
const publicationLoader = 'LoadPublications'

function publicationMissing({ code, message, detail }: ErrorFields, slot: string | undefined): WalwireError {
  return new WalwireError('publication_missing', {
    what: 'the stream cannot go on without leaving changes out',
    why: `the server says ${code}: ${message}${detail === undefined ? '' : `; ${detail}`}`,
    hint: 'the publication did not exist when a change was made, or was dropped since; make it, and begin with a new slot and snapshot',
    slot,
    sqlstate: code,
  })
}
