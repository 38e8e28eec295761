import { copyTextLayout } from '../../../src/decoder/copy-text.ts'
import { PgoutputDecoder } from '../../../src/decoder/pgoutput.ts'
import type { Relation, Row } from '../../../src/decoder/relation.ts'
import { Cursor, rowReader } from '../../../src/decoder/row-reader.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import type { Connection } from '../../../src/protocol/connection/connection.ts'
import { quoteIdentifier, quoteLiteral } from '../../../src/protocol/messages/quote.ts'
import { queryRows } from '../../../src/replication/catalog/queryable.ts'
import type { PublishedTable } from '../../../src/replication/publication/publication.ts'
import { readTableCopy } from '../../../src/replication/publication/table-copy.ts'
import { CopyOut } from '../../../src/replication/snapshot/copy-out.ts'

/** One table as it came: its schema, and its rows as text in no particular order. */
export interface Published {
  readonly relation: Relation
  readonly rows: readonly string[]
}

/** What the server itself streams of the inserts since the slot's position, by the table's name. Moves the slot on. */
export async function streamedInserts(
  connection: Connection,
  slot: string,
  publications: readonly string[],
): Promise<Map<string, Published>> {
  const names = quoteLiteral(publications.map(quoteIdentifier).join(','))
  const messages = await queryRows(
    connection,
    `SELECT data FROM pg_logical_slot_get_binary_changes(${quoteLiteral(slot)}, NULL, NULL,
      'proto_version', '1', 'publication_names', ${names})`,
  )
  const decoder = new PgoutputDecoder({ protoVersion: 1, types: textTypes() })
  const tables = new Map<string, { relation: Relation; rows: string[] }>()
  for (const [data] of messages) {
    const message = decoder.decode(Buffer.from((data ?? '').slice('\\x'.length), 'hex'))
    if (message.kind !== 'insert') continue
    const { relation } = message
    const table = tables.get(relation.table) ?? { relation, rows: [] }
    tables.set(relation.table, table)
    table.rows.push(asText(message.new))
  }
  for (const { rows } of tables.values()) rows.sort()
  return tables
}

/** What the copy of a table has. */
export async function copiedRows(connection: Connection, table: PublishedTable): Promise<string[]> {
  const { relation } = table
  const types = textTypes()
  const cursor = new Cursor()
  const fields = relation.columns.map(({ name, typeOid }) => ({
    name,
    read: (types.get(typeOid) ?? types.addUnknown(typeOid)).readText,
  }))
  const read = rowReader(copyTextLayout, fields, cursor, relation.table)
  const rows: string[] = []
  const { copySql } = await readTableCopy(connection, table)
  const copy = await CopyOut.begin(connection, copySql, 'text')
  await copy.pull((bytes, start, end) => {
    rows.push(asText(read(bytes, start, end)))
    return false
  })
  return rows.sort()
}

function asText(row: Row): string {
  return JSON.stringify(Object.entries(row))
}

function textTypes(): TypeRegistry {
  return new TypeRegistry({ values: 'text' })
}
