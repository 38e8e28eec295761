import type { Lsn } from '../../protocol/messages/lsn.ts'
import type { DroppedRelations } from '../catalog/dropped-relations.ts'
import { Growth } from '../growth.ts'

/** What a feed knows of tables, by their OIDs. */
export interface KnownTables {
  /** How many it knows. */
  readonly size: number
  oids(): readonly number[]
  forget(oids: ReadonlySet<number>): void
}

/**
 * Forgets tables that were dropped: a database may make and drop them for ever. The stream does not say that one is
 * dropped, and describes it once, so that nothing may be forgotten of which a change can still come. So when what is known
 * has doubled, the catalog is asked what it has no more; and once the stream has come to where the server's log ended
 * then, everything of those lies behind.
 */
export class DroppedTables {
  readonly #known: KnownTables
  readonly #readDropped: (oids: readonly number[]) => Promise<DroppedRelations>
  readonly #growth: Growth
  #dropped: { readonly oids: Set<number>; readonly before: Lsn } | undefined
  /** Commit of the first transaction behind {@link DroppedRelations.before}. */
  #passedAt: Lsn | undefined

  constructor(
    known: KnownTables,
    readDropped: (oids: readonly number[]) => Promise<DroppedRelations>,
    growth = new Growth(),
  ) {
    this.#known = known
    this.#readDropped = readDropped
    this.#growth = growth
  }

  /** To be called before a transaction is read. Undefined, or what it must wait for. */
  before(commitLsn: Lsn): Promise<void> | undefined {
    if (this.#dropped !== undefined) this.#pass(commitLsn, this.#dropped)
    if (this.#dropped !== undefined || !this.#growth.isDue(this.#known.size)) return undefined
    return this.#look()
  }

  /** The stream describes a relation: it is not forgotten on the strength of an earlier look. */
  described(oid: number): void {
    this.#dropped?.oids.delete(oid)
  }

  /**
   * A standby shows what a commit did a moment before it says that it has replayed it. So the first transaction behind the
   * end of its log may be the one that dropped a table.
   */
  #pass(commitLsn: Lsn, { oids, before }: { readonly oids: ReadonlySet<number>; readonly before: Lsn }): void {
    if (commitLsn < before) return
    this.#passedAt ??= commitLsn
    if (commitLsn === this.#passedAt) return
    this.#dropped = undefined
    this.#passedAt = undefined
    this.#known.forget(oids)
    this.#growth.looked(this.#known.size)
  }

  async #look(): Promise<void> {
    const { oids, before } = await this.#readDropped(this.#known.oids())
    this.#growth.looked(this.#known.size)
    if (oids.length > 0) this.#dropped = { oids: new Set(oids), before }
  }
}
