import { beginLayout, decodeRelation } from '../../decoder/messages.ts'
import type { PgoutputDecoder } from '../../decoder/pgoutput.ts'
import { int64Of, uint32At, uint64Of } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import { Reader } from '../../protocol/messages/reader.ts'
import {
  decodePrimaryKeepalive,
  postgresEpochMicros,
  replicationTag,
  xLogDataLayout,
} from '../../protocol/messages/replication-messages.ts'
import type { Assembler } from './assembler.ts'
import type { CatalogAnswer, CatalogGate } from './catalog-gate.ts'

/** `B` and `R`: the messages of pgoutput that may need the catalog before they are read. */
const beginTag = 0x42
const relationTag = 0x52

/** What {@link WalsenderMessages} are read into. */
export interface WalsenderMessagesParts {
  readonly decoder: PgoutputDecoder
  readonly assembler: Assembler
  readonly gate: CatalogGate
  /** Where the stream starts: the server has that much. */
  readonly from: Lsn
  /** Called when a keepalive asks for a reply. */
  readonly onAsked: () => void
}

/**
 * Reads what a walsender sends, the bodies of CopyData: changes go through the decoder into the assembler, and what both
 * kinds of message say of the server is kept.
 */
export class WalsenderMessages {
  readonly #decoder: PgoutputDecoder
  readonly #assembler: Assembler
  readonly #gate: CatalogGate
  /** Called when a keepalive asks for a reply. */
  readonly #onAsked: () => void
  /** Where the server said that it has come to. */
  server: Lsn | undefined
  /** Whether a keepalive has asked for a reply since the last batch. */
  replyRequested = false
  #received: Lsn
  /** The server's clock in the last XLogData, in two halves; 0 after a keepalive between transactions. */
  #clockHigh = 0
  #clockLow = 0

  constructor({ decoder, assembler, gate, from, onAsked }: WalsenderMessagesParts) {
    this.#decoder = decoder
    this.#assembler = assembler
    this.#gate = gate
    this.#onAsked = onAsked
    this.#received = from
  }

  /** The highest LSN that was read. */
  get received(): Lsn {
    const { lsn } = this.#assembler
    return lsn > this.#received ? lsn : this.#received
  }

  /** How long after its commit the last message was sent; 0 when the server had nothing more to send. In microseconds. */
  get lagMicros(): bigint {
    const { commitTime } = this.#assembler
    if (commitTime === undefined || (this.#clockHigh === 0 && this.#clockLow === 0)) return 0n
    return int64Of(this.#clockHigh, this.#clockLow) + postgresEpochMicros - commitTime
  }

  /** Reads one. Gives what must be waited for before the next is read. */
  read(bytes: Uint8Array, start: number, end: number): CatalogAnswer | undefined {
    if (bytes[start] === replicationTag.XLogData) return this.#xLogData(bytes, start, end)
    if (bytes[start] === replicationTag.PrimaryKeepalive) {
      this.#keepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive'))
      return undefined
    }
    throw new ProtocolError(
      'the replication stream could not be read',
      `a message 0x${bytes[start]?.toString(16)} is neither XLogData nor a keepalive`,
      0,
    )
  }

  #xLogData(bytes: Uint8Array, start: number, end: number): CatalogAnswer | undefined {
    const assembler = this.#assembler
    const body = start + xLogDataLayout.data
    if (body >= end) throw new ProtocolError('XLogData could not be read', `it has only ${end - start} bytes`, 0, 'w')
    const high = uint32At(bytes, start + xLogDataLayout.dataStart)
    const low = uint32At(bytes, start + xLogDataLayout.dataStart + 4)
    assembler.at(high, low, end - start)
    if (bytes[body] === relationTag) {
      return this.#gate.relation(decodeRelation(new Reader(bytes, body + 1, end, 'Relation')), assembler.xid)
    }
    if (bytes[body] === beginTag) {
      const finalLsn = body + beginLayout.finalLsn
      const commitLsn = uint64Of(uint32At(bytes, finalLsn), uint32At(bytes, finalLsn + 4))
      const answer = this.#gate.begin(commitLsn, uint32At(bytes, body + beginLayout.xid))
      if (answer !== undefined) {
        const begin = new Uint8Array(bytes.subarray(body, end))
        return { answer, proceed: () => this.#decoder.read(begin, 0, begin.length, assembler) }
      }
    }
    this.#clockHigh = uint32At(bytes, start + xLogDataLayout.sendTime)
    this.#clockLow = uint32At(bytes, start + xLogDataLayout.sendTime + 4)
    this.#decoder.read(bytes, body, end, assembler)
    return undefined
  }

  #keepalive(reader: Reader): void {
    const { walEnd, replyRequested } = decodePrimaryKeepalive(reader)
    this.server = walEnd
    if (walEnd > this.#received) this.#received = walEnd
    this.#assembler.keepalive(walEnd)
    if (!this.#assembler.inTransaction) this.#clockHigh = this.#clockLow = 0
    if (!replyRequested) return
    this.replyRequested = true
    this.#onAsked()
  }
}
