/** Which old values the server sends with updates and deletes of a table (`ALTER TABLE … REPLICA IDENTITY`). */
export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index'

/** One published column of a table. */
export interface Column {
  readonly name: string
  /** The type's name: bare for a type of pg_catalog (`int4`, `_text`), `schema.name` for any other. */
  readonly type: string
  readonly typeOid: number
  /** The type's modifier as in `pg_attribute.atttypmod`, -1 where there is none. */
  readonly typmod: number
  /** Whether the column is part of the replica identity. Under identity `full` every column is. */
  readonly key: boolean
}

/** A table as it stands in the stream: one shared object for each version of its schema. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `schema.name`, neither of them quoted. */
  readonly table: string
  readonly replicaIdentity: ReplicaIdentity
  /** The published columns, in the order of the table (`attnum`). */
  readonly columns: readonly Column[]
}

/** A row: one property for each column, by the column's name. */
export type Row = Record<string, unknown>

/** Whether two descriptions are of the same table with the same schema. */
export function sameRelation(a: Relation, b: Relation): boolean {
  return (
    a.oid === b.oid &&
    a.schema === b.schema &&
    a.name === b.name &&
    a.replicaIdentity === b.replicaIdentity &&
    a.columns.length === b.columns.length &&
    a.columns.every((column, index) => sameColumn(column, b.columns[index]!))
  )
}

/** Whether two columns are called the same, hold the same type and stand in the identity alike. */
export function sameColumn(a: Column, b: Column): boolean {
  return a.name === b.name && sameColumnType(a, b) && a.key === b.key
}

/** Whether two columns hold the same type, modifier included. */
export function sameColumnType(a: Column, b: Column): boolean {
  return a.typeOid === b.typeOid && a.typmod === b.typmod
}
