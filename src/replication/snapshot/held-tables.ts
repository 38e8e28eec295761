import type { Relation } from '../../decoder/relation.ts'
import { CopiedTables, readCopiedTables } from '../copied-tables.ts'
import type { Event } from '../events.ts'
import type { Position } from '../position.ts'

/**
 * What the consumer may have rows of from copies that came to nothing, by the tables' names. By name, since that is what
 * a consumer stores rows under: a table that was dropped and made anew, or that took another's name, has another OID
 * and finds the old rows there.
 */
export class HeldTables {
  readonly #relations = new Map<string, Relation>()
  /** Whose copy begins by an event that is about to be delivered. */
  readonly #beginning = new Set<string>()
  /** Names that the consumer was told to forget. */
  readonly #left = new Set<string>()
  /** Names that it is about to be told to forget. */
  #leaving: ReadonlySet<string> = new Set()
  /** An earlier run may have delivered anything. */
  #anything = false

  /** There was an earlier run: it may have delivered rows of these tables, and of others that nobody knows of. */
  addEarlier(relations: readonly Relation[]): void {
    this.#anything = true
    for (const relation of relations) this.#relations.set(relation.table, relation)
  }

  /** How the copy of a table is to be taken: `initial` only where nothing of that name was ever delivered. */
  mode(table: string): 'initial' | 'replace' {
    return this.#anything || this.#relations.has(table) || this.#left.has(table) ? 'replace' : 'initial'
  }

  /** The copy of a table begins: the consumer is going to be told of it, and has nothing before ({@link told}). */
  begin({ table }: Relation): void {
    this.#beginning.add(table)
  }

  /**
   * What is held under names that are not among those of a new snapshot: the consumer is going to be told of it by an event
   * for each, and once ({@link told}).
   */
  leaving(names: ReadonlySet<string>): readonly Relation[] {
    const leaving = [...this.#relations.values()].filter(({ table }) => !names.has(table))
    this.#leaving = new Set(leaving.map(({ table }) => table))
    return leaving
  }

  /** These were delivered. */
  told(events: readonly Event[]): void {
    if (this.#leaving.size === 0 && this.#beginning.size === 0) return
    for (const event of events) {
      if (event.kind === 'table-left') {
        this.#relations.delete(event.table)
        this.#left.add(event.table)
      } else if (event.kind === 'snapshot-begin') {
        this.#relations.set(event.table, event.relation)
        this.#beginning.delete(event.table)
      }
    }
    this.#leaving = new Set()
  }

  /** What was not delivered will never be. */
  takeBack(): void {
    this.#leaving = new Set()
    this.#beginning.clear()
  }

  /** As a position keeps it, so that another run knows, without what is leaving: see copied-tables.ts. */
  get text(): string {
    const tables = new CopiedTables()
    for (const { oid, schema, name, table } of this.#relations.values()) {
      if (this.#leaving.has(table)) continue
      tables.add({ schema, name, members: [{ table: oid, membership: 0 }], at: undefined })
    }
    return tables.text
  }

  /** The relation that was announced under a name, or that a stored position names. */
  get relations(): Iterable<Relation> {
    return this.#relations.values()
  }
}

/**
 * What an earlier run may have delivered, as far as its position tells: one of phase `new` says only that there was a
 * run. Columns are not in a position.
 */
export function heldBefore(start: Position | undefined): readonly Relation[] {
  const { done = '', held: before = '', copying = [] } = start?.tables ?? {}
  const listed = [before, done].flatMap((text) => readCopiedTables(text) ?? [])
  const held = [
    ...listed.map(({ schema, name, members: [member] }) => ({ oid: member?.table ?? 0, schema, name })),
    ...copying,
  ]
  return held.map(({ oid, schema, name }) => {
    return { oid, schema, name, table: `${schema}.${name}`, replicaIdentity: 'default', columns: [] }
  })
}
