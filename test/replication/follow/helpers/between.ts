import { once } from 'node:events'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import type { ConnectionOptions } from '../../../../src/index.ts'

/**
 * A connection whose password takes a moment to get: `work` runs before the connection of that number logs in. A feed
 * opens one for replication, one ordinary one, and then, when its slot is made, the copy's. So the third lies exactly
 * between the slot and the copy, where other sessions could do anything.
 */
export function beforeConnection(
  uri: string,
  works: Readonly<Record<number, () => Promise<unknown>>>,
): ConnectionOptions {
  const url = new URL(uri)
  let connections = 0
  return {
    host: url.hostname,
    port: url.port,
    user: decodeURIComponent(url.username),
    dbname: decodeURIComponent(url.pathname.slice(1)),
    password: async () => {
      await works[++connections]?.()
      return decodeURIComponent(url.password)
    },
  }
}

/** The connection that copies in the first attempt. */
export const firstCopy = 3
/** The one of the second attempt. */
export const secondCopy = 4

/** Connections over which a command goes out only when `work` is done: the server gets it then, and not before. */
export function beforeCommand(uri: string, command: string, work: () => Promise<unknown>): ConnectionOptions {
  const { host, port, ...login } = beforeConnection(uri, {})
  return {
    ...login,
    connect: async () => {
      const socket = connect({ host: String(host), port: Number(port) })
      await once(socket, 'connect')
      const stream = new Duplex({
        read: () => void socket.resume(),
        write(chunk: Buffer, _, done) {
          const ready = chunk.includes(command) ? work() : Promise.resolve()
          ready.then(() => socket.write(chunk, done), done)
        },
        final: (done) => void socket.end(done),
        destroy(error, done) {
          socket.destroy()
          done(error)
        },
      })
      socket.on('data', (chunk) => {
        if (!stream.push(chunk)) socket.pause()
      })
      socket.on('end', () => stream.push(null))
      socket.on('error', (error) => stream.destroy(error))
      return stream
    },
  }
}
