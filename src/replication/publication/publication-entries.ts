import type { CandidateTable, Publication } from './publication-members.ts'

/** A row of pg_publication_rel (a table) or of pg_publication_namespace (a schema). */
export interface Membership {
  readonly publication: number
  readonly table: number | undefined
  readonly schema: number | undefined
  /** The column list as attribute numbers; undefined where there is none. */
  readonly attributes: readonly number[] | undefined
  /** The row filter as SQL; undefined where there is none. */
  readonly filter: string | undefined
}

/** What publications name, for looking up. */
export class PublicationEntries {
  readonly #tables = new Map<string, Membership>()
  readonly #schemas = new Set<string>()

  constructor(memberships: readonly Membership[]) {
    for (const membership of memberships) {
      const { publication, table, schema } = membership
      if (table !== undefined) this.#tables.set(`${publication} ${table}`, membership)
      if (schema !== undefined) this.#schemas.add(`${publication} ${schema}`)
    }
  }

  /** The table's own entry, which may have a column list and a row filter. */
  ofTable(publication: Publication, table: CandidateTable): Membership | undefined {
    return this.#tables.get(`${publication.oid} ${table.oid}`)
  }

  /** Whether the publication has all tables of the table's schema. */
  hasSchema(publication: Publication, table: CandidateTable): boolean {
    return this.#schemas.has(`${publication.oid} ${table.schemaOid}`)
  }
}
