import { patienceMs } from '../protocol/connection/within.ts'
import { formatLsn, type Lsn } from '../protocol/messages/lsn.ts'
import type { FeedActivity, FeedStatus } from './feed.ts'
import type { Run } from './run.ts'
import type { ReplicationStream } from './stream/replication-stream.ts'

/** A transaction that is as old as this when it is sent comes out of a backlog that somebody may want to know of. */
const behindMs = 5_000

/** What the loop over a feed is at. */
export interface LoopFacts {
  /** Whether somebody has begun to take batches. */
  readonly begun: boolean
  readonly ended: boolean
  /** For how long the consumer has had its batch in hand; 0 while it waits for the next. In ms. */
  readonly inHandMs: number
}

/** What a feed is at, and what it waits for, by all that is known of it. */
export interface ActivityFacts extends LoopFacts {
  readonly copying: boolean
  /** Undefined while nothing is streamed. */
  readonly stream: undefined | { readonly askingCatalogMs: number; readonly isBehind: boolean }
  readonly bufferedBytes: number
  /** What the feed itself says that it waits for. */
  readonly waitingFor: string | undefined
}

/** Puts together where a feed stands. */
export function feedStatus(run: Run, loop: LoopFacts): FeedStatus {
  const { state, stream, copied, bufferedBytes } = run
  const { progress, reconnects, lastError, waits } = state
  const look = stream?.slotWatch.latest
  const server = stream && latest(stream.server ?? stream.received, look?.walEnd)
  const acknowledged = progress.flush === 0n ? undefined : progress.flush
  return {
    ...activity({
      ...loop,
      copying: copied !== undefined,
      stream: stream && { askingCatalogMs: stream.askingCatalogMs, isBehind: isBehind(stream) },
      bufferedBytes,
      waitingFor: waits.latest,
    }),
    lastError,
    received: stream && formatLsn(stream.received),
    delivered: progress.delivered?.lsn,
    acknowledged: acknowledged === undefined ? undefined : formatLsn(acknowledged),
    server: server === undefined ? undefined : formatLsn(server),
    lagBytes:
      server === undefined || acknowledged === undefined
        ? undefined
        : Number(server > acknowledged ? server - acknowledged : 0n),
    lagMs: stream?.lagMs,
    slot: look && { retainedBytes: look.retainedBytes, safeBytes: look.safeBytes, walStatus: look.walStatus },
    snapshot: copied,
    reconnects,
    bufferedBytes,
  }
}

/** Pure: the clock is the caller's. */
export function activity(facts: ActivityFacts): {
  readonly state: FeedActivity
  readonly waitingFor: string | undefined
} {
  const { begun, ended, inHandMs, copying, stream, bufferedBytes, waitingFor } = facts
  if (ended) return { state: 'closed', waitingFor: undefined }
  if (!begun) return { state: 'waiting', waitingFor: 'somebody who takes its first batch' }
  const consumer =
    inHandMs > patienceMs ? `its consumer, which has had the latest batch for ${seconds(inHandMs)}` : undefined
  if (stream !== undefined) {
    if (stream.askingCatalogMs > patienceMs) {
      return {
        state: 'held',
        waitingFor: waitingFor ?? 'an answer of the catalog that must come before the next change',
      }
    }
    if (consumer !== undefined && bufferedBytes > 0) return { state: 'held', waitingFor: consumer }
    return { state: stream.isBehind ? 'catching-up' : 'streaming', waitingFor }
  }
  if (copying) return { state: 'snapshot', waitingFor: waitingFor ?? consumer }
  if (waitingFor !== undefined) return { state: 'waiting', waitingFor }
  return consumer === undefined ? { state: 'connecting', waitingFor } : { state: 'waiting', waitingFor: consumer }
}

function isBehind({ received, slotWatch, lagMs }: ReplicationStream): boolean {
  return received < slotWatch.base || lagMs >= behindMs
}

function latest(one: Lsn, other: Lsn | undefined): Lsn {
  return other !== undefined && other > one ? other : one
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
