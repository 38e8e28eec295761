import type { KnownTypes } from '../catalog/known-types.ts'
import type { NewTables } from '../known-members.ts'
import type { AnnouncedRelations } from './announced-relations.ts'
import type { KnownTables } from './dropped-tables.ts'

/** All that a feed keeps of the tables that its stream has named. */
export class TablesOfFeed implements KnownTables {
  readonly #announced: AnnouncedRelations
  readonly #newTables: NewTables
  readonly #types: KnownTypes

  constructor(announced: AnnouncedRelations, newTables: NewTables, types: KnownTypes) {
    this.#announced = announced
    this.#newTables = newTables
    this.#types = types
  }

  /** The consumer may have been told of tables by earlier tries, which this one's decoder does not know. */
  get size(): number {
    return Math.max(this.#announced.size, this.#types.decoder.relationCount)
  }

  oids(): readonly number[] {
    return [...new Set([...this.#announced.oids, ...this.#types.decoder.relations.keys()])]
  }

  forget(oids: ReadonlySet<number>): void {
    this.#types.decoder.forget(oids)
    for (const oid of oids) {
      this.#announced.forget(oid)
      this.#newTables.forget(oid)
    }
  }
}
