import { WalwireError } from '../messages/errors.ts'
import type { Endpoint, ResolvedConnection, ResolvedHost } from './connection-options.ts'
import { Unreached } from './socket.ts'
import { passesOf, type Target } from './target-session.ts'

/** One try: an address of one of the hosts, and what its server must be. */
export interface Way {
  readonly host: ResolvedHost
  readonly endpoint: Endpoint
  readonly target: Target
}

/** How a {@link Way} is tried. */
export interface Reaching<Reached> {
  /** All the addresses that a host stands for. */
  readonly lookUp: (host: ResolvedHost) => Promise<readonly Endpoint[]>
  readonly open: (way: Way) => Promise<Reached>
  /** When it aborts, no other way is tried. */
  readonly signal?: AbortSignal | undefined
}

/** A way that led nowhere. */
interface Failure {
  /** The host, and the address where that says more. */
  readonly place: string
  readonly error: WalwireError
}

/**
 * Tries the hosts in their order, each at all its addresses, until one is reached that is what is meant, by libpq's rules:
 * where no server answers, or not in time, the next address is tried; where a server says that it takes no connections
 * yet, or is not the one that is meant, the next host; anything else, such as a password that is refused, ends it.
 *
 * @throws {WalwireError} with every host that was tried and its reason; the signal's reason
 * @see PG18: src/interfaces/libpq/fe-connect.c PQconnectPoll
 */
export async function reach<Reached>(
  connection: Pick<ResolvedConnection, 'hosts' | 'description' | 'targetSessionAttrs'>,
  { lookUp, open, signal }: Reaching<Reached>,
): Promise<Reached> {
  const failures: Failure[] = []
  const ended = (error: unknown, place: string): unknown => {
    if (!(error instanceof WalwireError) || signal?.aborted) return error
    failures.push({ place, error })
    return nextAfter(error) === undefined ? unreachable(connection.description, failures) : undefined
  }
  for (const target of passesOf(connection.targetSessionAttrs)) {
    for (const host of connection.hosts) {
      const addresses = await lookUp(host).catch((error: unknown) => {
        const end = ended(error, host.place)
        if (end !== undefined) throw end
        return []
      })
      for (const endpoint of addresses) {
        try {
          return await open({ host, endpoint, target })
        } catch (error) {
          const end = ended(error, placeOf(host, endpoint))
          if (end !== undefined) throw end
          if (nextAfter(error) === 'host') break
        }
      }
    }
  }
  throw unreachable(connection.description, failures)
}

/** What is tried after a failure; undefined: nothing. */
function nextAfter(error: unknown): 'address' | 'host' | undefined {
  if (!(error instanceof WalwireError)) return undefined
  if (error instanceof Unreached || error.code === 'connect_timeout') return 'address'
  return error.code === 'server_not_ready' || error.code === 'target_not_met' ? 'host' : undefined
}

function placeOf({ place, endpoint: { kind, ...given } }: ResolvedHost, endpoint: Endpoint): string {
  const isName = kind === 'tcp' && endpoint.kind === 'tcp' && 'host' in given && given.host !== endpoint.host
  return isName ? `${place} (${endpoint.host})` : place
}

/** One error of all: the last one's where that ended it, otherwise what they have in common. */
function unreachable(description: string, failures: readonly Failure[]): WalwireError {
  const { error: last } = failures.at(-1) ?? {}
  if (last === undefined) throw new Error('no host was tried')
  // a second pass may have come to the same
  const reasons = new Map(failures.map(({ place, error }) => [`${place}: ${error.why}`, error]))
  if (reasons.size === 1) return last
  const errors = [...reasons.values()]
  const isDecided = nextAfter(last) === undefined
  const decisive = isDecided ? last : errors.find(({ code }) => code === 'target_not_met')
  const isOne = errors.every(({ code }) => code === last.code)
  return new WalwireError(decisive?.code ?? (isOne ? last.code : 'connect_failed'), {
    what: `could not connect to ${description}`,
    why: [...reasons.keys()].join('; '),
    hint: (decisive ?? last).hint,
    // another host may be there again
    retryable: errors.some(({ retryable }) => retryable),
    sqlstate: decisive?.sqlstate,
    cause: isDecided ? last.cause : new AggregateError(errors),
  })
}
