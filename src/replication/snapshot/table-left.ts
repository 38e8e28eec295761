import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows } from '../catalog/queryable.ts'
import type { TableLeftEvent } from '../events.ts'

/**
 * Why a name is not among the tables of a snapshot: there is no table of that name any more (dropped, or renamed); it
 * is there, and its rows come under the name of its root or of its partitions; or it is there and not published.
 *
 * @param connection sees the catalog as the snapshot does
 * @param published OIDs of the snapshot's tables
 */
export async function whyLeft(
  connection: Queryable,
  { schema, name }: { readonly schema: string; readonly name: string },
  published: ReadonlySet<number>,
): Promise<TableLeftEvent['reason']> {
  const rows = await queryRows(
    connection,
    `WITH RECURSIVE it(oid) AS (
      SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ${quoteLiteral(schema)} AND c.relname = ${quoteLiteral(name)} AND c.relkind IN ('r', 'p')
    ), links AS (
      SELECT i.inhrelid AS child, i.inhparent AS parent FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition
      WHERE NOT i.inhdetachpending
    ), above(oid) AS (
      SELECT oid FROM it UNION SELECT links.parent FROM above JOIN links ON links.child = above.oid
    ), below(oid) AS (
      SELECT oid FROM it UNION SELECT links.child FROM below JOIN links ON links.parent = below.oid
    )
    SELECT oid FROM above UNION SELECT oid FROM below`,
  )
  if (rows.length === 0) return 'dropped'
  return rows.some(([oid]) => published.has(Number(oid))) ? 'partition' : 'removed'
}
