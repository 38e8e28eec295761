import { connect as netConnect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WalwireError } from '../messages/errors.ts'
import type { Attempt } from './attempt.ts'
import type { Endpoint, ResolvedConnection } from './connection-options.ts'

/**
 * How long one of a name's addresses is tried before the next. Node's own 250 ms fails on distant servers.
 */
const addressAttemptMs = 2_000

/**
 * The stream's high-water mark. While reading is paused, Node reads on until it has that much, waking for each piece;
 * with the least of all it stops after one, and the kernel gathers the rest. Under {@link ReadAhead.pacing} that is a third
 * of the time and a tenth of the CPU of the default. While reading is not paused it changes nothing.
 */
export const readAheadBytes = 1

/** An option that net.connect takes and its types do not name. */
const readAhead = { readableHighWaterMark: readAheadBytes }

/** A stream, and where it goes: a name with several addresses stands for one of them from then on. */
export interface Dialled {
  readonly stream: Duplex
  readonly endpoint: Endpoint
}

/**
 * Opens the stream to the server, without a byte sent.
 *
 * @param endpoint where an earlier one went, if it shall go to the very same
 * @throws {WalwireError} `connect_failed`
 */
export async function dial(
  resolved: ResolvedConnection,
  attempt: Attempt,
  endpoint: Endpoint = resolved.endpoint,
): Promise<Dialled> {
  switch (endpoint.kind) {
    case 'tcp': {
      attempt.step = 'connecting to the port'
      const { host, port } = endpoint
      const socket = await connected(
        netConnect({
          host,
          port,
          ...readAhead,
          noDelay: true,
          keepAlive: resolved.keepAliveIdleMs !== undefined,
          keepAliveInitialDelay: resolved.keepAliveIdleMs ?? 0,
          autoSelectFamily: true,
          autoSelectFamilyAttemptTimeout: addressAttemptMs,
        }),
        resolved,
        attempt,
      )
      return { stream: socket, endpoint: { kind: 'tcp', host: socket.remoteAddress ?? host, port } }
    }
    case 'unix':
      attempt.step = 'connecting to the socket'
      return { stream: await connected(netConnect({ ...readAhead, path: endpoint.path }), resolved, attempt), endpoint }
    case 'custom':
      attempt.step = 'waiting for the function connect'
      try {
        return { stream: attempt.own(await endpoint.connect()), endpoint }
      } catch (error) {
        throw dialFailed(resolved, error)
      }
    default:
      return endpoint satisfies never
  }
}

function connected(socket: Socket, resolved: ResolvedConnection, attempt: Attempt): Promise<Socket> {
  attempt.own(socket)
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(dialFailed(resolved, error))
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.removeListener('error', onError)
      resolve(socket)
    })
  })
}

function dialFailed(resolved: ResolvedConnection, cause: unknown): WalwireError {
  const { why, hint, retryable } = explain(resolved.endpoint, cause)
  return new WalwireError('connect_failed', {
    what: `could not connect to ${resolved.description}`,
    why,
    hint,
    retryable,
    cause,
  })
}

interface Explanation {
  readonly why: string
  readonly hint: string
  readonly retryable?: boolean
}

function explain(endpoint: Endpoint, cause: unknown): Explanation {
  const code = codeOf(cause)
  const text = messageOf(cause)
  if (endpoint.kind === 'custom') {
    return { why: `the function connect failed (${text})`, hint: 'see the cause' }
  }
  switch (code) {
    case 'ENOTFOUND':
      return { why: `the host name was not found (${text})`, hint: 'check the spelling of host, and the name service' }
    case 'EAI_AGAIN':
      return { why: `the name service did not answer (${text})`, hint: 'check the name service; try again' }
    case 'ECONNREFUSED':
      return {
        why: `nothing listens there (${text})`,
        hint: 'check host and port, that the server runs, and its listen_addresses',
      }
    case 'ENOENT':
      return { why: `there is no such socket (${text})`, hint: 'check host and port, and that the server runs' }
    case 'EACCES':
    case 'EPERM':
      return { why: `it is not allowed (${text})`, hint: 'check the permissions of the socket', retryable: false }
    case 'ETIMEDOUT':
      return { why: `no answer came (${text})`, hint: 'check host, port and firewall' }
    default:
      return { why: text, hint: 'check host, port and network' }
  }
}

/** The system's code of a failure (`ECONNREFUSED` …); of the last, when several addresses were tried. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors.at(-1)) ?? ownCode(error)
  return error instanceof Error ? ownCode(error) : undefined
}

function ownCode(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The text of a failure; when several addresses were tried, all of them. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
