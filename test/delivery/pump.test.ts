import { describe, expect, test } from 'vitest'
import type { CommitPolicy } from '../../src/delivery/commit-policy.ts'
import { type BatchSink, type PumpOptions, pump as pumpWith } from '../../src/delivery/pump.ts'
import type { Batch } from '../../src/replication/batch.ts'
import type { Feed } from '../../src/replication/feed.ts'
import type { Position } from '../../src/replication/position.ts'
import { batchOf, nameOf, positionAt, scriptedFeed } from './scripted-feed.ts'

/** Writes down what happens, in its order. */
class RecordingSink implements BatchSink {
  readonly log: string[] = []
  onWrite = async () => {}
  onCommit = async () => {}

  async write(batch: Batch): Promise<void> {
    await this.onWrite()
    this.log.push(`write ${batch.events.map(nameOf).join(' ')}`)
  }

  async commit({ lsn }: Position): Promise<void> {
    this.log.push(`commit ${lsn.slice(2)}`)
    await this.onCommit()
  }
}

const pump = (feed: Feed, sink: BatchSink, options: Pick<PumpOptions, 'policy' | 'stop'> & Partial<PumpOptions>) =>
  pumpWith(feed, sink, { eachBatch: false, settleMs: 1000, ...options })

const never = new AbortController().signal
const patient: CommitPolicy = { intervalMs: 60_000, maxEvents: 1000 }
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
    expect(sink.log).toEqual([
      'write a',
      'commit 1',
      'write b',
      'write c',
      'write d',
      'commit 4',
      'write e',
      'commit 5',
    ])
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
      { policy: { intervalMs: 60_000, maxEvents: 3 }, stop: stop.signal, now: () => 0 },
    )
    expect(sink.log).toEqual(['write a', 'commit 1', 'write b c', 'write d', 'commit 3', 'write e', 'commit 4'])
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
    sink.onCommit = async () => {
      if (sink.log.at(-1) === 'commit 2') stop.abort()
    }
    const policy = { intervalMs: 5, maxEvents: 1000 }
    await pump(
      scriptedFeed(script(), () => {}),
      sink,
      { policy, stop: stop.signal },
    )
    expect(sink.log).toEqual(['write a', 'commit 1', 'write b', 'commit 2'])
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
    expect(await pump(feed, sink, { policy: patient, eachBatch: true, stop: never })).toBe('feed-ended')
    expect(sink.log).toEqual(['write a', 'commit 1', 'asked', 'write b', 'commit 2', 'asked'])
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
    expect(sink.log).toEqual(['write earlier', 'commit 0', 'commit 0', 'the slot is made'])
  })
})

describe('while a commit is pending', () => {
  /** A sink whose commits wait until they are let go. */
  function holding() {
    const sink = new RecordingSink()
    const held: (() => void)[] = []
    sink.onCommit = () => new Promise((done) => held.push(done))
    return { sink, letGo: () => held.splice(0).map((done) => done()) }
  }

  test('reading and writing go on, and what was written meanwhile is acknowledged by the next commit', async () => {
    const { sink, letGo } = holding()
    const stop = new AbortController()
    const acked: string[] = []
    async function* script(): AsyncGenerator<Batch, undefined> {
      for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) yield batchOf(positionAt(index + 1), name)
      expect(acked).toEqual([])
      letGo()
      stop.abort()
      await forEver()
      return undefined
    }
    sink.onCommit = ((hold) => async () => {
      await (stop.signal.aborted ? undefined : hold())
    })(sink.onCommit)
    const feed = scriptedFeed(script(), ({ lsn }) => acked.push(lsn))
    await pump(feed, sink, { policy: { intervalMs: 0, maxEvents: 1 }, stop: stop.signal })
    expect(sink.log).toEqual(['write a', 'commit 1', 'write b', 'write c', 'write d', 'commit 4'])
    expect(acked).toEqual(['0/1', '0/4'])
  })

  test('a failure of it ends the pull that waits', async () => {
    const sink = new RecordingSink()
    sink.onCommit = async () => {
      throw new Error('disk full')
    }
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      await forEver()
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    await expect(pump(feed, sink, { policy: patient, stop: never })).rejects.toThrow('disk full')
  })

  test('a failure of it ends a write that waits for it; where that stays, the sink is stuck', async () => {
    const sink = new RecordingSink()
    sink.onCommit = async () => {
      await new Promise(setImmediate)
      throw new Error('disk full')
    }
    sink.onWrite = async () => (sink.log.length === 0 ? undefined : await forEver())
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      yield batchOf(positionAt(2), 'b')
      return undefined
    }
    const feed = scriptedFeed(script(), () => {})
    const failure = expect.objectContaining({ name: 'SinkStuck', cause: new Error('disk full') })
    await expect(pump(feed, sink, { policy: patient, stop: never, settleMs: 5 })).rejects.toThrow(failure)
  })

  test('a feed that fails waits for it, and it is acknowledged', async () => {
    const sink = new RecordingSink()
    sink.onCommit = () => new Promise((done) => setTimeout(done, 5))
    const acked: string[] = []
    async function* script(): AsyncGenerator<Batch, undefined> {
      yield batchOf(positionAt(1), 'a')
      throw new Error('connection lost')
    }
    const feed = scriptedFeed(script(), ({ lsn }) => acked.push(lsn))
    await expect(pump(feed, sink, { policy: patient, stop: never })).rejects.toThrow('connection lost')
    expect(acked).toEqual(['0/1'])
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
    expect(sink.log).toEqual(['write a', 'commit 1', 'write b', 'commit 2'])
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
    expect(sink.log).toEqual(['write a', 'commit 1'])
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
    expect(sink.log).toEqual(['write a', 'commit 1', 'write b'])
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
