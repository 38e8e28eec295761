import type { CatalogType } from '../decoder/types/catalog-type.ts'
import { type Queryable, queryRows } from '../replication/catalog/queryable.ts'
import { readTypes } from '../replication/catalog/type-catalog.ts'

/** What the server can do with the values of a type. */
interface TypeFacts {
  /** In SQL. */
  readonly name: string
  /** Undefined where it has none. */
  readonly sendFunction: string | undefined
  /** The type that the send function is declared for, where that is another one: refcursor is sent as text. */
  readonly sentAs: string | undefined
  /** It has an operator that is equality, and not one that is only called =: boxes are equal where their areas are. */
  readonly hasEquality: boolean
  readonly catalog: CatalogType | undefined
}

/** SQL that is true where two expressions are the same value. */
export type IsSame = (a: string, b: string) => string

/**
 * Asks the catalog how the values of types can be compared: by IS NOT DISTINCT FROM where the type, and everything in it,
 * has an equality; and by what the send function gives, which tells -0 from 0 and 1.0 from 1.00; without one by the text.
 */
export async function readEqualities(connection: Queryable, oids: readonly number[]): Promise<(oid: number) => IsSame> {
  const catalog = new Map((await readTypes(connection, oids)).map((type) => [type.oid, type]))
  const rows = await queryRows(connection, factsSql)
  const facts = new Map(
    rows.map(([oid, name, sendFunction, sentAs, hasEquality]): [number, TypeFacts] => [
      Number(oid),
      {
        name: name ?? '',
        sendFunction: sendFunction ?? undefined,
        sentAs: sentAs ?? undefined,
        hasEquality: hasEquality === 't',
        catalog: catalog.get(Number(oid)),
      },
    ]),
  )
  return (oid) => equalityOf(oid, (inner) => facts.get(inner))
}

/** A type without an operator class of its own is compared as the one that it can be taken for as it is: varchar as text. */
const factsSql = `SELECT t.oid, pg_catalog.format_type(t.oid, NULL),
    CASE WHEN t.typsend <> 0 THEN t.typsend::pg_catalog.regproc END,
    (SELECT pg_catalog.format_type(sent.oid, NULL)
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type sent ON sent.oid = p.proargtypes[0]
      WHERE p.oid = t.typsend AND sent.typtype <> 'p' AND sent.oid <> t.oid),
    EXISTS (SELECT FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
      WHERE c.opcdefault AND a.amname IN ('btree', 'hash') AND (c.opcintype = t.oid OR c.opcintype IN (
        SELECT casttarget FROM pg_catalog.pg_cast
        WHERE castsource = t.oid AND castmethod = 'b' AND castcontext = 'i')))
  FROM pg_catalog.pg_type t`

type FactsOf = (oid: number) => TypeFacts | undefined

function equalityOf(oid: number, factsOf: FactsOf): IsSame {
  const facts = factsOf(oid)
  const base = facts?.catalog?.baseOid ?? 0
  if (base !== 0) {
    const ofBase = equalityOf(base, factsOf)
    const cast = (expression: string) => `(${expression})::${factsOf(base)?.name}`
    return (a, b) => ofBase(cast(a), cast(b))
  }
  const sendFunction = facts?.sendFunction
  const isSent = sendFunction !== undefined && everyBase(oid, factsOf, (inner) => inner.sendFunction !== undefined)
  // the text, which is all that walwire has, does not say how 'a' & 'b' & 'c' was nested
  const isTree = !everyBase(oid, factsOf, (inner) => inner.name !== 'tsquery')
  if (isTree || !isSent) return (a, b) => `pg_catalog.format('%L', ${a}) = pg_catalog.format('%L', ${b})`
  const isComparable = everyBase(oid, factsOf, (inner) => inner.hasEquality)
  const cast = facts?.sentAs === undefined ? '' : `::${facts.sentAs}`
  return (a, b) => {
    const sent = `${sendFunction}(${a}${cast}) IS NOT DISTINCT FROM ${sendFunction}(${b}${cast})`
    return isComparable ? `${a} IS NOT DISTINCT FROM ${b} AND ${sent}` : sent
  }
}

/** Whether something holds for every type that is not made of others. */
function everyBase(oid: number, factsOf: FactsOf, holds: (facts: TypeFacts) => boolean): boolean {
  const facts = factsOf(oid)
  const type = facts?.catalog
  if (facts === undefined || type === undefined) return false
  const { elementOid, baseOid, attributes, subtypeOid, rangeOid, typtype } = type
  if (typtype === 'e') return true
  const inner = attributes?.map(({ typeOid }) => typeOid) ?? [elementOid || baseOid || subtypeOid || rangeOid || 0]
  if (attributes === undefined && inner[0] === 0) return holds(facts)
  return inner.every((innerOid) => everyBase(innerOid, factsOf, holds))
}
