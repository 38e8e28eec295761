import type { Column, Relation, Row } from './relation.ts'
import { type Cursor, type Field, type RowReader, rowReader } from './row-reader.ts'
import { isSentNull, tupleLayout } from './tuple.ts'
import type { TypeRegistry } from './types/registry.ts'

const oldTupleTag = 0x4f

/** A table that the stream has named, with the readers of its rows, which are made when the first row comes. */
export class KnownRelation {
  /** With the identity that its rows are logged under. */
  readonly relation: Relation
  /** As the server describes it: another object only where its partitions have another identity. */
  described: Relation
  /** Its rows are those of partitions, whose identities are known: what marks an old row is the root's, and says nothing. */
  readonly ofPartitions: boolean
  readonly #cursor: Cursor
  readonly #types: TypeRegistry
  #row: RowReader | undefined
  #key: RowReader | undefined
  /** See {@link RecentRelations}. */
  lastUse = 0

  constructor(relation: Relation, described: Relation, ofPartitions: boolean, types: TypeRegistry, cursor: Cursor) {
    this.relation = relation
    this.described = described
    this.ofPartitions = ofPartitions
    this.#types = types
    this.#cursor = cursor
  }

  /** Reads a whole row: a new tuple, or an old one. */
  get row(): RowReader {
    return (this.#row ??= this.#reader(this.relation.columns.map((column) => this.#field(column))))
  }

  /** Reads a key tuple, which has every column, those beside the key as NULLs that mean nothing. */
  get key(): RowReader {
    return (this.#key ??= this.#reader(
      this.relation.columns.map((column) => (column.key ? this.#field(column) : { name: column.name, read: null })),
    ))
  }

  /** Its readers are made again when a row comes. */
  forgetReaders(): void {
    this.#row = undefined
    this.#key = undefined
  }

  /** Whether an old tuple is a whole row, and not a key. */
  isWhole(tag: number | undefined): boolean {
    return this.ofPartitions ? this.relation.replicaIdentity === 'full' : tag === oldTupleTag
  }

  /** Why an update without an old row does not say which row it changed; undefined where it does. */
  gapWithoutKey(): string | undefined {
    if (!this.ofPartitions) return undefined
    if (this.relation.replicaIdentity === 'full') return 'a change came without the old row'
    if (this.relation.columns.some(({ key }) => key)) return undefined
    return 'its partitions have no column in common that identifies their rows'
  }

  /**
   * Why a key does not say which row is meant; undefined where it does. The columns of an identity are NOT NULL, so that a
   * NULL is that of a column which was not logged.
   *
   * @param tuple index of the key's tuple in `bytes`
   */
  gapInKey(key: Row, bytes: Uint8Array, tuple: number): string | undefined {
    let columns = 0
    for (const [index, column] of this.relation.columns.entries()) {
      if (!column.key) continue
      columns++
      // a reader of the caller's own may make null of any value
      if (key[column.name] === null && isSentNull(bytes, tuple, index)) return `its key has no value for ${column.name}`
    }
    return columns === 0 ? 'its key has no column' : undefined
  }

  #reader(fields: Field[]): RowReader {
    return rowReader(tupleLayout, fields, this.#cursor, this.relation.table)
  }

  #field(column: Column): Field {
    const type = this.#types.get(column.typeOid) ?? this.#types.addUnknown(column.typeOid)
    return { name: column.name, read: type.readText, readBinary: type.readBinary }
  }
}
