import { type Relation, sameRelation } from '../../decoder/relation.ts'
import type { RelationChange } from '../events.ts'
import { describeChange } from './relation-change.ts'

/** The schema of each table as the consumer was last told in a run. */
export class AnnouncedRelations {
  readonly #relations = new Map<number, Relation>()

  get size(): number {
    return this.#relations.size
  }

  /**
   * Takes note that the consumer is told of a relation now.
   *
   * @returns null at the table's first use, the difference when there is one, undefined when there is nothing to tell
   */
  announce(relation: Relation): RelationChange | null | undefined {
    const before = this.#relations.get(relation.oid)
    if (before === relation) return undefined
    this.#relations.set(relation.oid, relation)
    if (before === undefined) return null
    // on another connection the same schema is another object
    return sameRelation(before, relation) ? undefined : describeChange(before, relation)
  }

  /** OIDs of the tables that it was told of. */
  get oids(): Iterable<number> {
    return this.#relations.keys()
  }

  /** The consumer was told that it has nothing of this table, or the table was dropped: its next use is the first again. */
  forget(oid: number): void {
    this.#relations.delete(oid)
  }
}
