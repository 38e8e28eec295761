import dns, { type LookupAddress } from 'node:dns'
import { isIP, connect as netConnect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WalwireError } from '../messages/errors.ts'
import type { Attempt } from './attempt.ts'
import type { Endpoint, ResolvedHost, ResolvedServer } from './connection-options.ts'

/**
 * The stream's high-water mark. While reading is paused, Node reads on until it has that much, waking for each piece;
 * with the least of all it stops after one, and the kernel gathers the rest. Under {@link ReadAhead.pacing} that is a third
 * of the time and a tenth of the CPU of the default. While reading is not paused it changes nothing.
 */
export const readAheadBytes = 1

/** An option that net.connect takes and its types do not name. */
const readAhead = { readableHighWaterMark: readAheadBytes }

/**
 * Where a host may be reached: all the addresses that its name stands for, in the order of the system's resolver.
 *
 * @throws {WalwireError} `connect_failed`
 */
export async function lookUp(host: ResolvedHost, attempt: Attempt): Promise<readonly Endpoint[]> {
  const { endpoint } = host
  if (endpoint.kind !== 'tcp' || isIP(endpoint.host) !== 0) return [endpoint]
  attempt.step = 'looking up the name of the host'
  try {
    const found = await addressesOf(endpoint.host)
    return found.map(({ address }) => ({ ...endpoint, host: address }))
  } catch (error) {
    throw dialFailed(host, error)
  }
}

function addressesOf(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(name, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })
}

/**
 * Opens the stream to the server, without a byte sent.
 *
 * @throws {WalwireError} `connect_failed`
 */
export async function dial(server: ResolvedServer, endpoint: Endpoint, attempt: Attempt): Promise<Duplex> {
  switch (endpoint.kind) {
    case 'tcp': {
      attempt.step = 'connecting to the port'
      const { host, port } = endpoint
      const keepAlive = server.keepAliveIdleMs !== undefined
      const socket = netConnect({
        host,
        port,
        ...readAhead,
        noDelay: true,
        keepAlive,
        keepAliveInitialDelay: server.keepAliveIdleMs ?? 0,
      })
      return connected(socket, server, attempt)
    }
    case 'unix':
      attempt.step = 'connecting to the socket'
      return connected(netConnect({ ...readAhead, path: endpoint.path }), server, attempt)
    case 'custom':
      attempt.step = 'waiting for the function connect'
      try {
        return attempt.own(await endpoint.connect())
      } catch (error) {
        throw dialFailed(server, error)
      }
    default:
      return endpoint satisfies never
  }
}

function connected(socket: Socket, host: ResolvedHost, attempt: Attempt): Promise<Socket> {
  attempt.own(socket)
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(dialFailed(host, error))
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.removeListener('error', onError)
      resolve(socket)
    })
  })
}

/** There is no server where one was looked for, or no way to it. */
export class Unreached extends WalwireError {}

function dialFailed(host: ResolvedHost, cause: unknown): Unreached {
  const { why, hint, retryable } = explain(host.endpoint, cause)
  return new Unreached('connect_failed', {
    what: `could not connect to ${host.description}`,
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
