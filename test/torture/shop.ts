import postgres from 'postgres'
import type { SourceTable } from './check/compare-rows.ts'
import type { Constant } from './check/output-check.ts'

export const publication = 'torture'
export const slot = 'torture'
/** Rows that are there before, so that the first copy takes a while. */
const bulkRows = 40_000
export const accounts = 60
const balance = 1000
export const regions = 4

/** No transaction makes or loses money. */
export const bank: Constant = { table: 'accounts', column: 'balance', sum: accounts * balance }

/** Whatever a stream treats differently: see {@link Session}, which writes to them. */
const schema = `
  CREATE TABLE accounts (id bigint PRIMARY KEY, number int NOT NULL, balance bigint NOT NULL);
  CREATE TABLE ledger (id bigint PRIMARY KEY);
  CREATE TABLE documents (id bigint PRIMARY KEY, body text, version int);
  ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE journal (writer int, entry text);
  ALTER TABLE journal REPLICA IDENTITY FULL;
  CREATE TABLE visits (at bigint, page text);
  CREATE TABLE shapes (id bigint PRIMARY KEY, size int, name text);
  CREATE TABLE parcels (id bigint, region int, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  ${Array.from({ length: regions }, (_, region) => `CREATE TABLE parcels_${region} PARTITION OF parcels FOR VALUES IN (${region});`).join('\n')}
  CREATE TABLE bulk (id bigint PRIMARY KEY, filler text);
  INSERT INTO accounts SELECT number, number, ${balance} FROM generate_series(1, ${accounts}) number;
  INSERT INTO documents SELECT id, repeat(md5(id::text), 400), 1 FROM generate_series(1, 50) id;
  INSERT INTO shapes SELECT id, id, md5(id::text) FROM generate_series(1, 40) id;
  INSERT INTO bulk SELECT id, repeat(md5(id::text), 3) FROM generate_series(1, ${bulkRows}) id;
`
const whole = ['accounts', 'ledger', 'documents', 'journal', 'visits', 'shapes', 'bulk']

/** How the partitioned table is published. */
export type PartitionsAs = 'root' | 'leaves'

/** Makes the tables and the publication. */
export async function furnish(url: string, partitions: PartitionsAs): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(schema)
    await sql.unsafe(`CREATE PUBLICATION ${publication} FOR TABLE ${[...whole, 'parcels'].join(', ')}
      WITH (publish_via_partition_root = ${partitions === 'root'})`)
  } finally {
    await sql.end()
  }
}

/** The tables as they are followed. */
export function publishedTables(partitions: PartitionsAs): readonly string[] {
  const leaves = Array.from({ length: regions }, (_, region) => `parcels_${region}`)
  return [...whole, ...(partitions === 'root' ? ['parcels'] : leaves)]
}

/** Reads all rows of some tables, with values as `--values text` has them. */
export async function readTables(url: string, names: readonly string[]): Promise<Map<string, SourceTable>> {
  const sql = postgres(url, { max: 1, connection: { TimeZone: 'UTC' } })
  try {
    const tables = new Map<string, SourceTable>()
    for (const name of names) tables.set(name, await readTable(sql, name))
    return tables
  } finally {
    await sql.end()
  }
}

async function readTable(sql: postgres.Sql, name: string): Promise<SourceTable> {
  const found = await sql`
    SELECT attname AS name, attnum = ANY(coalesce(indkey::int2[], '{}')) AS key
    FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
    WHERE attrelid = ${name}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
  const columns = found.map((column) => String(column.name))
  const key = found.filter((column) => column.key === true).map((column) => String(column.name))
  const values = columns.map((column) => `"${column}"::text`)
  const rows = await sql.unsafe(`SELECT ${values.join(', ')} FROM "${name}"`).values()
  return {
    ...{ columns, key },
    rows: rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]]))),
  }
}
