import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../../protocol/connection/connection.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'
import { Lookout, reachableWithinMs } from '../../replication/catalog/lookout.ts'
import type { Logger } from '../../replication/logger.ts'
import { Reconnection, type ReconnectPolicy } from '../../replication/reconnection.ts'
import { Waits } from '../../replication/waits.ts'

/**
 * Opens an ordinary connection for some statements before a feed begins, and closes it again; when the signal comes, in the
 * middle of them. A server that is not there yet is waited for where the first connection of a feed is tried again.
 */
export async function withServer<Result>(
  url: string | undefined,
  reconnect: ReconnectPolicy | false,
  logger: Logger,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const resolved = await resolveConnection(url)
  const lookout = new Lookout(
    { open: (stop) => Connection.open(resolved, { signal: stop }), logger, waits: new Waits() },
    reachableWithinMs(resolved.connectTimeoutMs),
  )
  const connection = await whenThere(
    () =>
      Connection.open(resolved, {
        signal,
        onUnanswered: (wait) => void lookout.lookAfter(wait, 'a command before the feed begins'),
      }),
    new Reconnection(reconnect),
    logger,
    signal,
  )
  const leave = (): void => void connection.close()
  signal.addEventListener('abort', leave)
  try {
    return await work(connection)
  } finally {
    signal.removeEventListener('abort', leave)
    connection.destroy()
  }
}

async function whenThere<Opened>(
  open: () => Promise<Opened>,
  reconnection: Reconnection,
  logger: Logger,
  signal: AbortSignal,
): Promise<Opened> {
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (signal.aborted) throw error
      const failure = { error, standing: undefined, begun: false, servedMs: 0, streamed: false, renewable: false }
      const waitMs = reconnection.afterFailure(failure, Math.random())
      if (waitMs === undefined) throw error
      if (reconnection.failures === 1) logger.warn({ error }, 'the server is not there yet, and is waited for')
      await delay(waitMs, undefined, { signal })
    }
  }
}
