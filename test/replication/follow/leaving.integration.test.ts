import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { bootServer, outerVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/** What leaving-follower.mjs says of a feed. */
interface LeftFeed {
  readonly slot: string
  readonly phase?: string
  readonly tookMs: number
  /** Timers and sockets. */
  readonly left: readonly string[]
}

/** A process that has nothing to do any more ends at once. */
const processEndMs = 5_000

/** Runs feeds that are closed after so many milliseconds, in a process of their own, which must end by itself. */
async function leaveFeeds(task: object): Promise<LeftFeed[]> {
  const script = fileURLToPath(new URL('./leaving-follower.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const feeds: LeftFeed[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'over') setTimeout(() => child.kill('SIGKILL'), processEndMs).unref()
    else feeds.push(JSON.parse(line))
  }
  expect(await ended).toEqual([0, null])
  return feeds
}

const everyMs = (interval: number) => Array.from({ length: Math.ceil(300 / interval) }, (_, index) => index * interval)

describe.each(outerVersions())('a feed that is closed at any moment, on PostgreSQL %i,', (version) => {
  test.each([
    { acknowledges: true, moments: everyMs(12) },
    // it waits 600 ms for the acknowledgement
    { acknowledges: false, moments: everyMs(30) },
  ])(
    'leaves no timer, session, lock or slot behind, but the slot that a position continues (acknowledging: $acknowledges)',
    async ({ acknowledges, moments }) => {
      await using server = await bootServer({ version, settings: { max_replication_slots: '100' } })
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id int PRIMARY KEY, body text); CREATE TABLE u (id int PRIMARY KEY);
        INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 300) i`,
      )
      const feeds = await leaveFeeds({
        options: { connection: source.url, publication: source.publication, maxBatchRows: 20 },
        slots: source.slot,
        moments,
        acknowledges,
      })
      expect(feeds).toHaveLength(moments.length)
      expect(feeds.filter(({ left }) => left.length > 0)).toEqual([])
      expect(feeds.filter(({ tookMs }) => tookMs > 1_500)).toEqual([])
      await waitUntil('all sessions and their locks to be gone', async () => {
        const left = `SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'walwire%')
          + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')`
        return (await source.value(left)) === '0'
      })
      const slots = await source.rows('SELECT slot_name FROM pg_replication_slots')
      const needed = feeds.filter(({ phase }) => phase === 'stream' || (acknowledges && phase === 'snapshot'))
      expect(slots.map(({ slot_name }) => slot_name).sort()).toEqual(needed.map(({ slot }) => slot).sort())
    },
    120_000,
  )
})
