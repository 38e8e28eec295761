import type { Connection, OpenOptions } from '../../../src/protocol/connection/connection.ts'
import { backendTag } from '../../../src/protocol/messages/tags.ts'
import { openOver, openTo } from './connecting.ts'
import { fakeServer, type Peer } from './fake-server.ts'

/** A connection to a server that has let it in and then does this. */
export async function session(
  script: (peer: Peer) => Promise<void> | void,
  options: OpenOptions = {},
): Promise<Connection> {
  return openOver(async (peer) => {
    await peer.welcome()
    await script(peer)
    await peer.gone()
  }, options)
}

/** The same over TCP, for what only a socket does. */
export async function socketSession(script: (peer: Peer) => Promise<void> | void) {
  const server = await fakeServer(async (peer) => {
    await peer.welcome()
    await script(peer)
    await peer.gone()
  })
  return { server, connection: await openTo(server.port) }
}

/** Everything that a copy gives, as text, until it ends. */
export async function pull(connection: Connection): Promise<string[]> {
  const { framer } = connection
  const rows: string[] = []
  do {
    while (framer.next()) {
      if (framer.tag === backendTag.CopyData) {
        rows.push(Buffer.from(framer.bytes.subarray(framer.start, framer.end)).toString())
      } else {
        const side = connection.sideMessage()
        if (side !== 'handled') return [...rows, side]
      }
    }
  } while (await connection.more())
  return [...rows, connection.failure?.code ?? 'over without a failure']
}
