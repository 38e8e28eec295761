import type { Connection } from '../../protocol/connection/connection.ts'
import { within } from '../../protocol/connection/within.ts'
import type { ReplicationStream } from './replication-stream.ts'

/** The server may leave the stream by itself for this long; after that it is cancelled, */
const drainMs = 300
/** and after this, from the end of the loop, the socket is closed whatever happens. */
const destroyMs = 900

/**
 * Leaves a stream: the last feedback, CopyDone, and then whatever the server had already begun to send, which is thrown
 * away. A walsender looks at its input only between messages that the socket takes at once, so inside a large transaction
 * it must be cancelled; and where it does not read at all, the last feedback is lost, which costs a repetition and never
 * a gap.
 *
 * @param begunMs when the feed began to end, on the clock of `performance.now()`
 */
export async function endStream(connection: Connection, stream: ReplicationStream, begunMs: number): Promise<void> {
  stream.finish()
  const left = connection.endCopy()
  if ((await within(left, Math.min(drainMs, begunMs + destroyMs - performance.now()))) === undefined) {
    const remainingMs = begunMs + destroyMs - performance.now()
    connection.cancel(AbortSignal.timeout(Math.max(0, Math.floor(remainingMs)))).catch(() => {})
    await within(left, remainingMs)
  }
  connection.destroy()
}

/** A walsender that was cancelled lets go of its slot within this time, or its connection is as good as gone. */
const leaveMs = 10_000

/**
 * Leaves a stream so that another connection can begin one in its slot. Inside a large transaction the server is
 * cancelled. How the stream ends does not matter, and a server that does not answer is not waited for long: this
 * connection is not used again.
 */
export async function leaveStream(connection: Connection, stream: ReplicationStream): Promise<void> {
  stream.finish()
  const left = connection.endCopy()
  if ((await within(left, drainMs)) !== undefined) return
  connection.cancel().catch(() => {})
  await within(left, leaveMs)
}
