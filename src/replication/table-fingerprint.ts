import { type Queryable, queryRows } from './queryable.ts'

/**
 * What a table is made of: the file, name and columns of it and of every partition below. Two that are equal hold the
 * same rows to any snapshot taken between them.
 */
export type TableFingerprint = readonly string[]

/**
 * Reads a table's fingerprint as the connection's snapshot sees the catalog. In the transaction that imported an
 * exported snapshot that is what the table was at the slot's consistent point; on another connection, what it is now.
 *
 * A rewriting ALTER TABLE and TRUNCATE give a table a new file, and the rows that an older snapshot should see are then
 * gone, while the stream has nothing of it. So: first LOCK TABLE … IN ACCESS SHARE MODE, which keeps the table as it
 * is, then compare.
 *
 * @see PG18: src/backend/commands/tablecmds.c ATRewriteTable: the new file's rows belong to the altering transaction
 */
export async function readFingerprint(connection: Queryable, oid: number): Promise<TableFingerprint> {
  const rows = await queryRows(
    connection,
    `WITH RECURSIVE tree(oid) AS (
      SELECT ${Math.trunc(oid)}::oid
      UNION
      SELECT i.inhrelid FROM tree
        JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
        JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition
    )
    SELECT json_build_array(c.oid, n.nspname, c.relname, c.relkind, c.relfilenode, c.relpersistence,
      (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM tree
      JOIN pg_catalog.pg_class c ON c.oid = tree.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY c.oid`,
  )
  return rows.map(([table]) => table ?? '')
}

/** Whether a table is still the one of the snapshot. A table that is gone never is. */
export function sameTable(before: TableFingerprint, now: TableFingerprint): boolean {
  return before.length > 0 && before.length === now.length && before.every((table, index) => table === now[index])
}
