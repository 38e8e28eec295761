import { Connection, type OpenOptions } from '../../../src/protocol/connection/connection.ts'
import type { ConnectionOptions, ResolvedConnection } from '../../../src/protocol/connection/connection-options.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { processSurroundings, type Surroundings } from '../../../src/protocol/connection/surroundings.ts'
import { fakeStream, type Script } from './fake-server.ts'

/**
 * An outside world without environment, home and sockets: what a test does not say does not come from the machine.
 * Files that a test names are read.
 */
export const nowhere: Surroundings = {
  env: {},
  platform: 'linux',
  userName: () => 'me',
  homeDirectory: () => '/nowhere',
  file: processSurroundings.file,
  isSocket: async () => false,
}

export function resolved(options: ConnectionOptions | string): Promise<ResolvedConnection> {
  return resolveConnection(options, nowhere)
}

/** Opens a connection to a fake server on a port of loopback. */
export async function openTo(
  port: number,
  options: ConnectionOptions = {},
  open: OpenOptions = {},
): Promise<Connection> {
  return Connection.open(await resolved({ host: '127.0.0.1', port, connect_timeout: 5, ...options }), open)
}

/** Opens a connection to a fake server in memory. */
export async function openOver(script: Script, open: OpenOptions = {}, failures: unknown[] = []): Promise<Connection> {
  return Connection.open(await resolved({ connect: fakeStream(script, failures), connect_timeout: 5 }), open)
}
