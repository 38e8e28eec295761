import type { Chance } from '../end-to-end/random.ts'
import { accounts, regions } from './shop.ts'

/** What statements are given to. */
export interface Statements {
  unsafe(statement: string): PromiseLike<unknown>
}

/** Numbers of one session and not of another. */
const numbersOfSession = 1_000_000_000
const longestPauseMs = 12

/** One session's transactions: what they write is decided by chance alone, so that a seed decides it again. */
export class Session {
  readonly #number: number
  readonly #chance: Chance
  #last: number
  #columns = 0

  constructor(number: number, chance: Chance) {
    this.#number = number
    this.#chance = chance
    this.#last = (number + 1) * numbersOfSession
  }

  /** The row of the ledger that tells this transaction. */
  nextTransaction(): number {
    return ++this.#last
  }

  pauseMs(): number {
    return this.#chance.between(0, longestPauseMs)
  }

  /**
   * Writes everything of a transaction.
   *
   * @param mayAlter whether tables may be altered and truncated
   * @returns whether it is to be committed
   */
  async write(sql: Statements, id: number, mayAlter: boolean): Promise<boolean> {
    const chance = this.#chance
    await sql.unsafe('BEGIN')
    if (chance.happens(0.5)) await sql.unsafe(`INSERT INTO ledger VALUES (${id})`)
    for (let left = chance.between(1, 4); left > 0; left--) {
      const inSavepoint = chance.happens(0.25)
      const isUndone = inSavepoint && chance.happens(0.5)
      // decided in any case, so that what is left out changes nothing of what follows
      const statements = this.#change()
      const mayNot = !mayAlter && statements.some((statement) => /^(ALTER|TRUNCATE)/.test(statement))
      if (inSavepoint) await sql.unsafe('SAVEPOINT s')
      if (!mayNot) for (const statement of statements) await sql.unsafe(statement)
      if (isUndone) await sql.unsafe('ROLLBACK TO SAVEPOINT s')
    }
    await sql.unsafe(`INSERT INTO ledger VALUES (${id}) ON CONFLICT DO NOTHING`)
    return !chance.happens(0.1)
  }

  #newId(): number {
    return ++this.#last
  }

  #change(): string[] {
    const chance = this.#chance
    const kind = chance.between(1, 1000)
    if (kind <= 450) return this.#transfer()
    if (kind <= 620) return this.#document()
    if (kind <= 700) return this.#journal()
    if (kind <= 780)
      return [`INSERT INTO visits SELECT n, '/page/' || n FROM generate_series(1, ${chance.between(1, 5)}) n`]
    if (kind <= 880) return this.#parcel()
    if (kind <= 930) return this.#shape()
    if (kind <= 975) return [`SELECT pg_logical_emit_message(${chance.happens(0.5)}, 'torture', 'a message')`]
    if (kind <= 984) return this.#bulk()
    if (kind <= 990) return [chance.oneOf(['TRUNCATE visits', 'TRUNCATE journal, visits'])]
    return this.#alter()
  }

  /** Money goes from one account to another; now and then the accounts get other keys. */
  #transfer(): string[] {
    const chance = this.#chance
    const from = chance.between(1, accounts)
    const to = 1 + ((from + chance.between(0, accounts - 2)) % accounts)
    const amount = chance.between(1, 100)
    const key = chance.happens(0.15) ? `, id = ${this.#newId()}` : ''
    const take = `UPDATE accounts SET balance = balance - ${amount}${key} WHERE number = ${from}`
    const give = `UPDATE accounts SET balance = balance + ${amount} WHERE number = ${to}`
    // always in one order, or they would wait for each other all the time
    const inOrder = from < to ? [take, give] : [give, take]
    if (chance.happens(0.03))
      return [`UPDATE accounts SET balance = balance WHERE number >= ${Math.min(from, to)}`, ...inOrder]
    return inOrder
  }

  /** A value that is stored out of line, and stays as it is while others change. */
  #document(): string[] {
    const chance = this.#chance
    const mine = `WHERE id = (SELECT max(id) FROM documents WHERE id / ${numbersOfSession} = ${this.#number + 1})`
    return [
      chance.oneOf([
        `INSERT INTO documents VALUES (${this.#newId()}, repeat(md5('${chance.next()}'), ${chance.between(100, 500)}), 1)`,
        `UPDATE documents SET version = version + 1 WHERE id = ${chance.between(1, 50)}`,
        `UPDATE documents SET version = version + 1 ${mine}`,
        `UPDATE documents SET id = ${this.#newId()} ${mine}`,
        `UPDATE documents SET body = repeat(md5('${chance.next()}'), 300) ${mine}`,
        `DELETE FROM documents ${mine}`,
      ]),
    ]
  }

  /** Rows that nothing tells apart. */
  #journal(): string[] {
    const chance = this.#chance
    const mine = `WHERE ctid = (SELECT ctid FROM journal WHERE writer = ${this.#number} LIMIT 1)`
    return [
      chance.oneOf([
        `INSERT INTO journal SELECT ${this.#number}, 'same again' FROM generate_series(1, ${chance.between(1, 4)})`,
        `UPDATE journal SET entry = 'entry ${chance.between(1, 9)}' ${mine}`,
        `DELETE FROM journal ${mine}`,
      ]),
    ]
  }

  /** A row that changes its region goes to another partition. */
  #parcel(): string[] {
    const chance = this.#chance
    const mine = `WHERE id = (SELECT max(id) FROM parcels WHERE id / ${numbersOfSession} = ${this.#number + 1})`
    return [
      chance.oneOf([
        `INSERT INTO parcels VALUES (${this.#newId()}, ${chance.between(0, regions - 1)}, 'sent')`,
        `UPDATE parcels SET region = ${chance.between(0, regions - 1)} ${mine}`,
        `UPDATE parcels SET note = 'seen in ${chance.between(1, 99)}' ${mine}`,
        `DELETE FROM parcels ${mine}`,
      ]),
    ]
  }

  #shape(): string[] {
    const chance = this.#chance
    return [
      chance.oneOf([
        `INSERT INTO shapes (id, size) VALUES (${this.#newId()}, ${chance.between(1, 1000)})`,
        `UPDATE shapes SET size = ${chance.between(1, 1000)} WHERE id = ${chance.between(1, 40)}`,
        `UPDATE shapes SET name = 'shape ${chance.between(1, 1000)}' WHERE id = ${chance.between(1, 40)}`,
      ]),
    ]
  }

  /** More than a batch and the server's own memory for a transaction hold. */
  #bulk(): string[] {
    const rows = this.#chance.between(500, 4000)
    const first = this.#newId()
    this.#last += rows
    return this.#chance.happens(0.5)
      ? [`INSERT INTO bulk SELECT n, md5(n::text) FROM generate_series(${first}, ${first + rows - 1}) n`]
      : [`DELETE FROM bulk WHERE id IN (SELECT id FROM bulk ORDER BY id LIMIT ${rows})`]
  }

  /**
   * Another shape for a table, between two changes of it. The rows that were there are written again where the server would
   * tell nobody of what became of them.
   */
  #alter(): string[] {
    const chance = this.#chance
    const column = `c${this.#number}_${++this.#columns}`
    const former = `c${this.#number}_${this.#columns - 1}`
    const insert = `INSERT INTO shapes (id, size) VALUES (${this.#newId()}, 1)`
    return [
      insert,
      ...chance.oneOf([
        [`ALTER TABLE shapes ADD COLUMN ${column} text DEFAULT 'made in ${column}'`, 'UPDATE shapes SET name = name'],
        [`ALTER TABLE shapes ADD COLUMN ${column} int`],
        [`ALTER TABLE shapes DROP COLUMN IF EXISTS ${former}`],
        ['ALTER TABLE shapes ALTER COLUMN size TYPE bigint'],
        ['ALTER TABLE shapes ALTER COLUMN size TYPE int'],
        ['ALTER TABLE shapes ALTER COLUMN size TYPE numeric'],
      ]),
      `INSERT INTO shapes (id, size) VALUES (${this.#newId()}, 2)`,
      `UPDATE shapes SET size = 3 WHERE id = ${chance.between(1, 40)}`,
    ]
  }
}
