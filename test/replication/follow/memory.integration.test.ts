import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, type TestServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/*
 * How it is measured: the consumer is a process of its own (memory-follower.mjs) over the built package, plain
 * `node` without a flag, and says at its end what the kernel counted as its largest resident size (getrusage), code
 * and heap of Node included. That alone is some 45 MB.
 */
const limitMB = 100
const rows = 200_000

/** Some 300 bytes a row, of the types that tables mostly have. */
const wideTable = `CREATE TABLE wide (
  id bigint, a int, b int, c smallint, flag boolean, price numeric(12, 2), ratio float8, name text, email text,
  street text, city text, note text, created timestamptz, changed timestamptz, day date, uid uuid, data jsonb,
  tags text[], code char(8), n bigint)`
const wideRows = (count: number) => `INSERT INTO wide SELECT i, i % 1000, -i, i % 100, i % 2 = 0, i / 7.0, i / 3.0,
  'name of ' || i, 'someone' || i || '@example.org', 'some street ' || i % 500, 'city ' || i % 77,
  repeat('note ', i % 12), '2026-01-01'::timestamptz + i * interval '1 s', now(), '2026-01-01'::date + i % 365,
  '00000000-0000-0000-0000-000000000000'::uuid, '{"key": "value", "n": 1}'::jsonb, '{red,green}'::text[], 'c' || i % 999, i * 7
  FROM generate_series(1, ${count}) i`

interface Account {
  readonly rows: number
  readonly characters: number
  readonly mostBuffered: number
  /** In kB. */
  readonly maxRSS: number
}

class Follower {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  constructor(task: object) {
    const script = fileURLToPath(new URL('./memory-follower.mjs', import.meta.url))
    this.#process = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#process.stderr.on('data', (chunk: Buffer) => {
      this.#complaints += chunk.toString()
    })
  }

  async #line(): Promise<string> {
    const { value } = await this.#lines.next()
    if (typeof value !== 'string') throw new Error(`the follower ended without a word: ${this.#complaints}`)
    return value
  }

  async untilPaused(): Promise<void> {
    expect(await this.#line()).toBe('paused')
  }

  goOn(): void {
    this.#process.stdin.write('go on\n')
  }

  async account(): Promise<Account> {
    const account: Account = JSON.parse(await this.#line())
    if (this.#process.exitCode === null) await once(this.#process, 'exit')
    expect(this.#process.exitCode, this.#complaints).toBe(0)
    return account
  }
}

describe.each(outerVersions())('the memory of a feed, on PostgreSQL %i', (version) => {
  let server: TestServer
  let source: Source
  beforeAll(async () => {
    server = await bootServer({ version, settings: { logical_decoding_work_mem: '512MB', max_wal_size: '4GB' } })
    source = await Source.make(server, `${wideTable}; CREATE TABLE large (id int, body text)`)
    await source.write('ALTER TABLE large ALTER body SET STORAGE EXTERNAL')
    await source.write(`SELECT pg_create_logical_replication_slot('before_all', 'pgoutput')`, wideRows(rows))
  })
  afterAll(async () => {
    await source[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  function followerOf(options: object, task: object): Follower {
    const { url: connection, publication } = source
    return new Follower({ options: { connection, publication, ...options }, ...task })
  }

  /**
   * A machine that is busy delays the collector's helpers, which can only make it more: so the least of three counts,
   * and the first that serves ends it.
   */
  async function expectAtMost(megabytes: number, account: (attempt: number) => Promise<Account>): Promise<void> {
    const seen: number[] = []
    do seen.push((await account(seen.length + 1)).maxRSS / 1024)
    while (Math.min(...seen) > megabytes && seen.length < 3)
    expect(Math.min(...seen), `MB resident: ${seen.map(Math.round).join(', ')}`).toBeLessThanOrEqual(megabytes)
  }

  test(`stays under ${limitMB} MB over one transaction of ${rows} wide rows`, async () => {
    await expectAtMost(limitMB, async (attempt) => {
      const slot = `one_transaction_${attempt}`
      await source.write(`SELECT pg_copy_logical_replication_slot('before_all', '${slot}')`)
      const account = await followerOf({ slot, start: 'slot' }, { rows }).account()
      expect(account.rows).toBe(rows)
      return account
    })
  })

  test(`stays under ${limitMB} MB over the snapshot of ${rows} wide rows`, async () => {
    await expectAtMost(limitMB, async () => {
      const account = await followerOf({ snapshot: 'only' }, { rows }).account()
      expect(account.rows).toBe(rows)
      return account
    })
  })

  test(`stays under ${limitMB} MB while its consumer sleeps and a backlog builds`, async () => {
    await expectAtMost(limitMB, async (attempt) => {
      const slot = `asleep_${attempt}`
      await source.write(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`, wideRows(10))
      const follower = followerOf({ slot, start: 'slot' }, { rows: 100_010, pauseAfter: 10 })
      await follower.untilPaused()
      for (let written = 0; written < 10; written++) await source.write(wideRows(10_000))
      follower.goOn()
      const account = await follower.account()
      expect(account.rows).toBe(100_010)
      // 8 MiB is the default, and what was asleep did read ahead
      expect(account.mostBuffered).toBeGreaterThan(4 * 1024 * 1024)
      expect(account.mostBuffered).toBeLessThan(9 * 1024 * 1024)
      return account
    })
  })

  test('takes a row of 64 MB, in stream and copy, and holds it three times at most', async () => {
    const rowMB = 64
    await source.write(
      'CREATE PUBLICATION large FOR TABLE large',
      `SELECT pg_create_logical_replication_slot('large_row', 'pgoutput')`,
      `INSERT INTO large VALUES (1, repeat('x', ${rowMB * 1024 * 1024}))`,
    )
    const options = { publication: 'large' }
    for (const way of [{ slot: 'large_row', start: 'slot' }, { snapshot: 'only' }]) {
      await expectAtMost(limitMB + 3 * rowMB, async () => {
        const account = await followerOf({ ...options, ...way }, { rows: 1 }).account()
        expect(account).toMatchObject({ rows: 1, characters: rowMB * 1024 * 1024 })
        return account
      })
    }
  })
})
