import type { RelationMessage } from '../../decoder/messages.ts'
import type { PgoutputDecoder } from '../../decoder/pgoutput.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import { BinaryNotExact, inexactColumn } from './binary-format.ts'
import type { DroppedTables } from './dropped-tables.ts'

/** What the catalog must answer before the stream goes on, and how it goes on then. */
export interface CatalogAnswer {
  readonly answer: Promise<void>
  readonly proceed: () => void
}

/** Whom a stream asks of types. */
export interface CatalogQuestions {
  /**
   * Makes the types of a relation's columns known, from the catalog where need be; undefined when they are.
   *
   * @param xid of the transaction in which it came, which may have made them
   */
  readonly learnTypes: (relation: RelationMessage, xid: number | undefined) => Promise<void> | undefined
  /**
   * Makes sure that types are still what they were, for a transaction that committed there; undefined when they are. Gives
   * those that are read as text from then on.
   */
  readonly checkTypes: (commitLsn: Lsn, xid: number) => Promise<readonly string[]> | undefined
  /** Makes the replica identities of the partitions known that are published under their roots. */
  readonly learnPartitions: () => Promise<void>
  /** Forgets what the catalog has no more, as {@link DroppedTables.before}. */
  readonly forgetDropped: (commitLsn: Lsn) => Promise<void> | undefined
}

export interface CatalogGateParts extends CatalogQuestions {
  readonly decoder: PgoutputDecoder
  readonly types: TypeRegistry
  /** Whether the server was asked for binary values. */
  readonly binary: boolean
}

/**
 * Where a stream waits for the catalog: no relation is defined before the types of its columns are known, and no
 * transaction is read before it is sure that types are what they were. Where the values come in binary form and that is
 * not exact any more, it is left.
 */
export class CatalogGate {
  readonly #parts: CatalogGateParts

  constructor(parts: CatalogGateParts) {
    this.#parts = parts
  }

  /**
   * Takes a Relation. Gives what is to be waited for first.
   *
   * @throws {BinaryNotExact} when a column's values cannot come in binary form
   */
  relation(relation: RelationMessage, xid: number | undefined): CatalogAnswer | undefined {
    const answer = this.#parts.learnTypes(relation, xid)
    if (answer !== undefined) return { answer: answer.then(() => this.#define(relation)), proceed: () => {} }
    const untold = this.#define(relation)
    return untold && { answer: untold, proceed: () => {} }
  }

  /** To be called before a Begin is read: what is to be waited for first. It rejects with {@link BinaryNotExact}. */
  begin(commitLsn: Lsn, xid: number): Promise<void> | undefined {
    const looked = this.#parts.forgetDropped(commitLsn)
    if (looked !== undefined) return looked.then(() => this.#checkTypes(commitLsn, xid))
    return this.#checkTypes(commitLsn, xid)
  }

  #checkTypes(commitLsn: Lsn, xid: number): Promise<void> | undefined {
    return this.#parts.checkTypes(commitLsn, xid)?.then(([altered]) => {
      // Values of it say in binary form by which attributes they were written, if those are known.
      if (altered !== undefined && this.#parts.binary) throw BinaryNotExact.ofAltered(altered)
    })
  }

  /** @returns what is to be waited for, where the message does not say how old rows of a partition are logged */
  #define(message: RelationMessage): Promise<void> | undefined {
    const { binary, decoder, types, learnPartitions } = this.#parts
    const relation = decoder.define(message)
    const inexact = binary ? inexactColumn(relation, types) : undefined
    if (inexact !== undefined) throw BinaryNotExact.ofColumn(inexact)
    return decoder.partitionUntold ? learnPartitions() : undefined
  }
}
