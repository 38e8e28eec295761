import { within } from '../protocol/connection/within.ts'
import type { Batch } from '../replication/batch.ts'
import type { Feed } from '../replication/feed.ts'
import type { Position } from '../replication/position.ts'
import type { CommitPolicy } from './commit-policy.ts'
import { Commits } from './commits.ts'

/** Where batches go: the part of a destination that the loop uses. */
export interface BatchSink {
  write(batch: Batch): Promise<void>
  commit(position: Position): Promise<void>
}

/** How a {@link pump} goes about it. */
export interface PumpOptions {
  readonly policy: CommitPolicy
  /** Each batch is committed before the next is asked for: for a feed that ends by itself. */
  readonly eachBatch: boolean
  /** What is in hand is written and committed, and then it ends. */
  readonly stop: AbortSignal
  /** After a failure, how long what is still pending is waited for. */
  readonly settleMs: number
  readonly now?: (() => number) | undefined
}

/** What ended a run. */
export type PumpEnd = 'feed-ended' | 'stopped'

/** A failure, after which a call is still pending: the sink cannot be used again. */
export class SinkStuck extends Error {
  override readonly name = 'SinkStuck'
}

/**
 * Takes batches from a feed, writes them as they come, and commits them in groups, until the feed ends or `stop` is
 * aborted. Reading and writing go on while a commit is pending, and a position is acknowledged when its commit has
 * resolved.
 *
 * Some batches are committed before the next is asked for: one of phase `new`, since asking makes the slot, and a run
 * that was killed in between must find it stored whose slot that is; and each batch of a feed that ends by itself, since
 * nobody knows which is the last, and after that there is no feed that could tell the server what is durable.
 *
 * No commit begins once the feed has ended or failed: it may have dropped a slot of which nothing was acknowledged. What
 * was written and not committed comes again.
 *
 * @throws what the feed or the sink failed with; {@link SinkStuck}, with that as its cause
 */
export async function pump(feed: Feed, sink: BatchSink, options: PumpOptions): Promise<PumpEnd> {
  const { policy, eachBatch, stop, settleMs, now = () => performance.now() } = options
  const commits = new Commits({
    policy,
    now,
    commit: async (position) => {
      await sink.commit(position)
      feed.ack(position)
    },
  })
  const batches = feed[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<Batch, undefined>> | undefined
  let writing: Promise<void> | undefined
  try {
    while (!stop.aborted) {
      next = batches.next()
      const outcome = await orInterrupted(next, commits.failed, stop)
      if (outcome === 'stopped') break
      next = undefined
      if (outcome.done === true) {
        await commits.settle()
        commits.failed.throwIfAborted()
        return 'feed-ended'
      }
      const { events, position } = outcome.value
      if (events.length > 0) {
        writing = sink.write(outcome.value)
        await orInterrupted(writing, commits.failed)
        writing = undefined
      }
      commits.wrote(position, events.length)
      if (eachBatch || position.phase === 'new') await commits.flush()
    }
    await commits.flush()
    return 'stopped'
  } catch (error) {
    const settled = await within(Promise.allSettled([writing, commits.settle()]), settleMs)
    throw settled === undefined ? new SinkStuck('a call is still pending', { cause: error }) : error
  } finally {
    // a pull that is still open ends with the feed; nobody waits for what it gives
    next?.catch(() => {})
    await feed.close()
  }
}

function orInterrupted<Value>(work: Promise<Value>, failed: AbortSignal): Promise<Value>
function orInterrupted<Value>(work: Promise<Value>, failed: AbortSignal, stop: AbortSignal): Promise<Value | 'stopped'>
/**
 * What comes of the work, or whatever comes before it: a failed commit, whose error is thrown, or the end. Not
 * Promise.race: that would pile up reactions on what never settles.
 */
function orInterrupted<Value>(
  work: Promise<Value>,
  failed: AbortSignal,
  stop?: AbortSignal,
): Promise<Value | 'stopped'> {
  return new Promise((resolve, reject) => {
    const settle = (how: () => void) => {
      failed.removeEventListener('abort', onFailure)
      stop?.removeEventListener('abort', onStop)
      how()
    }
    const onFailure = () => settle(() => reject(failed.reason))
    const onStop = () => settle(() => resolve('stopped'))
    failed.addEventListener('abort', onFailure)
    stop?.addEventListener('abort', onStop)
    if (failed.aborted) onFailure()
    else if (stop?.aborted) onStop()
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}
