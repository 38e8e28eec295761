import type postgres from 'postgres'
import { waitUntil } from '../server/index.ts'

/** What a block of TypeScript takes for granted, and what has to happen while it runs. */
export interface Given {
  /** The module that is there, by its file's name without `.ts`. */
  readonly module: string
  readonly text: string
  /** One line, in front of the block. */
  readonly prelude: string
  /** Lets the program see something, and waits until it has done what its document promises. Then it is ended. */
  readonly meanwhile: (sql: postgres.Sql) => Promise<void>
}

/** A destination in Postgres that keeps events as text beside the position, as simple as one can be. */
const destination = `import type { Event, Position } from 'walwire'
import { toJsonLine } from 'walwire'
import postgres from 'postgres'

const sql = postgres(process.env.DATABASE_URL ?? '', { onnotice: () => {} })
await sql\`CREATE TABLE IF NOT EXISTS destination.events (line text NOT NULL)\`
await sql\`CREATE TABLE IF NOT EXISTS destination.positions (position jsonb NOT NULL)\`

export type Tx = postgres.TransactionSql
export const db = { transaction: (work: (tx: Tx) => Promise<void>) => sql.begin(work) }
export async function apply(tx: Tx, event: Event): Promise<void> {
  await tx\`INSERT INTO destination.events VALUES (\${toJsonLine(event)})\`
}
let known: string | undefined
export async function savePosition(tx: Tx, position: Position): Promise<void> {
  const next = JSON.stringify(position)
  const { count } = known === undefined
    ? await tx\`INSERT INTO destination.positions SELECT \${next}::text::jsonb
        WHERE NOT EXISTS (SELECT FROM destination.positions)\`
    : await tx\`UPDATE destination.positions SET position = \${next}::text::jsonb WHERE position = \${known}::text::jsonb\`
  if (count !== 1) throw new Error('another run has taken over')
  known = next
}
export async function loadPosition(): Promise<Position | undefined> {
  const [row] = await sql<{ position: Position }[]>\`SELECT position FROM destination.positions\`
  known = row && JSON.stringify(row.position)
  return row?.position
}
`

/** By the name in a block's note: \`given NAME\`. */
export const givens: Readonly<Record<string, Given>> = {
  destination: {
    module: 'destination',
    text: destination,
    prelude: "import { apply, db, loadPosition, savePosition } from './destination.js'",
    async meanwhile(sql) {
      const count = async (pattern: string) => {
        const [found] = await sql`SELECT to_regclass('destination.events') IS NOT NULL AS there`
        if (!found?.there) return 0
        return Number((await sql`SELECT count(*) FROM destination.events WHERE line LIKE ${pattern}`)[0]?.count)
      }
      await waitUntil('the copy', async () => (await count('{"kind":"snapshot-end"%')) > 0)
      await sql`INSERT INTO orders (customer, total) VALUES ('Zoe', 12.50)`
      await waitUntil('the change', async () => (await count('{"kind":"insert"%Zoe%')) === 1)
      await waitUntil('the slot to follow the stored position', async () => {
        const [row] = await sql`SELECT count(*)::int AS far FROM pg_replication_slots, destination.positions
          WHERE confirmed_flush_lsn = (position->>'lsn')::pg_lsn`
        return row?.far === 1
      })
    },
  },
  nothing: {
    module: 'nothing',
    text: 'export {}\n',
    prelude: "import './nothing.js'",
    async meanwhile(sql) {
      await sql`INSERT INTO orders (customer, total) VALUES ('Kim', 1.50)`
      const [written] = await sql`SELECT pg_current_wal_flush_lsn() AS lsn`
      await waitUntil('the slot to follow what was written', async () => {
        const followed =
          await sql`SELECT 1 FROM pg_replication_slots WHERE confirmed_flush_lsn >= ${written?.lsn}::pg_lsn`
        return followed.length > 0
      })
    },
  },
}

/** What there is before the first block of a document; a document that makes its own tables begins with nothing. */
export const shopSql = `
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, customer text NOT NULL, total numeric NOT NULL);
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace');
INSERT INTO orders (customer, total) VALUES ('Ada', 10.00), ('Grace', 20.00);
CREATE TABLE products (sku text PRIMARY KEY, price numeric NOT NULL);
CREATE PUBLICATION shop FOR TABLE orders, customers;
CREATE SCHEMA destination;
-- what everybody has may not be what makes a document's GRANTs work
REVOKE ALL ON DATABASE shop FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
`

/** The database `copy`, which documents copy to: the same tables, without rows. */
export const copySql = `
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL);
`

/** Documents that make their own tables. */
export const beginsWithNothing: ReadonlySet<string> = new Set(['docs/getting-started.md'])
