import { WalwireError } from '../messages/errors.ts'
import type { BackendKeyData } from '../messages/session-messages.ts'
import { withinLimits } from './attempt.ts'
import type { SessionOptions } from './connection-options.ts'
import { cancelRequest } from './frontend.ts'
import { openStream, type Route } from './open-stream.ts'

const cancelTimeoutMs = 5_000

/**
 * Asks the server, over a connection of its own, to cancel what another one runs.
 *
 * @param key what that connection was given, if it was
 * @param route the way that it took: a name that is resolved anew may be another server's by now
 * @param signal gives up earlier
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function requestCancel(
  options: SessionOptions,
  key: BackendKeyData | undefined,
  route: Route,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (key === undefined) {
    throw new WalwireError('server_error', {
      what: 'the command cannot be cancelled',
      why: 'the server gave no key for it when the session began',
      hint: 'connect to the server itself instead of a pooler',
    })
  }
  const { connectTimeoutMs } = options
  const timeoutMs = connectTimeoutMs === 0 ? cancelTimeoutMs : Math.min(connectTimeoutMs, cancelTimeoutMs)
  const what = `cancel a command at ${route.host.description}`
  await withinLimits({ timeoutMs, signal, what }, async (attempt) => {
    const { stream } = await openStream({ ...options, ...route.host }, route.endpoint, attempt, route)
    attempt.step = 'waiting for the server to take the cancel request'
    await new Promise<void>((resolve) => {
      // the server closes without an answer, and how that looks does not matter
      stream.once('close', resolve)
      stream.resume()
      stream.end(cancelRequest(key.processId, key.secretKey))
    })
  })
}
