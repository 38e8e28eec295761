import type { Batch } from '../../replication/batch.ts'
import type { FeedStatus } from '../../replication/feed.ts'
import { bytesText, durationText, plural } from '../pretty/quantities.ts'

/** The kinds that are counted one by one, in the order of the summary. */
const kinds = ['insert', 'update', 'delete', 'truncate', 'message'] as const

/** Counts what a feed delivers, to say at the end what it was. */
export class DemoTally {
  readonly #counts = new Map<string, number>()
  readonly #now: () => number
  #snapshotBegan: number | undefined
  #snapshotMs = 0
  #position: string | undefined

  /** @param now a clock in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Looks at a batch. */
  add(batch: Batch): void {
    for (const event of batch.events) {
      const kind = event.kind === 'relation' && event.change === null ? 'known relation' : event.kind
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    }
    if (batch.position.phase === 'snapshot') this.#snapshotBegan ??= this.#now()
    if (this.#snapshotBegan !== undefined && this.#position === undefined)
      this.#snapshotMs = this.#now() - this.#snapshotBegan
    if (batch.position.phase === 'stream') this.#position = batch.position.lsn
  }

  /** What was delivered, where the feed stands, and how far that is behind the server. */
  lines(status: Pick<FeedStatus, 'lagBytes' | 'lagMs'>): string[] {
    const count = (kind: string) => this.#counts.get(kind) ?? 0
    const changes = [
      ...kinds.flatMap((kind) => (count(kind) === 0 ? [] : [plural(count(kind), kind)])),
      ...(count('relation') === 0 ? [] : [plural(count('relation'), 'schema change')]),
    ]
    const { lagBytes, lagMs } = status
    const lag = [
      ...(lagMs === undefined ? [] : [durationText(lagMs)]),
      ...(lagBytes === undefined ? [] : [bytesText(lagBytes)]),
    ]
    return [
      `copied    ${plural(count('snapshot'), 'row')} of ${plural(count('snapshot-end'), 'table')} in ${durationText(this.#snapshotMs)}`,
      `followed  ${plural(count('commit'), 'transaction')}${changes.length === 0 ? '' : `: ${changes.join(', ')}`}`,
      `position  ${this.#position ?? 'before the first change'}: everything up to there was delivered and acknowledged`,
      ...(lag.length === 0 ? [] : [`lag       ${lag.join(', ')}`]),
    ]
  }
}
