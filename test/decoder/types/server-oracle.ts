import postgres from 'postgres'
import type { CatalogType } from '../../../src/decoder/types/catalog-type.ts'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import type { Queryable } from '../../../src/replication/queryable.ts'
import { readTypes } from '../../../src/replication/type-catalog.ts'
import { sharedServer } from '../../server/index.ts'

/** A value as the server prints and sends it. */
export interface ServerForm {
  readonly text: string
  /** Null for a type without a send function. */
  readonly binary: Uint8Array | null
}

/** A real server that says what the text of a value is, and what its binary form. */
export interface Oracle extends AsyncDisposable {
  readonly types: TypeRegistry
  /** The types that were read from the catalog, in that order. */
  readonly learned: readonly CatalogType[]
  readonly run: (statement: string) => Promise<void>
  /** The output function's bytes for each literal that is read as `type`, which is a name in SQL. */
  readonly output: (type: string, literals: readonly (string | null)[], expression?: string) => Promise<Uint8Array[]>
  /** The results of output and send function for each literal that is read as `type`, which is a name in SQL. */
  readonly forms: (type: string, literals: readonly string[]) => Promise<ServerForm[]>
  /** A type by its name in SQL, learned from the catalog where it is not built in. */
  readonly type: (name: string) => Promise<PgType>
}

/** A database of its own on the shared server. */
export async function askServer(version: number): Promise<Oracle> {
  const server = await sharedServer(version)
  return oracleOf(await server.createDatabase(), version)
}

/** With the settings that walwire asks for on every connection. */
export function oracleOf(url: string, version: number): Oracle {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { DateStyle: 'ISO', IntervalStyle: 'postgres', TimeZone: 'UTC', extra_float_digits: '3' },
  })
  const types = new TypeRegistry({ serverVersion: version })
  const learned: CatalogType[] = []
  const sendable = new Map<string, boolean>()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  const queryable: Queryable = {
    query: async (statement) => {
      const rows = await sql.unsafe(statement).raw()
      return [{ rows: rows.map((row) => row.map((value) => (value === null ? null : decoder.decode(value)))) }]
    },
  }
  const hasSendFunction = async (type: string): Promise<boolean> => {
    const known = sendable.get(type)
    if (known !== undefined) return known
    const [row] = await sql`SELECT typsend <> 0 AS sendable FROM pg_type WHERE oid = ${type}::regtype`
    sendable.set(type, row?.sendable === true)
    return row?.sendable === true
  }
  const output: Oracle['output'] = async (type, literals, expression = 'value') => {
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
  }
  return {
    types,
    learned,
    run: async (statement) => {
      await sql.unsafe(statement)
    },
    output,
    forms: async (type, literals) => {
      const texts = (await output(type, literals)).map((text) => decoder.decode(text))
      if (!(await hasSendFunction(type))) return texts.map((text) => ({ text, binary: null }))
      const given = `$walwire$${JSON.stringify(literals)}$walwire$::jsonb`
      const values = `SELECT literal::${type} FROM jsonb_array_elements_text(${given}) WITH ORDINALITY t(literal, n) ORDER BY n`
      const copy = await sql.unsafe(`COPY (${values}) TO STDOUT (FORMAT binary)`).readable()
      const chunks: Buffer[] = []
      for await (const chunk of copy) chunks.push(chunk)
      const sent = singleColumn(Buffer.concat(chunks))
      return texts.map((text, index) => ({ text, binary: sent[index] ?? null }))
    },
    type: async (name) => {
      const [row] = await sql`SELECT ${name}::regtype::oid::int8 AS oid`
      const oid = Number(row?.oid)
      for (const type of types.get(oid) === undefined ? await readTypes(queryable, [oid]) : []) {
        if (types.get(type.oid) !== undefined) continue
        types.add(type)
        learned.push(type)
      }
      return types.get(oid) ?? types.addUnknown(oid)
    },
    [Symbol.asyncDispose]: () => sql.end(),
  }
}

const copyHeaderBytes = 19

/** The values of a copy in binary format, of one column without NULLs. */
function singleColumn(copy: Buffer): Uint8Array[] {
  const values: Uint8Array[] = []
  for (let at = copyHeaderBytes; copy.readInt16BE(at) === 1; ) {
    const length = copy.readInt32BE(at + 2)
    values.push(new Uint8Array(copy.subarray(at + 6, at + 6 + length)))
    at += 6 + length
  }
  return values
}
