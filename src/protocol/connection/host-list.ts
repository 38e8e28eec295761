import { isIP } from 'node:net'
import { WalwireError } from '../messages/errors.ts'
import type { Endpoint } from './connection-options.ts'
import { bad, type ConnectionValues } from './connection-values.ts'

/** One host as it was given, by a name, an address, a folder; all undefined: whatever the default is. */
export interface GivenHost {
  readonly host: string | undefined
  readonly hostaddr: string | undefined
  readonly port: number
}

const defaultPort = 5432

/**
 * Takes the lists `host`, `hostaddr` and `port` apart, by libpq's rules: as many hosts as addresses where both are given,
 * one port for all or one each, and where an element is empty, the default.
 *
 * @throws {WalwireError} `bad_connection`
 * @see PG18: src/interfaces/libpq/fe-connect.c pqConnectOptions2
 */
export function givenHosts(values: ConnectionValues): readonly [GivenHost, ...GivenHost[]] {
  const names = listed(values, 'host')
  const addresses = listed(values, 'hostaddr')
  const ports = listed(values, 'port').map(portOf)
  const count = Math.max(1, addresses.length || names.length)
  if (names.length > 0 && names.length !== count) {
    throw bad(
      `${counted(names.length, 'host')} and ${counted(count, 'address')} (hostaddr) do not match`,
      'give as many of the one as of the other, comma-separated',
    )
  }
  if (ports.length > 1 && ports.length !== count) {
    throw bad(
      `${counted(ports.length, 'port')} and ${counted(count, 'host')} do not match`,
      'give one port for all hosts, or one for each, comma-separated',
    )
  }
  if (values.connect !== undefined && count > 1) {
    throw bad('several hosts do not go with the function connect', 'give one host, or leave out connect')
  }
  const given = (index: number): GivenHost => ({
    host: names[index] || undefined,
    hostaddr: checkedAddress(addresses[index] || undefined, values),
    port: ports[index] ?? ports[0] ?? defaultPort,
  })
  return [given(0), ...Array.from({ length: count - 1 }, (_, index) => given(index + 1))]
}

function listed({ text }: ConnectionValues, keyword: 'host' | 'hostaddr' | 'port'): readonly string[] {
  const list = text.get(keyword)
  return list ? list.split(',') : []
}

function counted(count: number, what: string): string {
  if (count === 1) return `one ${what}`
  return `${count} ${what === 'address' ? 'addresses' : `${what}s`}`
}

function checkedAddress(address: string | undefined, values: ConnectionValues): string | undefined {
  if (address === undefined || isIP(address) !== 0) return address
  throw bad(`hostaddr is ${values.shown(address)}, which is no IP address`, 'give a name as host')
}

function portOf(text: string): number {
  if (text === '') return defaultPort
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  // not shown: after a slash that was left in it, a URI's password is taken apart into host, port and database
  if (port < 1 || port > 65_535) {
    throw bad('the port is not a number from 1 to 65535', 'check it, and write a / in a password as %2F')
  }
  return port
}

/** @throws {WalwireError} `unsupported_option` */
export function endpointOf({ host, hostaddr, port }: GivenHost, connect: ConnectionValues['connect']): Endpoint {
  if (connect !== undefined) return { kind: 'custom', connect }
  if (hostaddr !== undefined) return { kind: 'tcp', host: hostaddr, port }
  if (host?.startsWith('@')) {
    throw new WalwireError('unsupported_option', {
      what: 'the host cannot be connected to',
      why: 'this is not supported: a Unix socket in the abstract namespace (@)',
      hint: 'name the folder of an ordinary Unix socket',
    })
  }
  if (host?.startsWith('/')) return { kind: 'unix', path: socketPath(host, port) }
  return { kind: 'tcp', host: host ?? 'localhost', port }
}

/** The socket's name in its folder. */
export function socketPath(folder: string, port: number): string {
  return `${folder.replace(/\/+$/, '')}/.s.PGSQL.${port}`
}

/** The host as messages name it: `host:port`, or its socket. */
export function placeOf({ host, port }: GivenHost, endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'tcp': {
      const name = host ?? endpoint.host
      return `${isIP(name) === 6 ? `[${name}]` : name}:${port}`
    }
    case 'unix':
      return endpoint.path
    case 'custom':
      return host ?? 'a stream of its own'
    default:
      return endpoint satisfies never
  }
}
