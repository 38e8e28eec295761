import postgres from 'postgres'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import type { Queryable } from '../../../src/replication/queryable.ts'
import { readTypes } from '../../../src/replication/type-catalog.ts'
import { sharedServer } from '../../server/index.ts'

/** A real server that says what the text of a value is. */
export interface Oracle extends AsyncDisposable {
  readonly types: TypeRegistry
  readonly run: (statement: string) => Promise<void>
  /** The output function's bytes for each literal that is read as `type`, which is a name in SQL. */
  readonly output: (type: string, literals: readonly (string | null)[], expression?: string) => Promise<Uint8Array[]>
  /** A type by its name in SQL, learned from the catalog where it is not built in. */
  readonly type: (name: string) => Promise<PgType>
}

/** With the settings that walwire asks for on every connection. */
export async function askServer(version: number): Promise<Oracle> {
  const server = await sharedServer(version)
  const sql = postgres(await server.createDatabase(), {
    max: 1,
    onnotice: () => {},
    connection: { DateStyle: 'ISO', IntervalStyle: 'postgres', TimeZone: 'UTC', extra_float_digits: '3' },
  })
  const types = new TypeRegistry({ serverVersion: version })
  const queryable: Queryable = {
    query: async (statement) => {
      const rows = await sql.unsafe(statement).raw()
      const decoder = new TextDecoder()
      return [{ rows: rows.map((row) => row.map((value) => (value === null ? null : decoder.decode(value)))) }]
    },
  }
  const oracle: Oracle = {
    types,
    run: async (statement) => {
      await sql.unsafe(statement)
    },
    output: async (type, literals, expression = 'value') => {
      const rows = await sql
        .unsafe(
          `SELECT ${expression} FROM (
             SELECT n, literal::${type} AS value
             FROM jsonb_array_elements_text($1::text::jsonb) WITH ORDINALITY AS given(literal, n)
           ) read ORDER BY n`,
          [JSON.stringify(literals)],
        )
        .raw()
      return rows.map(([bytes]) => {
        if (!(bytes instanceof Uint8Array)) throw new Error(`the server gave no text for a ${type}`)
        return new Uint8Array(bytes)
      })
    },
    type: async (name) => {
      const [row] = await sql`SELECT ${name}::regtype::oid::int8 AS oid`
      const oid = Number(row?.oid)
      if (types.get(oid) === undefined) for (const type of await readTypes(queryable, [oid])) types.add(type)
      return types.get(oid) ?? types.addUnknown(oid)
    },
    [Symbol.asyncDispose]: () => sql.end(),
  }
  return oracle
}
