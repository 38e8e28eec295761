import { performance } from 'node:perf_hooks'
import type { PgoutputDecoder } from '../../decoder/pgoutput.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Connection, SideMessage } from '../../protocol/connection/connection.ts'
import { readErrorFields } from '../../protocol/messages/error-fields.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import { Reader } from '../../protocol/messages/reader.ts'
import { backendTag } from '../../protocol/messages/tags.ts'
import type { Batch } from '../batch.ts'
import { flushLsn } from '../position.ts'
import type { Progress } from '../progress.ts'
import type { SlotWatch } from '../slot/slot-watch.ts'
import type { Source } from '../source.ts'
import type { Assembler } from './assembler.ts'
import { BinaryNotExact } from './binary-format.ts'
import { type CatalogAnswer, CatalogGate, type CatalogQuestions } from './catalog-gate.ts'
import { idleBatchDue, idleIntervalMs } from './idle-batch.ts'
import { publicationMissing } from './missing-publication.ts'
import { StandbyStatus } from './standby-status.ts'
import type { SynchronousStandby } from './synchronous-standby.ts'
import { Waker } from './waker.ts'
import { WalsenderMessages } from './walsender-messages.ts'

/** What a stream works with. */
export interface ReplicationStreamParts extends CatalogQuestions {
  /** In copy-both mode: START_REPLICATION was answered. */
  readonly connection: Connection
  readonly decoder: PgoutputDecoder
  readonly assembler: Assembler
  readonly progress: Progress
  readonly types: TypeRegistry
  /** Gives the connections up, for this reason. */
  readonly abandon: (reason: WalwireError) => void
  /** Whether commits on the server wait for this stream. */
  readonly synchronous: SynchronousStandby
  /** What the server keeps for the slot; begun and ended with the stream. */
  readonly slotWatch: SlotWatch
  /** Whether the server was asked for binary values. */
  readonly binary: boolean
  readonly walSenderTimeoutMs: number
  /** Where the stream starts: the server has that much. */
  readonly from: Lsn
  readonly stop: Lsn | undefined
}

/** How often to ask whether the server has reached `stop`. */
const stopPollMs = 100
/** A transaction that is older than this when it is sent comes out of a backlog. */
const backlogMicros = 20_000n

/** The shell around the assembler: reads the replication connection when a batch is wanted, and only then decodes. */
export class ReplicationStream implements Source {
  readonly #parts: ReplicationStreamParts
  readonly #messages: WalsenderMessages
  readonly #status: StandbyStatus
  readonly #waker = new Waker()
  #isReading = false
  #failure: Error | undefined
  #serverError: unknown
  #ended = false
  #pending: CatalogAnswer | undefined
  #askedCatalogAtMs: number | undefined

  #batchAtMs = performance.now()
  #lagMicros = 0n
  #stopAskedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: ReplicationStreamParts) {
    this.#parts = parts
    const { connection, synchronous } = parts
    this.#messages = new WalsenderMessages({
      ...parts,
      gate: new CatalogGate(parts),
      onAsked: () => this.#status.answer(),
    })
    this.#status = new StandbyStatus({ ...parts, received: () => this.received })
    synchronous.watch(() => this.#waker.wake())
    parts.slotWatch.begin()
    void connection.ended.then(() => this.#waker.wake())
  }

  /** The highest LSN that was read. */
  get received(): Lsn {
    return this.#messages.received
  }

  /** The error with which the server broke the stream off. */
  get serverError(): unknown {
    return this.#serverError
  }

  /** Where the server said that it has come to. */
  get server(): Lsn | undefined {
    return this.#messages.server
  }

  /** Age of the last transaction that was read, at the time when the server sent it. */
  get lagMs(): number {
    return Number(this.#lagMicros / 1000n)
  }

  /** For how long the catalog has owed an answer without which nothing is read; 0 while it owes none. In ms. */
  get askingCatalogMs(): number {
    return this.#askedCatalogAtMs === undefined ? 0 : performance.now() - this.#askedCatalogAtMs
  }

  /** What the server keeps for the slot. */
  get slotWatch(): SlotWatch {
    return this.#parts.slotWatch
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
        const standing = progress.standing
        return standing !== undefined && assembler.lsn > flushLsn(standing) && !assembler.inTransaction
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
        this.#status.send(true)
      }
      await this.#wait()
    }
    return undefined
  }

  /** Tells the server soon what is durable; several acknowledgements in a row become one message. */
  acknowledged(): void {
    this.#status.acknowledged()
    this.#waker.wake()
  }

  /** Tells the server at once, for the last time: nothing is sent on a timer after this. */
  finish(): void {
    this.#status.finish()
    this.#parts.synchronous.end()
    this.#parts.slotWatch.end()
    this.#ended = true
    this.#waker.wake()
  }

  async end(): Promise<void> {
    this.finish()
  }

  #deliver(batch: Batch): Batch {
    this.#batchAtMs = performance.now()
    this.#messages.replyRequested = false
    return batch
  }

  /** Decodes what was read, up to one batch. Undefined when that is not enough for one, or types must be learned first. */
  #decode(): Batch | undefined {
    const { connection, assembler } = this.#parts
    const { framer } = connection
    const messages = this.#messages
    let batch: Batch | undefined
    try {
      while (batch === undefined && this.#failure === undefined && !assembler.stopped && framer.next()) {
        if (framer.tag === backendTag.CopyData) this.#pending = messages.read(framer.bytes, framer.start, framer.end)
        else this.#aside()
        if (this.#pending !== undefined) return undefined
        if (assembler.full) batch = assembler.take()
      }
    } catch (error) {
      this.#failure = asError(error)
    }
    this.#lagMicros = messages.lagMicros
    connection.pacing = this.#lagMicros > backlogMicros
    connection.keepReading()
    return batch ?? assembler.take()
  }

  #aside(): void {
    const { connection, progress } = this.#parts
    const { tag, bytes, start, end } = connection.framer
    const notice = tag === backendTag.NoticeResponse && readErrorFields(new Reader(bytes, start, end, 'NoticeResponse'))
    if (this.#sideMessage() !== 'handled') this.#failure = serverLeft()
    else if (notice) this.#failure = publicationMissing(notice, progress.standing?.slot)
  }

  #sideMessage(): SideMessage {
    try {
      return this.#parts.connection.sideMessage()
    } catch (error) {
      this.#serverError = error
      throw error
    }
  }

  async #proceed({ answer, proceed }: CatalogAnswer): Promise<void> {
    this.#pending = undefined
    this.#askedCatalogAtMs = performance.now()
    try {
      await answer
      proceed()
    } catch (error) {
      this.#failure = asError(error)
    }
    this.#askedCatalogAtMs = undefined
  }

  /**
   * Whether a batch without events is due. A keepalive that asks for a reply is answered as it comes, but what a server that
   * is stopping waits for is that batch's acknowledgement.
   */
  #idleDue(): boolean {
    const { assembler, progress, synchronous } = this.#parts
    const standing = progress.standing
    if (standing === undefined || assembler.inTransaction) return false
    return idleBatchDue({
      received: assembler.lsn,
      delivered: flushLsn(standing),
      allAcknowledged: progress.allAcknowledged,
      replyRequested: this.#messages.replyRequested,
      synchronous: synchronous.holdsUpCommits,
      sinceBatchMs: performance.now() - this.#batchAtMs,
    })
  }

  /** Until there is something new to look at: bytes, an acknowledgement, the end, or the time for an idle batch. */
  async #wait(): Promise<void> {
    const { assembler, progress, stop } = this.#parts
    if (!this.#isReading) void this.#read()
    const standing = progress.standing
    const mayBecomeIdle = standing !== undefined && assembler.lsn > flushLsn(standing) && progress.allAcknowledged
    const idleMs = mayBecomeIdle ? Math.max(1, idleIntervalMs - (performance.now() - this.#batchAtMs)) : undefined
    await this.#waker.wait(stop === undefined ? idleMs : stopPollMs)
  }

  async #read(): Promise<void> {
    const { connection } = this.#parts
    this.#isReading = true
    this.#status.beginReading()
    const more = await connection.more()
    this.#isReading = false
    this.#status.endReading()
    if (!more) this.#failure ??= await connection.ended
    this.#waker.wake()
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** CopyDone or CommandComplete without having been asked: how a walsender leaves when the server is stopping. */
function serverLeft(): WalwireError {
  return new WalwireError('server_stopping', {
    what: 'the server ended the replication stream',
    why: 'it is stopping',
    hint: 'begin again at the stored position when it is back',
  })
}
