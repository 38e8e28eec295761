import { type Queryable, queryRows } from '../catalog/queryable.ts'

/**
 * What a table is made of, by OID: the file, name and columns of it and of every partition below.
 */
export type TableFingerprint = ReadonlyMap<number, string>

/**
 * Whether a copy in a snapshot finds a table's rows as they were when the snapshot was made.
 *
 * A rewriting ALTER TABLE and TRUNCATE give a table a new file, in which an older snapshot sees nothing, while the
 * stream has nothing of it either: the rows would be lost. A partition that was detached takes its rows with it. So:
 * first LOCK TABLE … IN ACCESS SHARE MODE in the snapshot's transaction, which keeps the table as it is from then on;
 * then ask this; then copy. False alarms cost a new snapshot (CLUSTER and VACUUM FULL give one), so what cannot hurt
 * is none: rows, indexes, defaults, rights.
 *
 * @param snapshot the transaction that holds the table's lock, and sees the catalog as the snapshot does
 * @param current another connection, outside of a transaction, which sees the catalog as it is
 */
export async function isUnchanged(snapshot: Queryable, current: Queryable, oid: number): Promise<boolean> {
  const before = await readFingerprint(snapshot, oid)
  const now = await readFingerprint(current, oid)
  if (!contains(now, before)) return false
  // A partition made since then has no row that the snapshot sees, and all of its rows are in the stream. One that was
  // a table of its own before has rows that the snapshot sees, and would add them.
  const added = [...now.keys()].filter((partition) => !before.has(partition))
  if (added.length === 0) return true
  const known = await queryRows(snapshot, `SELECT FROM pg_catalog.pg_class WHERE oid IN (${added.join(', ')})`)
  return known.length === 0
}

/** Reads a table's fingerprint as the connection's transaction sees the catalog; empty when there is no such table. */
export async function readFingerprint(connection: Queryable, oid: number): Promise<TableFingerprint> {
  const rows = await queryRows(
    connection,
    `WITH RECURSIVE tree(oid) AS (
      SELECT ${Math.trunc(oid)}::oid
      UNION
      SELECT i.inhrelid FROM tree
        JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid AND NOT i.inhdetachpending
        JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition
    )
    SELECT c.oid, json_build_array(n.nspname, c.relname, c.relkind, c.relfilenode, c.relpersistence,
      (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM tree
      JOIN pg_catalog.pg_class c ON c.oid = tree.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`,
  )
  return new Map(rows.map(([part, description]) => [Number(part), description ?? '']))
}

function contains(now: TableFingerprint, before: TableFingerprint): boolean {
  return before.size > 0 && [...before].every(([part, description]) => now.get(part) === description)
}
