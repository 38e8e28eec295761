import postgres from 'postgres'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
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
  const types = new TypeRegistry()
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
      const [row] = await sql`
        SELECT t.oid, n.nspname, t.typname, t.typtype, t.typdelim, t.typbasetype,
          CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN t.typelem ELSE 0 END AS element
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = ${name}::regtype`
      if (row === undefined) throw new Error(`there is no type ${name}`)
      const known = types.get(row.oid)
      if (known !== undefined) return known
      return types.add({
        oid: row.oid,
        schema: row.nspname,
        name: row.typname,
        typtype: row.typtype,
        delimiter: row.typdelim,
        elementOid: row.element,
        baseOid: row.typbasetype,
      })
    },
    [Symbol.asyncDispose]: () => sql.end(),
  }
  return oracle
}
