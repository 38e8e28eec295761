import { Connection } from '../../protocol/connection/connection.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'
import { Lookout, reachableWithinMs } from '../../replication/catalog/lookout.ts'
import type { Logger } from '../../replication/logger.ts'
import { Waits } from '../../replication/waits.ts'

/**
 * Opens an ordinary connection for some statements before a feed begins, and closes it again; when the signal comes, in the
 * middle of them.
 */
export async function withServer<Result>(
  url: string | undefined,
  logger: Logger,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const resolved = await resolveConnection(url)
  const lookout = new Lookout(
    { open: (stop) => Connection.open(resolved, { signal: stop }), logger, waits: new Waits() },
    reachableWithinMs(resolved.connectTimeoutMs),
  )
  const connection = await Connection.open(resolved, {
    signal,
    onUnanswered: (wait) => void lookout.lookAfter(wait, 'a command before the feed begins'),
  })
  const leave = (): void => void connection.close()
  signal.addEventListener('abort', leave)
  try {
    return await work(connection)
  } finally {
    signal.removeEventListener('abort', leave)
    connection.destroy()
  }
}
