import type { Batch } from '../replication/batch.ts'
import type { Feed } from '../replication/feed.ts'
import { type CommitPolicy, commitDelayMs } from './commit-policy.ts'

/** Where batches go: the part of Delivery that the loop uses. */
export interface BatchSink {
  readonly uncommittedBytes: number
  readonly isUncommitted: boolean
  write(batch: Batch): Promise<void>
  commit(): Promise<void>
}

/** What ended a run. */
export type PumpEnd = 'feed-ended' | 'stopped'

/**
 * Takes batches from a feed and delivers them, until the feed ends or `stop` is aborted. Batches are written as they
 * come and committed in groups: the next one is asked for while the ones before still wait.
 *
 * The batch of phase `new` is committed before the next is asked for, since asking makes the slot: a run that was
 * killed in between must find the checkpoint that says whose slot it is.
 *
 * Nothing is committed once the feed has ended or failed: it has dropped a slot of which nothing was acknowledged, and a
 * checkpoint made after that would look for it. What was written and not committed comes again.
 */
export async function pump(
  feed: Feed,
  sink: BatchSink,
  options: { policy: CommitPolicy; stop: AbortSignal; now?: () => number; onBatch?: (batch: Batch) => void },
): Promise<PumpEnd> {
  const { policy, stop, now = () => performance.now(), onBatch } = options
  const batches = feed[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<Batch, undefined>> | undefined
  let committedAt = Number.NEGATIVE_INFINITY
  const commit = async () => {
    await sink.commit()
    committedAt = now()
  }
  const delayMs = () => commitDelayMs(policy, { bytes: sink.uncommittedBytes, sinceCommitMs: now() - committedAt })
  try {
    while (!stop.aborted) {
      next ??= batches.next()
      const outcome = await firstOf(next, stop, sink.isUncommitted ? delayMs() : undefined)
      if (outcome === 'stopped') break
      if (outcome === 'waited') {
        await commit()
        continue
      }
      next = undefined
      if (outcome.done === true) return 'feed-ended'
      const batch = outcome.value
      onBatch?.(batch)
      await sink.write(batch)
      if (batch.position.phase === 'new' || delayMs() === 0) await commit()
    }
    await commit()
    return 'stopped'
  } finally {
    // a pull that is still open ends with the feed; nobody waits for what it gives
    next?.catch(() => {})
    await feed.close()
  }
}

/** The next batch, or whatever comes before it. Not Promise.race: that would pile up reactions on what never settles. */
function firstOf<Value>(
  next: Promise<Value>,
  stop: AbortSignal,
  delayMs: number | undefined,
): Promise<Value | 'stopped' | 'waited'> {
  return new Promise((resolve, reject) => {
    const onStop = () => settle(() => resolve('stopped'))
    const timer = delayMs === undefined ? undefined : setTimeout(() => settle(() => resolve('waited')), delayMs)
    const settle = (how: () => void) => {
      clearTimeout(timer)
      stop.removeEventListener('abort', onStop)
      how()
    }
    if (stop.aborted) onStop()
    else stop.addEventListener('abort', onStop)
    next.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}
