import postgres, { type Sql } from 'postgres'
import { type FollowOptions, follow } from '../../../../src/replication/index.ts'
import type { DatabaseOptions, SharedServer } from '../../../server/index.ts'
import { FeedReader, type ReaderOptions } from './feed-reader.ts'

/** A row as the server prints it. */
export type TextRow = Record<string, string | null>

export interface SourceOptions extends DatabaseOptions {
  /** What follows `CREATE PUBLICATION pub`; null makes none. Default: `FOR ALL TABLES`. */
  readonly publication?: string | null
}

/** Session settings under which a driver's texts are those that walwire promises. */
const plainText = {
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  timezone: 'UTC',
}

let slots = 0

/**
 * A database with a publication, a writer that is not walwire, and the feeds that a test has over it. It ends with
 * everything that it began: feeds, sessions, slots.
 */
export class Source implements AsyncDisposable {
  readonly server: SharedServer
  readonly url: string
  readonly publication = 'pub'
  /** A name of its own for each source: slots belong to the server. */
  readonly slot = `walwire_${process.pid}_${++slots}_${Math.random().toString(36).slice(2, 8)}`
  /** The writer: one session. */
  readonly sql: Sql
  readonly #readers: FeedReader[] = []
  readonly #sessions: Sql[] = []

  private constructor(server: SharedServer, url: string) {
    this.server = server
    this.url = url
    this.sql = this.session()
  }

  /** @param setup statements that make the tables, in one transaction */
  static async make(server: SharedServer, setup: string, options: SourceOptions = {}): Promise<Source> {
    const { publication = 'FOR ALL TABLES', ...database } = options
    const source = new Source(server, await server.createDatabase(database))
    await source.write(setup)
    if (publication !== null) await source.write(`CREATE PUBLICATION pub ${publication}`)
    return source
  }

  /** Another session of the database. */
  session(connection: Readonly<Record<string, string>> = plainText): Sql {
    const session = postgres(this.url, {
      max: 1,
      fetch_types: false,
      onnotice: () => {},
      database: decodeURIComponent(new URL(this.url).pathname.slice(1)),
      connection,
    })
    this.#sessions.push(session)
    return session
  }

  /**
   * Begins a feed over the database: nothing happens until it is pulled. What ends its first try is what most tests look at,
   * so it goes on by itself only where `reconnect` says so.
   */
  follow(options: Partial<FollowOptions> & ReaderOptions = {}): FeedReader {
    const { ack, ...given } = options
    const leave = new AbortController()
    const { url: connection, publication, slot } = this
    const feed = follow({ connection, publication, slot, signal: leave.signal, reconnect: false, ...given })
    const reader = new FeedReader(feed, { ack, leave })
    this.#readers.push(reader)
    return reader
  }

  /** A feed without a snapshot whose slot is made: what is written from now on comes. */
  async followChanges(options: Partial<FollowOptions> & ReaderOptions = {}): Promise<FeedReader> {
    const reader = this.follow({ snapshot: 'never', ...options })
    await reader.until('the slot to be made', ({ position }) => position?.phase === 'stream')
    return reader
  }

  /** Runs statements one after the other, each in a transaction of its own. */
  async write(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.sql.unsafe(statement).simple()
  }

  /** Runs statements in one transaction. */
  async writeTogether(...statements: string[]): Promise<void> {
    await this.write(['BEGIN', ...statements, 'COMMIT'].join(';\n'))
  }

  /** Writes a message that the stream carries, and answers its text: {@link FeedReader.untilMark} reads up to it. */
  async mark(): Promise<string> {
    const mark = Math.random().toString(36).slice(2)
    await this.write(`SELECT pg_logical_emit_message(true, 'mark', '${mark}')`)
    return mark
  }

  /** The rows of a query as text, NULL as null. */
  async rows(query: string): Promise<TextRow[]> {
    const answer = await this.sql.unsafe(query).simple().raw()
    const names = answer.columns.map(({ name }) => String(name))
    const rows: TextRow[] = []
    for (const values of answer) {
      const row: TextRow = {}
      for (const [index, name] of names.entries()) row[name] = asText(values[index])
      rows.push(row)
    }
    return rows
  }

  /** The first column of the first row as text. */
  async value(query: string): Promise<string> {
    const [row = {}] = await this.rows(query)
    return Object.values(row)[0] ?? ''
  }

  /** What the server has of the source's slot, as text; undefined where there is none. */
  async slotRow(): Promise<TextRow | undefined> {
    const [row] = await this.rows(`SELECT * FROM pg_replication_slots WHERE slot_name = '${this.slot}'`)
    return row
  }

  /** `confirmed_flush_lsn` of the slot: up to there the server may forget. */
  async confirmedFlush(): Promise<string> {
    return (await this.slotRow())?.confirmed_flush_lsn ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#readers.map((reader) => reader.abandon()))
    await dropSlots(this.url)
    await Promise.allSettled(this.#sessions.map((session) => session.end({ timeout: 1 })))
  }
}

function asText(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

/** The slots of a test's database, whoever still reads them. */
async function dropSlots(url: string): Promise<void> {
  const session = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connect_timeout: 2,
    database: decodeURIComponent(new URL(url).pathname.slice(1)),
  })
  try {
    const own = 'FROM pg_replication_slots WHERE database = current_database()'
    await session.unsafe(`SELECT pg_terminate_backend(active_pid) ${own} AND active_pid IS NOT NULL`)
    for (let tries = 0; tries < 50; tries++) {
      await session.unsafe(`SELECT pg_drop_replication_slot(slot_name) ${own} AND NOT active`)
      const [left] = await session.unsafe(`SELECT count(*)::int AS slots ${own}`)
      if (left?.slots === 0) break
    }
  } catch {
    // the server of the test's own is gone, and its slots with it
  } finally {
    await session.end({ timeout: 1 })
  }
}
