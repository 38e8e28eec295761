import { type Relation, sameRelation } from '../../decoder/relation.ts'
import type { Event, RelationChange } from '../events.ts'
import { describeChange } from './relation-change.ts'

/** The schema of each table as the consumer was last told in a run, or is about to be. */
export class AnnouncedRelations {
  readonly #relations = new Map<number, Relation>()
  /** The same as the consumer knows, as the stream described it last: another object, over another connection. */
  readonly #likewise = new Map<number, Relation>()
  /** What the consumer knows of tables about which it is going to be told. */
  readonly #known = new Map<number, Relation | undefined>()

  get size(): number {
    return this.#relations.size
  }

  /**
   * Takes note that the consumer is told of a relation, by an event that is about to be delivered.
   *
   * @returns null at the table's first use, the difference when there is one, undefined when there is nothing to tell
   */
  announce(relation: Relation): RelationChange | null | undefined {
    const { oid } = relation
    const before = this.#relations.get(oid)
    if (before === relation || this.#likewise.get(oid) === relation) return undefined
    // on another connection the same schema is another object
    if (before !== undefined && sameRelation(before, relation)) {
      this.#likewise.set(oid, relation)
      return undefined
    }
    this.#likewise.delete(oid)
    this.#relations.set(oid, relation)
    if (!this.#known.has(oid)) this.#known.set(oid, before)
    return before === undefined ? null : describeChange(before, relation)
  }

  /** The object by which the consumer knows a relation that was announced: its events go by that. */
  asTold(relation: Relation): Relation {
    return this.#relations.get(relation.oid) ?? relation
  }

  /** These were delivered. */
  told(events: readonly Event[]): void {
    if (this.#known.size === 0) return
    for (const event of events) {
      if (event.kind !== 'relation') continue
      const { oid } = event.relation
      // it may be announced once more, in a batch to come
      if (this.#relations.get(oid) === event.relation) this.#known.delete(oid)
      else this.#known.set(oid, event.relation)
    }
  }

  /** What was not delivered will never be: it is to be announced again. */
  takeBack(): void {
    for (const [oid, known] of this.#known) {
      if (known === undefined) this.#relations.delete(oid)
      else this.#relations.set(oid, known)
    }
    this.#known.clear()
    this.#likewise.clear()
  }

  /** OIDs of the tables that it was told of. */
  get oids(): Iterable<number> {
    return this.#relations.keys()
  }

  /** The consumer was told that it has nothing of this table, or the table was dropped: its next use is the first again. */
  forget(oid: number): void {
    this.#relations.delete(oid)
    this.#likewise.delete(oid)
    this.#known.delete(oid)
  }
}
