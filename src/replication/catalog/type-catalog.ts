import { type CatalogAttribute, type CatalogType, typesUnder } from '../../decoder/types/catalog-type.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows } from './queryable.ts'

/**
 * Reads types out of the catalog, with the types under them: elements of arrays, bases of domains, attributes of
 * composites, subtypes of ranges, ranges of multiranges. Those come before what is made of them. A type that was dropped
 * is not in the answer.
 *
 * Arrays are told by how they are subscripted: `name`, `point` and others have a `typelem` too, but their text is no array.
 */
export async function readTypes(connection: Queryable, oids: readonly number[]): Promise<CatalogType[]> {
  if (oids.length === 0) return []
  const rows = await queryRows(
    connection,
    `WITH RECURSIVE wanted(oid) AS (
      SELECT oid FROM pg_catalog.pg_type WHERE oid IN (${oids.map(Math.trunc).join(', ')})
      UNION
      SELECT under.oid FROM wanted CROSS JOIN LATERAL (
        SELECT CASE WHEN ${isArray} THEN t.typelem ELSE t.typbasetype END
        FROM pg_catalog.pg_type t WHERE t.oid = wanted.oid
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
        WHERE t.oid = wanted.oid AND ${isAttribute}
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = wanted.oid
        UNION ALL
        SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = wanted.oid
      ) under(oid) WHERE under.oid <> 0
    )
    SELECT t.oid, n.nspname, t.typname, t.typtype, t.typdelim, CASE WHEN ${isArray} THEN t.typelem ELSE 0 END,
      t.typbasetype, coalesce(r.rngsubtype, 0), coalesce(m.rngtypid, 0),
      ${attributesOf},
      ${functionOf('t.typoutput')}, ${functionOf('t.typsend')}
    FROM wanted
      JOIN pg_catalog.pg_type t ON t.oid = wanted.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
      LEFT JOIN pg_catalog.pg_range m ON m.rngmultitypid = t.oid
    ORDER BY t.oid`,
  )
  return inOrderOfUse(
    rows.map(
      ([
        oid,
        schema,
        name,
        typtype,
        delimiter,
        element,
        base,
        subtype,
        range,
        attributes,
        output,
        send,
      ]): CatalogType => ({
        oid: Number(oid),
        schema: schema ?? '',
        name: name ?? '',
        typtype: typtype ?? 'b',
        delimiter: delimiter ?? ',',
        elementOid: Number(element),
        baseOid: Number(base),
        attributes: typtype === 'c' ? parseAttributes(attributes ?? '[]') : undefined,
        subtypeOid: Number(subtype),
        rangeOid: Number(range),
        output: output ?? undefined,
        send: send ?? undefined,
      }),
    ),
  )
}

/** The attributes of composite types as they are now, by the type's OID. A type that was dropped is not in the answer. */
export async function readAttributes(
  connection: Queryable,
  oids: readonly number[],
): Promise<ReadonlyMap<number, readonly CatalogAttribute[]>> {
  const rows = await queryRows(
    connection,
    `SELECT t.oid, ${attributesOf} FROM pg_catalog.pg_type t WHERE t.oid IN (${oids.map(Math.trunc).join(', ')})`,
  )
  return new Map(rows.map(([oid, attributes]) => [Number(oid), parseAttributes(attributes ?? '[]')]))
}

/**
 * Which composite types may have been altered after the point from which a slot decodes: transactions before its
 * `catalog_xmin` had ended by then. A type whose attributes are all as old as itself was never altered.
 *
 * How old a type is does not stand in its row, which is written anew when the type gets another name, schema or owner. The
 * dependency between type and relation is written once, when both are made. Within the transaction that made a type of its
 * own (`CREATE TYPE`), the commands tell what came later; a table's attributes are touched by constraints as well.
 *
 * Ages that have wrapped around, of rows that were frozen long ago, are negative.
 */
export async function readLatelyAltered(
  connection: Queryable,
  oids: readonly number[],
  slot: string,
): Promise<ReadonlySet<number>> {
  const rows = await queryRows(
    connection,
    `SELECT t.oid FROM pg_catalog.pg_type t
      JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
      JOIN pg_catalog.pg_replication_slots s ON s.slot_name = ${quoteLiteral(slot)}
    WHERE t.oid IN (${oids.map(Math.trunc).join(', ')}) AND EXISTS (
      SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
        AND pg_catalog.age(a.xmin) BETWEEN 0 AND pg_catalog.age(s.catalog_xmin)
        AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend d
          WHERE ${isMade} AND d.xmin = a.xmin
            AND (c.relkind <> 'c' OR d.cmin = a.cmin)
        )
    )`,
  )
  return new Set(rows.map(([oid]) => Number(oid)))
}

/** The row that says that a relation and its row type belong together: of a table, or of a type of its own. */
const isMade = `((d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.typrelid)
  OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = t.typrelid AND d.objsubid = 0
    AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = t.oid))
  AND d.deptype = 'i'`

const isArray = `t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc`
const isAttribute = `a.attnum > 0 AND NOT a.attisdropped`
const attributesOf = `(SELECT
  pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, a.atttypid::pg_catalog.int8) ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND ${isAttribute})`

/** What a function is, whatever it is called: the server's own symbol, or library and symbol. */
function functionOf(oid: string): string {
  return `(SELECT CASE l.lanname WHEN 'internal' THEN p.prosrc WHEN 'c' THEN p.probin || ':' || p.prosrc END
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid = ${oid})`
}

function parseAttributes(json: string): CatalogAttribute[] {
  const attributes: unknown = JSON.parse(json)
  if (!Array.isArray(attributes)) return unexpected()
  return attributes.map((attribute: unknown) => {
    const [name, typeOid]: readonly unknown[] = Array.isArray(attribute) ? attribute : []
    if (typeof name !== 'string' || typeof typeOid !== 'number') return unexpected()
    return { name, typeOid }
  })
}

function unexpected(): never {
  throw new ProtocolError('types could not be read from the catalog', 'attributes are not pairs of name and type', 0)
}

/** What is made of others behind those. Types that need each other, which the server does not allow, come last. */
function inOrderOfUse(types: readonly CatalogType[]): CatalogType[] {
  const waiting = new Map(types.map((type) => [type.oid, new Set(typesUnder(type))]))
  const users = new Map<number, CatalogType[]>()
  for (const type of types) {
    for (const oid of typesUnder(type)) {
      if (!waiting.has(oid)) waiting.get(type.oid)?.delete(oid)
      else if (users.get(oid)?.push(type) === undefined) users.set(oid, [type])
    }
  }
  const ordered = types.filter((type) => waiting.get(type.oid)?.size === 0)
  for (const done of ordered) {
    for (const user of users.get(done.oid) ?? []) {
      const under = waiting.get(user.oid)
      if (under?.delete(done.oid) && under.size === 0) ordered.push(user)
    }
  }
  const known = new Set(ordered)
  return [...ordered, ...types.filter((type) => !known.has(type))]
}
