import { WalwireError } from '../../protocol/messages/errors.ts'
import { type Queryable, queryRows } from './queryable.ts'

const ownSql = `SELECT pg_catalog.pg_backend_pid(), extract(epoch FROM pg_catalog.pg_postmaster_start_time()),
  (SELECT extract(epoch FROM own.backend_start)
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) own)`

/** They read no table. */
const limit = { limitMs: 10_000 }

/** A process of a server, as its own session sees it. */
export interface ServerProcess {
  readonly pid: string
  /** When the server was started. */
  readonly serverStart: string
  /** When the session began; undefined for a role that acts as another one, which may not see it. */
  readonly processStart: string | undefined
}

/** Undefined where the server does not say. */
export async function readServerProcess(connection: Queryable): Promise<ServerProcess | undefined> {
  const [[pid, serverStart, processStart] = []] = await queryRows(connection, ownSql, limit)
  return pid && serverStart ? { pid, serverStart, processStart: processStart ?? undefined } : undefined
}

/**
 * Makes sure that two connections are to one server: several addresses behind a name, a balancer over standbys, or a
 * failover between the two would have what is looked up on the one decide over what the other does. So the process of
 * the one must be there as the other sees the server, begun at the same moment, in a server that was started at the same
 * moment.
 *
 * @param process of the other connection
 * @throws {WalwireError} `two_servers`
 */
export async function checkSameServer(ordinary: Queryable, process: ServerProcess | undefined): Promise<void> {
  if (process === undefined) return
  const { pid, serverStart, processStart } = process
  // A role that acts as another one may not see when its own sessions began, but that they are there.
  const began = processStart
    ? `seen.backend_start IS NULL OR extract(epoch FROM seen.backend_start) = ${processStart}`
    : 'true'
  const [[isSame] = []] = await queryRows(
    ordinary,
    `SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time()) = ${serverStart}
      AND EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(${pid}) seen WHERE ${began})`,
    limit,
  )
  if (isSame !== 'f') return
  throw new WalwireError('two_servers', {
    what: 'the connections of the feed are to different servers',
    why: `process ${pid} of the one is not a process of the other`,
    hint: 'connect to one server by its own name: behind this one are several addresses, a balancer, or a failover that is under way',
  })
}
