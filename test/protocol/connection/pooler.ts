import { createServer, connect as dial, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a pooler does with a session. */
export interface PoolerHabits {
  /** Changes the startup parameters that the client sent. */
  readonly startup?: (parameters: Map<string, string>) => void
  /** Gives the client a key of its own, as poolers do that share a server's sessions among clients. */
  readonly ownKey?: boolean
}

/**
 * Something between client and server that rewrites how a session begins, and passes everything after it on.
 *
 * @param url of the server
 * @returns the URL by which the server is reached through it, without TLS
 */
export async function pooler(url: string, habits: PoolerHabits): Promise<string> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = dial(Number(port), hostname)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.on('close', () => server.destroy())
    server.on('close', () => client.end())
    client.once('data', (first: Buffer) => {
      server.write(first.readInt32BE(4) === 196_608 ? rewritten(first, habits) : first)
      client.pipe(server)
    })
    if (habits.ownKey) passWithOwnKey(server, client)
    else server.pipe(client)
  })
  await new Promise<void>((resolve) => {
    proxy.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => proxy.close(resolve))
  })
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the pooler has no port')
  const target = new URL(url)
  target.hostname = '127.0.0.1'
  target.port = String(address.port)
  target.searchParams.set('sslmode', 'disable')
  return target.href
}

function rewritten(message: Buffer, { startup }: PoolerHabits): Buffer {
  const parts = message.toString('utf8', 8).split('\0')
  const parameters = new Map<string, string>()
  for (let index = 0; parts[index]; index += 2) parameters.set(parts[index] ?? '', parts[index + 1] ?? '')
  startup?.(parameters)
  const body = Buffer.from(`${[...parameters].flat().join('\0')}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, body])
}

/** Copies the server's messages up to its key, puts another process ID there, and copies the rest. */
function passWithOwnKey(server: Socket, client: Socket): void {
  let waiting = Buffer.alloc(0)
  const take = (chunk: Buffer): void => {
    waiting = Buffer.concat([waiting, chunk])
    while (waiting.length >= 5 && waiting.length > waiting.readInt32BE(1)) {
      const message = Buffer.from(waiting.subarray(0, waiting.readInt32BE(1) + 1))
      waiting = waiting.subarray(message.length)
      const isKey = message.toString('latin1', 0, 1) === 'K'
      if (isKey) message.writeInt32BE(message.readInt32BE(5) + 1, 5)
      client.write(message)
      if (!isKey) continue
      server.removeListener('data', take)
      client.write(waiting)
      server.pipe(client)
      return
    }
  }
  server.on('data', take)
}
