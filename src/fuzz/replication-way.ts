import { PgoutputDecoder, type PgoutputSink } from '../decoder/pgoutput.ts'
import type { Row } from '../decoder/relation.ts'
import type { TypeRegistry } from '../decoder/types/registry.ts'
import type { Connection } from '../protocol/connection/connection.ts'
import type { Lsn } from '../protocol/messages/lsn.ts'
import { Reader } from '../protocol/messages/reader.ts'
import { startReplicationCommand } from '../protocol/messages/replication-commands.ts'
import {
  decodePrimaryKeepalive,
  encodeStandbyStatusUpdate,
  replicationTag,
  xLogDataLayout,
} from '../protocol/messages/replication-messages.ts'
import { backendTag } from '../protocol/messages/tags.ts'
import type { Logger } from '../replication/logger.ts'
import { createSlot } from '../replication/slot/slot-creation.ts'
import type { Columns } from './copy-way.ts'
import type { TriedTable } from './tables.ts'

/** How a {@link ReplicationWay} is opened. */
export interface ReplicationParts {
  /** With `replication=database`. */
  readonly replication: Connection
  readonly ordinary: Connection
  /** A name that no slot has. It is a temporary one. */
  readonly slot: string
  readonly publication: string
  readonly binary: boolean
  readonly types: TypeRegistry
  readonly logger: Logger
  readonly signal: AbortSignal
}

const reportEveryMs = 5_000

/** Rows as they come over replication, in one of the two formats of values. */
export class ReplicationWay {
  readonly #replication: Connection
  readonly #decoder: PgoutputDecoder
  /** Rows that came, by table. */
  #rows = new Map<string, Row[]>()
  #end: Lsn = 0n
  readonly #sink: PgoutputSink

  private constructor(replication: Connection, types: TypeRegistry) {
    this.#replication = replication
    // the server ends a stream of which it hears nothing, as when nothing is read from it for long
    const timer = setInterval(() => this.#report(), reportEveryMs)
    timer.unref()
    void replication.ended.then(() => clearInterval(timer))
    this.#decoder = new PgoutputDecoder({ protoVersion: 1, types })
    this.#sink = {
      begin() {},
      message() {},
      origin() {},
      type() {},
      truncate() {},
      update() {},
      delete() {},
      streamAbort() {},
      commit: ({ endLsn }) => this.#advance(endLsn),
      relation: (message) => void this.#decoder.define(message),
      insert: (relation, row) => {
        const rows = this.#rows.get(relation.name)
        if (rows === undefined) this.#rows.set(relation.name, [row])
        else rows.push(row)
      },
    }
  }

  /** Makes a temporary slot and starts replication from it. */
  static async open(parts: ReplicationParts): Promise<ReplicationWay> {
    const { replication, ordinary, slot, publication, binary, types, logger, signal } = parts
    const { consistentPoint } = await createSlot(replication, ordinary, {
      name: slot,
      temporary: true,
      snapshot: 'nothing',
      timeoutMs: 60_000,
      logger,
      version: replication.serverVersion,
      signal,
    })
    const from = consistentPoint
    const publications = [publication]
    await replication.copy(
      startReplicationCommand({ slot, from, publications, protoVersion: 1, binary: binary || undefined }),
    )
    return new ReplicationWay(replication, types)
  }

  /**
   * Waits until every row that was written to these tables has come, and lets the server forget them. The rows of a
   * transaction come in the order in which they were written.
   */
  async read(written: readonly { readonly table: TriedTable; readonly rows: number }[]): Promise<Map<string, Columns>> {
    const hasAll = () => written.every(({ table, rows }) => (this.#rows.get(table.name)?.length ?? 0) >= rows)
    const { framer } = this.#replication
    for (;;) {
      while (framer.next()) {
        if (framer.tag === backendTag.CopyData) this.#take(framer.bytes, framer.start, framer.end)
        else if (this.#replication.sideMessage() !== 'handled') throw await this.#replication.ended
      }
      if (hasAll()) break
      if (!(await this.#replication.more())) throw await this.#replication.ended
    }
    this.#report()
    const rows = this.#rows
    this.#rows = new Map()
    return new Map(
      written.map(({ table }): [string, Columns] => {
        const of = rows.get(table.name) ?? []
        return [table.name, table.columns.map(({ name }) => of.map((row) => row[name]))]
      }),
    )
  }

  #take(bytes: Uint8Array, start: number, end: number): void {
    if (bytes[start] === replicationTag.XLogData) {
      this.#decoder.read(bytes, start + xLogDataLayout.data, end, this.#sink)
    } else {
      const keepalive = decodePrimaryKeepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive'))
      if (keepalive.replyRequested) this.#report()
    }
  }

  #advance(lsn: Lsn): void {
    if (lsn > this.#end) this.#end = lsn
  }

  #report(): void {
    const clock = BigInt(Date.now()) * 1000n
    this.#replication.write(
      encodeStandbyStatusUpdate({ write: this.#end, flush: this.#end, apply: this.#end, clock, replyRequested: false }),
    )
  }
}
