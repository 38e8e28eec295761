import type { CommitPolicy } from '../../../src/delivery/commit-policy.ts'
import { Delivery } from '../../../src/delivery/delivery.ts'
import { FileOutput } from '../../../src/delivery/file/file-output.ts'
import { LineDestination } from '../../../src/delivery/file/line-destination.ts'
import type { RotatePolicy } from '../../../src/delivery/file/rotate-policy.ts'
import { defaultRetryPolicy } from '../../../src/delivery/retry-policy.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { nameOf, scriptedFeed } from '../scripted-feed.ts'
import type { SimulatedServer } from '../simulated-server.ts'
import { Crash, type SimulatedDisk } from './simulated-disk.ts'

export const checkpointPath = '/data/shop.checkpoint'
export const outputPath = '/lines/shop.jsonl'

/** How a run goes about it. */
export interface RunOptions {
  readonly policy: CommitPolicy
  readonly start?: string | undefined
  readonly rotate?: RotatePolicy | undefined
  /** Whether what fails in passing is tried again; else the first failure ends it. */
  readonly retries?: boolean
}

/** A destination that is a file on this disk. */
export function fileOn(disk: SimulatedDisk, rotate?: RotatePolicy, now?: () => number): LineDestination {
  return new LineDestination({
    disk,
    path: outputPath,
    open: (path = outputPath, beginAt) => new FileOutput(disk, path, beginAt, silentLogger),
    rotate,
    checkpoint: checkpointPath,
    toLines: (batch) => batch.events.map(nameOf),
    logger: silentLogger,
    lock: async () => ({ verify: async () => {}, release: () => {} }),
    now,
  })
}

/** One delivery into a file, until it is stopped because nothing more comes, or dies. */
export async function runOnce(
  disk: SimulatedDisk,
  server: SimulatedServer,
  { policy, start, rotate, retries = false }: RunOptions,
): Promise<void> {
  const stop = new AbortController()
  const delays = { firstDelayMs: 0, maxDelayMs: 0 }
  await new Delivery({
    destination: fileOn(disk, rotate),
    delivered: { publications: ['shop'], slot: 'shop_feed', snapshot: 'initial', start, signal: stop.signal },
    follow: (from) =>
      scriptedFeed(
        server.batches(from, () => stop.abort()),
        server.ack,
      ),
    endsByItself: false,
    canContinue: true,
    policy,
    retry: retries ? { ...defaultRetryPolicy, ...delays } : { ...defaultRetryPolicy, maxFailures: 1 },
    drainTimeoutMs: 10_000,
    logger: silentLogger,
  }).run()
}

/** @returns whether the process died of a crash; whatever else it dies of is the test's failure */
export async function diesOfCrash(run: Promise<void>): Promise<boolean> {
  try {
    await run
    return false
  } catch (error) {
    const inside = error instanceof Error && error.cause instanceof Crash
    if (!inside && !(error instanceof Crash)) throw error
    return true
  }
}
