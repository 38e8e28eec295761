import { copyTextLayout } from '../../../src/decoder/copy-text.ts'
import { Cursor, rowReader } from '../../../src/decoder/row-reader.ts'
import type { CatalogType } from '../../../src/decoder/types/catalog-type.ts'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { Connection } from '../../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { quoteLiteral } from '../../../src/protocol/messages/quote.ts'
import { queryRows } from '../../../src/replication/catalog/queryable.ts'
import { readTypes } from '../../../src/replication/catalog/type-catalog.ts'
import { type CopyFormat, CopyOut } from '../../../src/replication/snapshot/copy-out.ts'
import { sharedServer } from '../../server/index.ts'

/** A value as the server prints and sends it. */
export interface ServerForm {
  readonly text: string
  /** Null for a type without a send function. */
  readonly binary: Uint8Array | null
}

/** A real server that says what the text of a value is, and what its binary form: by copies, under walwire's settings. */
export interface Oracle extends AsyncDisposable {
  readonly types: TypeRegistry
  /** The types that were read from the catalog, in that order. */
  readonly learned: readonly CatalogType[]
  readonly run: (statement: string) => Promise<void>
  /** The output function's bytes for each literal that is read as `type`, which is a name in SQL. */
  readonly output: (type: string, literals: readonly string[], expression?: string) => Promise<Uint8Array[]>
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

/** The database of a URI. */
export async function oracleOf(url: string, version: number): Promise<Oracle> {
  let connection = await connect(url)
  const types = new TypeRegistry({ serverVersion: version })
  const learned: CatalogType[] = []
  const sendable = new Map<string, boolean>()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  const copy = async (sql: string, format: CopyFormat) => {
    try {
      return await copied(connection, sql, format)
    } catch (error) {
      // a copy that failed is not taken to its end: go on with another connection
      connection.destroy()
      connection = await connect(url)
      throw error
    }
  }
  const hasSendFunction = async (type: string): Promise<boolean> => {
    const known = sendable.get(type)
    if (known !== undefined) return known
    const [row] = await queryRows(
      connection,
      `SELECT typsend <> 0 FROM pg_type WHERE oid = ${quoteLiteral(type)}::regtype`,
    )
    sendable.set(type, row?.[0] === 't')
    return row?.[0] === 't'
  }
  const valuesOf = (type: string, literals: readonly string[], expression: string) =>
    `SELECT ${expression} FROM (
       SELECT n, literal::${type} AS value
       FROM jsonb_array_elements_text(${quoteLiteral(JSON.stringify(literals))}::jsonb) WITH ORDINALITY AS given(literal, n)
     ) read ORDER BY n`
  const output: Oracle['output'] = async (type, literals, expression = 'value') => {
    const rows = await copy(`COPY (${valuesOf(type, literals, expression)}) TO STDOUT`, 'text')
    return rows.map(readLine)
  }
  return {
    types,
    learned,
    run: async (statement) => {
      await connection.query(statement)
    },
    output,
    forms: async (type, literals) => {
      const texts = (await output(type, literals)).map((text) => decoder.decode(text))
      if (!(await hasSendFunction(type))) return texts.map((text) => ({ text, binary: null }))
      const sent = await copy(`COPY (${valuesOf(type, literals, 'value')}) TO STDOUT`, 'binary')
      // one column without NULLs: its number and its length stand before it
      const values = sent.map((row) => row.slice(6))
      return texts.map((text, index) => ({ text, binary: values[index] ?? null }))
    },
    type: async (name) => {
      const [row] = await queryRows(connection, `SELECT ${quoteLiteral(name)}::regtype::oid`)
      const oid = Number(row?.[0])
      for (const type of types.get(oid) === undefined ? await readTypes(connection, [oid]) : []) {
        if (types.get(type.oid) !== undefined) continue
        types.add(type)
        learned.push(type)
      }
      return types.get(oid) ?? types.addUnknown(oid)
    },
    [Symbol.asyncDispose]: async () => connection.destroy(),
  }
}

async function connect(url: string): Promise<Connection> {
  return await Connection.open(await resolveConnection(url), { settings: { search_path: 'public' } })
}

/** The rows of a copy. */
async function copied(connection: Connection, sql: string, format: CopyFormat): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = []
  const copy = await CopyOut.begin(connection, sql, format)
  await copy.pull((bytes, start, end) => {
    messages.push(new Uint8Array(bytes.subarray(start, end)))
    return false
  })
  return messages
}

/** A line of a copy in text format, of one column, without its escapes. */
function readLine(line: Uint8Array): Uint8Array {
  const fields = [
    {
      name: 'value',
      read: (bytes: Uint8Array, start: number, end: number) => new Uint8Array(bytes.subarray(start, end)),
    },
  ]
  const { value } = rowReader(copyTextLayout, fields, new Cursor(), 'the server')(line, 0, line.length)
  if (!(value instanceof Uint8Array)) throw new Error('the server gave NULL')
  return new Uint8Array(value)
}
