import postgres from 'postgres'
import type { Chance } from './random.ts'

/** How many sessions write at once. Each has rows of its own, by the remainder of their ids, so that none waits for another. */
const sessions = 4

/**
 * Every kind of table that a stream treats differently: an ordinary key, a key of two columns, values stored out of line,
 * no key with the whole row as identity, an index as identity, and rows that are only added.
 */
export const busyShopSchema = `
  CREATE TABLE accounts (id bigint PRIMARY KEY, balance numeric, rate float8, active bool, note text, changed timestamptz DEFAULT now());
  CREATE TABLE documents (id bigint PRIMARY KEY, body text, tags text[], version int DEFAULT 1);
  ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE "Line Items" ("Order" bigint, "no." int, data jsonb, PRIMARY KEY ("Order", "no."));
  CREATE TABLE journal (writer int, entry text);
  ALTER TABLE journal REPLICA IDENTITY FULL;
  CREATE TABLE codes (code text NOT NULL, meaning text);
  CREATE UNIQUE INDEX codes_code ON codes (code);
  ALTER TABLE codes REPLICA IDENTITY USING INDEX codes_code;
  CREATE TABLE visits (at int, page text);
  CREATE TABLE private (id int);
  CREATE PUBLICATION shop FOR TABLE accounts, documents, "Line Items", journal, codes, visits;
`

/** The tables that are followed. */
export const publishedTables = ['accounts', 'documents', 'Line Items', 'journal', 'codes', 'visits'] as const

/** What the sessions know of each other. */
interface Activity {
  committed: number
  /** When that many were committed, a table may be truncated again. */
  nextTruncate: number
  mayTruncate: boolean
  /** One session holds its transaction open while others commit. */
  someoneIsLate: boolean
  stopped: boolean
}

/** Makes the tables, and so many rows in them that copying them takes a while. */
export async function furnish(url: string, rows: number): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql.unsafe(busyShopSchema)
  await sql`INSERT INTO accounts SELECT id, id / 7.0, sqrt(id), id % 2 = 0, md5(id::text) FROM generate_series(1, ${rows}::int) id`
  await sql`INSERT INTO documents SELECT id, repeat(md5(id::text), 500), ARRAY['a', NULL, id::text] FROM generate_series(1, 100) id`
  await sql`INSERT INTO documents SELECT id, repeat(md5(id::text), 100000), NULL FROM generate_series(101, 101) id`
  await sql`INSERT INTO "Line Items" SELECT id, id % 3, jsonb_build_object('id', id) FROM generate_series(1, 500) id`
  await sql`INSERT INTO journal SELECT id % 4, 'entry ' || id / 2 FROM generate_series(1, 500) id`
  await sql`INSERT INTO codes SELECT 'c' || id, md5(id::text) FROM generate_series(1, 500) id`
  await sql`INSERT INTO visits SELECT id, '/page/' || id FROM generate_series(1, 500) id`
  await sql.end()
}

/** Several sessions that write until they are told to stop. */
export interface BusyShop {
  /** How many transactions were committed so far. @throws what a session failed of */
  readonly committed: number
  /** Set to false where a snapshot is to get to its end, which on a busy machine it would not between two of them. */
  mayTruncate: boolean
  /** Resolves when every session has ended its transaction. @throws what a session failed of */
  stop(): Promise<void>
}

/** Opens the shop. What happens in it is decided by `chance`, up to how the sessions meet. */
export function openBusyShop(url: string, chance: Chance): BusyShop {
  const activity: Activity = { committed: 0, nextTruncate: 50, mayTruncate: true, someoneIsLate: false, stopped: false }
  const working = Array.from({ length: sessions }, (_, number) => work(url, number, chance.fork(), activity))
  let failure: unknown
  for (const session of working) {
    session.catch((error: unknown) => {
      failure ??= error
    })
  }
  return {
    get committed() {
      if (failure !== undefined) throw failure
      return activity.committed
    },
    get mayTruncate() {
      return activity.mayTruncate
    },
    set mayTruncate(may) {
      activity.mayTruncate = may
    },
    async stop() {
      activity.stopped = true
      await Promise.all(working)
    },
  }
}

/** What a lock was waited for too long, and what would have waited for itself. */
const tolerated = ['55P03', '40P01']

async function work(url: string, number: number, chance: Chance, activity: Activity): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { lock_timeout: 300 } })
  await sql`SELECT setseed(${chance.next()})`
  const session = new Session(sql, number, chance, activity)
  try {
    while (!activity.stopped) {
      try {
        await session.transaction()
      } catch (error) {
        await sql`ROLLBACK`
        if (!(error instanceof postgres.PostgresError && tolerated.includes(error.code))) throw error
      }
    }
  } finally {
    await sql.end()
  }
}

class Session {
  readonly #sql: postgres.Sql
  readonly #number: number
  readonly #chance: Chance
  readonly #activity: Activity
  #lastId = 1_000_000

  constructor(sql: postgres.Sql, number: number, chance: Chance, activity: Activity) {
    this.#sql = sql
    this.#number = number
    this.#chance = chance
    this.#activity = activity
  }

  /** An id that only this session uses. */
  #newId(): number {
    this.#lastId += sessions
    return this.#lastId - (this.#lastId % sessions) + this.#number
  }

  async transaction(): Promise<void> {
    const chance = this.#chance
    await this.#sql`BEGIN`
    for (let left = chance.between(1, 5); left > 0; left--) {
      const inSavepoint = chance.happens(0.2)
      if (inSavepoint) await this.#sql`SAVEPOINT s`
      await this.#change()
      if (inSavepoint && chance.happens(0.6)) {
        await this.#change()
        await this.#sql`ROLLBACK TO SAVEPOINT s`
      }
    }
    if (chance.happens(0.1)) await this.#beLate()
    if (chance.happens(0.1)) {
      await this.#sql`ROLLBACK`
      return
    }
    await this.#sql`COMMIT`
    this.#activity.committed++
  }

  /** Stays open until others have committed, so that what this transaction wrote first comes later. */
  async #beLate(): Promise<void> {
    const activity = this.#activity
    if (activity.someoneIsLate) return
    activity.someoneIsLate = true
    try {
      const enough = activity.committed + this.#chance.between(2, 20)
      // not for ever: they may be waiting for a lock of this one
      for (let looks = 0; looks < 200 && activity.committed < enough && !activity.stopped; looks++) {
        await new Promise((done) => setTimeout(done, 5))
      }
    } finally {
      activity.someoneIsLate = false
    }
  }

  async #change(): Promise<void> {
    const chance = this.#chance
    const sql = this.#sql
    const many = chance.happens(0.05) ? 300 : chance.between(1, 5)
    const mine = sql`WHERE ctid = ANY(ARRAY(SELECT ctid FROM accounts WHERE id % ${sessions} = ${this.#number} LIMIT ${many}))`
    switch (chance.between(1, 18)) {
      case 1:
      case 2:
        for (let row = chance.between(1, 10); row > 0; row--) {
          const balance = chance.oneOf(['0.00', '-1.50', 'NaN', '12345678901234567890.123'])
          await sql`INSERT INTO accounts VALUES (${this.#newId()}, ${balance}, ${chance.next()}, NULL, ${`ü "${row}" \\ \n`})`
        }
        return
      case 3:
        await sql`INSERT INTO accounts SELECT ${this.#newId()}::bigint + id * 1000000000, id FROM generate_series(1, ${many}::bigint) id`
        return
      case 4:
      case 5:
        await sql`UPDATE accounts SET note = md5(random()::text), changed = clock_timestamp() ${mine}`
        return
      case 6:
        await sql`UPDATE accounts SET id = ${this.#newId()} WHERE id = (SELECT min(id) FROM accounts WHERE id % ${sessions} = ${this.#number})`
        return
      case 7:
        await sql`DELETE FROM accounts ${mine}`
        return
      case 8:
        return await this.#addDocument()
      case 9:
        await sql`UPDATE documents SET version = version + 1 ${this.#myDocument()}`
        return
      case 10:
        await sql`UPDATE documents SET id = ${this.#newId()} ${this.#myDocument()}`
        return
      case 11:
        await sql`DELETE FROM documents ${this.#myDocument()}`
        return
      case 12:
        await sql`INSERT INTO "Line Items" VALUES (${this.#newId()}, ${many}, jsonb_build_object('many', ${many}::int, 'none', NULL))`
        return
      case 13:
        await sql`UPDATE "Line Items" SET "no." = "no." + 1, data = NULL WHERE "Order" % ${sessions} = ${this.#number} AND random() < 0.05`
        return
      case 14:
        await sql`INSERT INTO journal SELECT ${this.#number}::int, 'same again' FROM generate_series(1, ${many}::int)`
        await sql`UPDATE journal SET entry = entry || '!' WHERE writer = ${this.#number} AND random() < 0.02 AND length(entry) < 30`
        await sql`DELETE FROM journal WHERE writer = ${this.#number} AND random() < 0.02`
        return
      case 15: {
        const code = `n${this.#newId()}`
        await sql`INSERT INTO codes VALUES (${code}, NULL)`
        await sql`UPDATE codes SET code = code || 'x', meaning = 'renamed' WHERE code = ${code}`
        if (chance.happens(0.5)) await sql`DELETE FROM codes WHERE code = ${`${code}x`}`
        return
      }
      case 16:
        await sql`INSERT INTO visits SELECT id, '/' FROM generate_series(1, ${many}::int) id`
        await sql`INSERT INTO private VALUES (1)`
        return
      case 17:
        await sql`SELECT pg_logical_emit_message(${chance.happens(0.5)}, 'shop', 'a message')`
        return
      default:
        // each makes a snapshot under way begin again, and one that began five times gives up
        if (!this.#activity.mayTruncate || this.#activity.committed < this.#activity.nextTruncate) return
        this.#activity.nextTruncate = this.#activity.committed + 150
        await sql.unsafe(
          chance.oneOf([
            'TRUNCATE visits',
            'TRUNCATE "Line Items", visits CASCADE',
            'TRUNCATE journal RESTART IDENTITY',
          ]),
        )
    }
  }

  #myDocument() {
    return this.#sql`WHERE id = (SELECT max(id) FROM documents WHERE id % ${sessions} = ${this.#number})`
  }

  async #addDocument(): Promise<void> {
    const chance = this.#chance
    // a few of several megabytes, more of a few kilobytes: both are stored out of line
    const length = chance.happens(0.05) ? chance.between(60_000, 120_000) : chance.between(100, 400)
    const sql = this.#sql
    await sql`INSERT INTO documents VALUES (${this.#newId()}, repeat(md5(random()::text), ${length}), ARRAY['x', '"', ''])`
  }
}
