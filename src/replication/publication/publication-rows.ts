/*
 * What the catalog says of publications and of the tables in them, row by row.
 */

/** What can be done to a table's rows, in the order of `pubinsert`, `pubupdate`, `pubdelete`, `pubtruncate`. */
export const publishedActions = ['insert', 'update', 'delete', 'truncate'] as const

/** A row of pg_publication. */
export interface Publication {
  readonly oid: number
  readonly name: string
  readonly allTables: boolean
  /** `publish_via_partition_root` */
  readonly viaRoot: boolean
  /** `publish`: what is streamed of what is done to its tables. */
  readonly publishes: readonly (typeof publishedActions)[number][]
  /** `publish_generated_columns = stored`, from PG18 on. */
  readonly generatedStored: boolean
}

/** A table that a publication names, or a partition of one. */
export interface CandidateTable {
  readonly oid: number
  readonly schemaOid: number
  readonly schema: string
  readonly name: string
  /** `r` table, `p` partitioned, `f` foreign. */
  readonly kind: string
  /** `p` permanent, `u` unlogged, `t` temporary. */
  readonly persistence: string
  readonly replicaIdentity: string
  /** The table that it is a partition of. */
  readonly parent: number | undefined
  /** `relnatts`: the columns that it ever had. */
  readonly attributeCount: number
  readonly estimatedRows: number
}

/** A row of pg_publication_rel (a table) or of pg_publication_namespace (a schema). */
export interface Membership {
  readonly oid: number
  readonly publication: number
  readonly table: number | undefined
  readonly schema: number | undefined
  /** The column list as attribute numbers; undefined where there is none. */
  readonly attributes: readonly number[] | undefined
  /** Whether it has a row filter. */
  readonly filtered: boolean
}
