import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const reconnect = { minDelayMs: 50, maxDelayMs: 500 }
const limits = { maxBatchRows: 100, maxBufferedBytes: 100_000 }
const manyRows = "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i"

function idsOf(kind: 'insert' | 'snapshot', events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === kind ? [Number(event.new.id)] : []))
}

const numbersTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** A feed that is at something, and what it is to have once it went on. */
interface Scene {
  readonly reader: FeedReader
  readonly rest: (mark: string) => Promise<void>
}

const scenes: [string, (source: Source) => Promise<Scene>][] = [
  [
    'is idle',
    async (source) => {
      const reader = await source.followChanges({ reconnect })
      return {
        reader,
        rest: async (mark) => expect(await reader.untilMark(mark, 30_000)).toEqual([]),
      }
    },
  ],
  [
    'has caught up',
    async (source) => {
      const reader = await source.followChanges({ reconnect })
      await source.write("INSERT INTO t VALUES (1, 'x')")
      await reader.untilMark(await source.mark())
      // WAL of which it has nothing to acknowledge
      await source.write('CREATE TABLE elsewhere AS SELECT generate_series(1, 1000)')
      return { reader, rest: async (mark) => expect(await reader.untilMark(mark, 30_000)).toEqual([]) }
    },
  ],
  [
    'holds back',
    async (source) => {
      const reader = await source.followChanges({ reconnect, ...limits })
      await source.write(manyRows)
      await reader.until('some rows', ({ events }) => idsOf('insert', events).length > 0)
      return {
        reader,
        rest: async (mark) => {
          await reader.untilMark(mark, 60_000)
          expect(idsOf('insert', reader.events)).toEqual(numbersTo(50_000))
        },
      }
    },
  ],
  [
    'copies',
    async (source) => {
      await source.write(manyRows)
      const reader = source.follow({ reconnect, ...limits })
      await reader.until('a part of the copy', ({ events }) => idsOf('snapshot', events).length > 0)
      return {
        reader,
        rest: async () => {
          const events = await reader.untilCopied(60_000)
          const last = events.findLastIndex((event) => event.kind === 'snapshot-begin')
          expect(events[last]).toMatchObject({ mode: 'replace' })
          expect(idsOf('snapshot', events.slice(last)).sort((a, b) => a - b)).toEqual(numbersTo(50_000))
        },
      }
    },
  ],
]

describe.each(outerVersions())('pg_ctl stop -m fast, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test.each(scenes)(
    'is not held up by a feed that %s and would go on by itself, which then does',
    async (what, begin) => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, v text)', {
        publication: 'FOR TABLE t',
      })
      const { reader, rest } = await begin(source)
      const isPulled = what === 'is idle' || what === 'has caught up'
      const pulling = isPulled ? reader.next('whatever comes', 60_000) : undefined
      const begunMs = performance.now()
      await server.stop('fast')
      expect(performance.now() - begunMs).toBeLessThan(3_000)
      await server.start()
      await waitUntil('a session', () =>
        source.value('SELECT 1').then(
          (one) => one === '1',
          () => false,
        ),
      )
      const mark = await source.mark()
      await pulling
      await rest(mark)
      expect(reader.feed.status().reconnects).toBeGreaterThan(0)
    },
    90_000,
  )
})
