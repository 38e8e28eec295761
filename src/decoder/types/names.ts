import { builtinRanges, builtinTypes } from './builtin.ts'

/** OIDs of the built-in types by name, arrays too. */
export const builtinNames: ReadonlyMap<string, number> = new Map(
  [...builtinTypes, ...builtinRanges, ...builtinRanges.map(({ multirange }) => multirange)].flatMap(
    ({ oid, arrayOid, name }): [string, number][] =>
      arrayOid === 0
        ? [[name, oid]]
        : [
            [name, oid],
            [`_${name}`, arrayOid],
          ],
  ),
)

/** OIDs of the built-in types, arrays too. */
export const builtinOids: ReadonlySet<number> = new Set(builtinNames.values())

/** SQL's own names, and what pg_type calls these types. */
const sqlNames: ReadonlyMap<string, string> = new Map([
  ['bigint', 'int8'],
  ['bigserial', 'int8'],
  ['bit varying', 'varbit'],
  ['boolean', 'bool'],
  ['character', 'bpchar'],
  ['character varying', 'varchar'],
  ['decimal', 'numeric'],
  ['double precision', 'float8'],
  ['float', 'float8'],
  ['int', 'int4'],
  ['integer', 'int4'],
  ['real', 'float4'],
  ['serial', 'int4'],
  ['smallint', 'int2'],
  ['time with time zone', 'timetz'],
  ['time without time zone', 'time'],
  ['timestamp with time zone', 'timestamptz'],
  ['timestamp without time zone', 'timestamp'],
])

/** What somebody who wrote `name` probably meant. */
export function nameHint(name: string): string {
  const bare = name.replace(/^pg_catalog\./, '').replace(/(\[\d*\])+$/, '')
  const element = sqlNames.get(bare.toLowerCase()) ?? bare
  const meant = /\]$/.test(name) ? `_${element}` : element
  if (meant !== name && builtinNames.has(meant)) return `its name in pg_type is ${meant}`
  return `use the name of pg_type, such as int4 or _int4; outside pg_catalog with the schema, such as public.${meant}`
}
