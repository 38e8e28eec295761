import { describe, expect, test } from 'vitest'
import { boundedCommitPolicy, type CommitPolicy } from '../../src/delivery/commit-policy.ts'
import { type BatchSink, pump } from '../../src/delivery/pump.ts'
import type { Batch } from '../../src/replication/batch.ts'
import { batchOf, nameOf, positionAt, scriptedFeed } from './scripted-feed.ts'

/** Writes down what happens, in its order. */
class RecordingSink implements BatchSink {
  readonly log: string[] = []
  uncommittedBytes = 0
  isUncommitted = false
  onWrite = async () => {}

  async write(batch: Batch): Promise<void> {
    await this.onWrite()
    this.log.push(`write ${batch.events.map(nameOf).join(' ')}`)
    this.uncommittedBytes += batch.events.length
    this.isUncommitted = true
  }

  async commit(): Promise<void> {
    if (!this.isUncommitted) return
    this.log.push('commit')
    this.uncommittedBytes = 0
    this.isUncommitted = false
  }
}

const never = new AbortController().signal
const patient: CommitPolicy = { intervalMs: 60_000, maxBytes: 1000 }
const forEver = () => new Promise<never>(() => {})

describe('grouping', () => {
  test('a batch after a pause is committed at once, those that follow closely share a commit', async () => {
    const sink = new RecordingSink()
    const stop = new AbortController()
    let clock = 0
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      yield batchOf(positionAt(3), 'c')
      clock += 60_000
      yield batchOf(positionAt(4), 'd')
      yield batchOf(positionAt(5), 'e')
      stop.abort()
      await forEver()
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    await pump(feed, sink, { policy: patient, stop: stop.signal, now: () => clock })
    expect(sink.log).toEqual(['write a', 'commit', 'write b', 'write c', 'write d', 'commit', 'write e', 'commit'])
  })

  test('much is committed whatever the time', async () => {
    const sink = new RecordingSink()
    const stop = new AbortController()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b', 'c')
      yield batchOf(positionAt(3), 'd')
      yield batchOf(positionAt(4), 'e')
      stop.abort()
      await forEver()
      return undefined
    }
    await pump(
      scriptedFeed(script(), () => {}),
      sink,
      { policy: { intervalMs: 60_000, maxBytes: 3 }, stop: stop.signal, now: () => 0 },
    )
    expect(sink.log).toEqual(['write a', 'commit', 'write b c', 'write d', 'commit', 'write e', 'commit'])
  })

  test('what waits is committed although nothing more comes', async () => {
    const sink = new RecordingSink()
    const stop = new AbortController()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      await forEver()
      return undefined
    }
    const commit = sink.commit.bind(sink)
    sink.commit = async () => {
      const waited = sink.uncommittedBytes > 0 && sink.log.at(-1) === 'write b'
      await commit()
      if (waited) stop.abort()
    }
    const policy = { intervalMs: 5, maxBytes: 1000 }
    await pump(
      scriptedFeed(script(), () => {}),
      sink,
      { policy, stop: stop.signal },
    )
    expect(sink.log.at(-1)).toBe('commit')
  })

  test('a feed that ends by itself finds everything committed before it is asked for the next batch', async () => {
    const sink = new RecordingSink()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      sink.log.push('asked')
      yield batchOf(positionAt(2), 'b')
      sink.log.push('asked')
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    expect(await pump(feed, sink, { policy: boundedCommitPolicy, stop: never })).toBe('feed-ended')
    expect(sink.log).toEqual(['write a', 'commit', 'asked', 'write b', 'commit', 'asked'])
  })

  test('the batch of phase new is committed before the pull that makes the slot, whatever the policy', async () => {
    const sink = new RecordingSink()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(0), 'earlier')
      yield batchOf(positionAt(0, 'new'))
      sink.log.push('the slot is made')
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    await pump(feed, sink, { policy: patient, stop: never, now: () => 0 })
    expect(sink.log).toEqual(['write earlier', 'commit', 'write ', 'commit', 'the slot is made'])
  })
})

describe('the end', () => {
  test('a signal while a pull waits: what was written is committed', async () => {
    const sink = new RecordingSink()
    const stop = new AbortController()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      setTimeout(() => stop.abort(), 5)
      await forEver()
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    expect(await pump(feed, sink, { policy: patient, stop: stop.signal, now: () => 0 })).toBe('stopped')
    expect(sink.log).toEqual(['write a', 'commit', 'write b', 'commit'])
  })

  test('a signal while a batch is written: that batch is finished, committed, and the last', async () => {
    const sink = new RecordingSink()
    const stop = new AbortController()
    sink.onWrite = async () => stop.abort()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    expect(await pump(feed, sink, { policy: patient, stop: stop.signal })).toBe('stopped')
    expect(sink.log).toEqual(['write a', 'commit'])
  })

  test('a feed that fails: its error, and no commit after it', async () => {
    const sink = new RecordingSink()
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      throw new Error('connection lost')
    }
    const feed = scriptedFeed(script(), () => {})
    const pumping = pump(feed, sink, { policy: patient, stop: never, now: () => 0 })
    await expect(pumping).rejects.toThrow('connection lost')
    expect(sink.log).toEqual(['write a', 'commit', 'write b'])
  })

  test('an output that fails: its error, and the feed is not asked again', async () => {
    const sink = new RecordingSink()
    let asked = 0
    sink.onWrite = async () => {
      throw new Error('disk full')
    }
    async function* script(): AsyncGenerator<Batch, undefined> {
      for (;;) {
        asked++
        yield batchOf(positionAt(asked), 'a')
      }
    }
    const feed = scriptedFeed(script(), () => {})
    await expect(pump(feed, sink, { policy: patient, stop: never })).rejects.toThrow('disk full')
    expect(asked).toBe(1)
  })
})
