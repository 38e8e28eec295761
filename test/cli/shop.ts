import postgres from 'postgres'
import { type SharedServer, waitUntil } from '../server/index.ts'

/** A database of its own with one table and a publication of it, and a slot's name that nobody else uses. */
export interface Shop extends AsyncDisposable {
  readonly url: string
  readonly sql: postgres.Sql
  readonly slot: string
  /** The options that a run needs. */
  readonly follow: readonly string[]
  /** The slots of this database, with what they confirmed. */
  slots(): Promise<{ slot: string; confirmed: string; active: boolean }[]>
  publications(): Promise<string[]>
  /** Adds rows with these ids. */
  insert(from: number, to: number): Promise<void>
}

let shops = 0

/** Opens a shop; when the test is over its slots are dropped, since they belong to the server. */
export async function openShop(server: SharedServer, options: { publication?: string } = {}): Promise<Shop> {
  const url = await server.createDatabase()
  const sql = postgres(url, {
    max: 4,
    onnotice: () => {},
    database: decodeURIComponent(new URL(url).pathname.slice(1)),
  })
  const slot = `cli_${process.pid}_${++shops}`
  const { publication = 'shop' } = options
  await sql.unsafe(`CREATE TABLE orders (id int PRIMARY KEY, note text)`)
  if (publication !== '') await sql.unsafe(`CREATE PUBLICATION "${publication}" FOR TABLE orders`)
  const slots = async () => {
    const rows = await sql`
      SELECT slot_name, confirmed_flush_lsn::text AS confirmed, active FROM pg_replication_slots
      WHERE database = current_database() ORDER BY 1`
    return rows.map((row) => ({
      slot: String(row.slot_name),
      confirmed: String(row.confirmed),
      active: Boolean(row.active),
    }))
  }
  return {
    url,
    sql,
    slot,
    follow: ['follow', url, '--publication', publication, '--slot', slot],
    slots,
    async publications() {
      return (await sql`SELECT pubname FROM pg_publication ORDER BY 1`).map((row) => String(row.pubname))
    },
    async insert(from, to) {
      await sql`INSERT INTO orders SELECT id, 'order ' || id FROM generate_series(${from}::int, ${to}::int) AS id`
    },
    async [Symbol.asyncDispose]() {
      await waitUntil('the slots to be free', async () => (await slots()).every(({ active }) => !active))
      await sql`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()`
      await sql.end({ timeout: 5 })
    },
  }
}
