import { Connection } from '../../protocol/connection/connection.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'

/** Opens an ordinary connection for some statements before a feed begins, and closes it again. */
export async function withServer<Result>(
  url: string | undefined,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const connection = await Connection.open(await resolveConnection(url), { signal })
  try {
    return await work(connection)
  } finally {
    connection.destroy()
  }
}
