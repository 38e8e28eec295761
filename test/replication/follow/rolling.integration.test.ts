import { beforeAll, describe, expect, test } from 'vitest'
import type { Position } from '../../../src/replication/index.ts'
import { outerVersions, type SharedServer, sharedServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

const reconnect = { first: true, minDelayMs: 20, maxDelayMs: 200 }

describe.each(outerVersions())('a deployment that rolls, on PostgreSQL %i:', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  async function source(): Promise<Source> {
    return await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
  }

  function ids({ events }: FeedReader): number[] {
    return events.flatMap((event) => (event.kind === 'insert' ? [Number(event.new.id)] : []))
  }

  /** A run that has the slot, and one that waits for it. */
  async function twoRuns(source: Source, start: (first: FeedReader) => Position | (() => Position)) {
    const first = await source.followChanges()
    const logger = recordingLogger()
    const second = source.follow({ start: start(first), reconnect, logger })
    const waits = () => logger.lines('info').filter(({ message }) => message.includes("is another run's"))
    const begun = second.next('its first batch').then(
      () => undefined,
      (error: unknown) => error,
    )
    await waitUntil('the second run to wait', () => waits().length > 0)
    return { first, second, begun, waits }
  }

  test('a function is asked for the start when the other run is gone, so the next begins where that one ended', async () => {
    await using s = await source()
    const asked: Position[] = []
    const { first, second, begun, waits } = await twoRuns(s, (run) => () => {
      asked.push(run.stored)
      return run.stored
    })
    await s.write('INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)')
    await first.until('its rows', (reader) => ids(reader).length === 2)
    expect(second.feed.status().waitingFor).toContain('another run over slot')
    expect(asked).toEqual([])
    await first.close()
    await s.write('INSERT INTO t VALUES (3)')
    expect(await begun).toBeUndefined()
    await second.until('its row', (reader) => ids(reader).length === 1)
    expect([...ids(first), ...ids(second)]).toEqual([1, 2, 3])
    expect(asked).toEqual([first.stored])
    // whom it waited for was said once, and it streams under the only lock
    expect(waits()).toHaveLength(1)
  })

  test('a run that waits for another for longer than one that does not want to still gets the slot', async () => {
    await using s = await source()
    const { first, begun, waits } = await twoRuns(s, (run) => () => run.stored)
    const impatient = await s.follow({ start: () => first.stored, reconnect: { minDelayMs: 1 } }).failure()
    expect(impatient).toMatchObject({ code: 'slot_taken' })
    await first.close()
    await s.write('INSERT INTO t VALUES (1)')
    expect(await begun).toBeUndefined()
    expect(waits()).toHaveLength(1)
  })

  test('a start that has become too old while it waited is a gap, with the way to have none', async () => {
    await using s = await source()
    const { first, begun } = await twoRuns(s, (run) => run.stored)
    await s.write('INSERT INTO t VALUES (1)')
    await first.until('its row', (reader) => ids(reader).length === 1)
    await waitUntil('the slot to move', async () => (await s.confirmedFlush()) === first.stored.lsn)
    await first.close()
    expect(await begun).toMatchObject({
      code: 'gap',
      slot: s.slot,
      hint: expect.stringContaining('start as a function'),
    })
  })

  test('the function is asked again at each try until the slot is the feed’s, and never afterwards', async () => {
    await using s = await source()
    const before = await s.followChanges()
    await before.close()
    await using tap = await wiretap(s.url)
    let asked = 0
    const start = () => {
      if (++asked <= 2) tap.cut()
      return before.stored
    }
    const reader = s.follow({ connection: tap.url, start, reconnect })
    await s.write('INSERT INTO t VALUES (1)')
    await reader.until('its row', () => ids(reader).length === 1)
    expect(asked).toBe(3)
    tap.cut()
    await s.write('INSERT INTO t VALUES (2)')
    await reader.until('the next row', () => ids(reader).length === 2)
    expect(ids(reader)).toEqual([1, 2])
    expect(asked).toBe(3)
  })

  test('tries that come to nothing count, though the start is another object at each', async () => {
    await using s = await source()
    const before = await s.followChanges()
    await before.close()
    await using tap = await wiretap(s.url)
    let asked = 0
    const start = () => {
      asked++
      tap.cut()
      return before.stored
    }
    const reader = s.follow({ connection: tap.url, start, reconnect: { ...reconnect, maxAttempts: 3 } })
    expect(await reader.failure()).toMatchObject({ code: 'connection_lost' })
    expect(asked).toBe(4)
  })

  test('what the function fails with ends the feed, and what it answers is looked at', async () => {
    await using s = await source()
    const cause = Object.assign(new Error('the store is away'), { retryable: true })
    const start = async () => Promise.reject(cause)
    const failure = await s.follow({ start, reconnect }).failure()
    expect(failure).toMatchObject({ code: 'start_failed', retryable: false, slot: s.slot, cause })
    expect(failure.why).toContain('the store is away')
    expect(await s.follow({ start: () => 'nowhere', reconnect }).failure()).toMatchObject({ code: 'bad_option' })
    const malformed: Position = JSON.parse('{ "version": 1 }')
    expect(await s.follow({ start: () => malformed, reconnect }).failure()).toMatchObject({
      code: 'position_malformed',
    })
    expect(await s.slotRow()).toBeUndefined()
  })

  test('one that answers undefined is a first run, one that answers slot continues', async () => {
    await using s = await source()
    await s.write('INSERT INTO t VALUES (1)')
    const first = s.follow({ start: () => undefined })
    await first.untilCopied()
    await first.close()
    await s.write('INSERT INTO t VALUES (2)')
    const second = s.follow({ start: async () => 'slot' })
    await second.until('its row', (reader) => ids(reader).length === 1)
    expect(ids(second)).toEqual([2])
  })

  test('a feed whose function never answers, or that waits for another run, ends within a second', async () => {
    await using s = await source()
    let asked = false
    const start = () => {
      asked = true
      return new Promise<undefined>(() => {})
    }
    const deaf = s.follow({ start })
    const ended = deaf.next('an answer')
    await waitUntil('it to be asked', () => asked)
    await endsSoon(deaf)
    expect(await ended).toBeUndefined()
    const { second } = await twoRuns(s, (run) => run.stored)
    await endsSoon(second)
  })

  async function endsSoon(reader: FeedReader): Promise<void> {
    const begunMs = performance.now()
    await reader.close()
    expect(performance.now() - begunMs).toBeLessThan(1_200)
  }
})
