import type { CandidateTable, Membership, Publication } from './publication-rows.ts'

/** What publications name, for looking up. */
export class PublicationEntries {
  readonly #tables = new Map<string, Membership>()
  readonly #schemas = new Map<string, Membership>()

  constructor(memberships: readonly Membership[]) {
    for (const membership of memberships) {
      const { publication, table, schema } = membership
      if (table !== undefined) this.#tables.set(`${publication} ${table}`, membership)
      if (schema !== undefined) this.#schemas.set(`${publication} ${schema}`, membership)
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

  /** The rows by which the publication has the table: its own and its schema's. */
  rowsOf(publication: Publication, table: CandidateTable): Membership[] {
    const ofSchema = this.#schemas.get(`${publication.oid} ${table.schemaOid}`)
    return [this.ofTable(publication, table), ofSchema].filter((row) => row !== undefined)
  }
}
