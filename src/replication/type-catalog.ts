import type { CatalogType } from '../decoder/types/registry.ts'
import { type Queryable, queryRows } from './queryable.ts'

/**
 * Reads types out of the catalog, with the types under them: the elements of arrays, the bases of domains. Those come
 * before what is made of them. A type that was dropped is not in the answer.
 *
 * Arrays are told by how they are subscripted: `name`, `point` and others have a `typelem` too, but their text is no array.
 */
export async function readTypes(connection: Queryable, oids: readonly number[]): Promise<CatalogType[]> {
  if (oids.length === 0) return []
  const rows = await queryRows(
    connection,
    `WITH RECURSIVE wanted(oid, depth) AS (
      SELECT oid, 0 FROM pg_catalog.pg_type WHERE oid IN (${oids.map(Math.trunc).join(', ')})
      UNION ALL
      SELECT under.oid, depth + 1 FROM wanted
        JOIN pg_catalog.pg_type t ON t.oid = wanted.oid
        JOIN pg_catalog.pg_type under ON under.oid = CASE WHEN ${isArray} THEN t.typelem ELSE t.typbasetype END
    )
    SELECT t.oid, n.nspname, t.typname, t.typtype, t.typdelim, CASE WHEN ${isArray} THEN t.typelem ELSE 0 END, t.typbasetype
    FROM (SELECT oid, max(depth) AS depth FROM wanted GROUP BY oid) closure
      JOIN pg_catalog.pg_type t ON t.oid = closure.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    ORDER BY depth DESC, t.oid`,
  )
  return rows.map(([oid, schema, name, typtype, delimiter, elementOid, baseOid]) => ({
    oid: Number(oid),
    schema: schema ?? '',
    name: name ?? '',
    typtype: typtype ?? 'b',
    delimiter: delimiter ?? ',',
    elementOid: Number(elementOid),
    baseOid: Number(baseOid),
  }))
}

const isArray = `t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc`
