import type { CatalogAttribute, CatalogType } from '../../decoder/types/catalog-type.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import type { Logger } from '../logger.ts'
import { type Queryable, queryRows } from './queryable.ts'
import { readAttributes, readLatelyAltered } from './type-catalog.ts'
import { isVisible, waitUntilVisible } from './visibility.ts'
import { readWalEnd } from './wal-end.ts'

/**
 * Watches the composite types of a run. ALTER TYPE gives one other attributes under the same OID, and the stream says
 * nothing of it: values that were written with (a, b) and are read as (b, c) would be wrong without a sign of it. So the
 * catalog is asked again before a transaction is read that it did not know when it was asked last, and a type that is not
 * any more what it was is read as text.
 */
export class TypeWatch {
  readonly #types: TypeRegistry
  readonly #ordinary: Queryable
  readonly #logger: Logger
  /** What had ended when the catalog was asked last: those transactions have the types as they are known. */
  #snapshot: string | undefined
  readonly #altered = new Set<number>()

  constructor(types: TypeRegistry, ordinary: Queryable, logger: Logger) {
    this.#types = types
    this.#ordinary = ordinary
    this.#logger = logger
  }

  /**
   * To be called before a transaction is read. Undefined when its types are as they are known; else it must wait, for the
   * labels of those that are read as text from then on.
   */
  before(commitLsn: Lsn, xid: number): Promise<readonly string[]> | undefined {
    this.#types.at(commitLsn)
    if (this.#types.composites.size === 0) return undefined
    return this.#snapshot !== undefined && isVisible(this.#snapshot, xid) ? undefined : this.#check(xid)
  }

  /** The OIDs of types that are not what they were when they were read from the catalog. */
  async findAltered(): Promise<readonly number[]> {
    const composites = [...this.#types.composites].filter(([oid]) => !this.#altered.has(oid))
    if (composites.length === 0) return []
    const oids = composites.map(([oid]) => oid)
    const now = await readAttributes(this.#ordinary, oids)
    return oids.filter((oid, index) => !sameAttributes(composites[index]?.[1].attributes ?? [], now.get(oid)))
  }

  /** These are not known any more: what gets an OID of theirs, or is learned again, is another type. */
  forget(oids: ReadonlySet<number>): void {
    for (const oid of oids) this.#altered.delete(oid)
  }

  async #check(xid: number): Promise<readonly string[]> {
    const { snapshot, locked } = await this.#beginCheck(xid)
    const altered = new Set([...(await this.findAltered()), ...locked])
    this.#snapshot = snapshot
    for (const oid of altered) {
      this.#altered.add(oid)
      this.#types.distrust(oid)
    }
    return [...altered].map((oid) => this.#types.get(oid)?.label ?? `${oid}`)
  }

  /**
   * The snapshot before the catalog is asked. A transaction that is in the stream and did not quite end may be the one that
   * alters a type; it holds the type's lock until everybody sees what it did. What it still holds when it was waited for
   * long enough is as good as altered.
   */
  async #beginCheck(xid: number): Promise<{ readonly snapshot: string; readonly locked: readonly number[] }> {
    for (let waited = false; ; waited = true) {
      const rows = await queryRows(
        this.#ordinary,
        `SELECT pg_catalog.pg_current_snapshot(), t.oid FROM (SELECT 1) always LEFT JOIN (
          pg_catalog.pg_locks l JOIN pg_catalog.pg_type t ON t.typrelid = l.relation
          JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database())
          ON t.oid IN (${[...this.#types.composites.keys()].join(', ')})
            AND l.granted AND l.mode = 'AccessExclusiveLock'`,
      )
      const snapshot = rows[0]?.[0] ?? ''
      const locked = rows.flatMap(([, oid]) => (oid ? [Number(oid)] : []))
      if (locked.length === 0 || isVisible(snapshot, xid)) return { snapshot, locked: [] }
      if (waited) return { snapshot, locked }
      await waitUntilVisible(this.#ordinary, xid, this.#logger)
    }
  }
}

/**
 * Of types that were just read from the catalog, marks those that may have been altered after the changes were written
 * that the slot still has.
 */
export async function withUncertainty(
  types: readonly CatalogType[],
  ordinary: Queryable,
  slot: string,
): Promise<readonly CatalogType[]> {
  const composites = types.filter(({ attributes }) => attributes !== undefined).map(({ oid }) => oid)
  if (composites.length === 0) return types
  const altered = await readLatelyAltered(ordinary, composites, slot)
  if (altered.size === 0) return types
  const uncertainBelow = await readWalEnd(ordinary)
  return types.map((type) => (altered.has(type.oid) ? { ...type, uncertainBelow } : type))
}

function sameAttributes(before: readonly CatalogAttribute[], now: readonly CatalogAttribute[] | undefined): boolean {
  return (
    now !== undefined &&
    now.length === before.length &&
    before.every(({ name, typeOid }, index) => now[index]?.name === name && now[index].typeOid === typeOid)
  )
}
