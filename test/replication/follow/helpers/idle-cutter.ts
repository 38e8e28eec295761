import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between client and server and closes each connection over which nothing went for a while, as balancers do. */
export interface IdleCutter extends AsyncDisposable {
  /** The URI of the server, by way of the cutter and without TLS. */
  readonly url: string
  /** How many connections it closed. */
  readonly cuts: number
}

/** @param idleMs nothing either way for so long ends a connection, without a word */
export async function idleCutter(uri: string, idleMs: number): Promise<IdleCutter> {
  const target = new URL(uri)
  const sockets = new Set<Socket>()
  let cuts = 0
  const proxy = createServer({ noDelay: true }, (client) => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    const pair = [client, server]
    const timer = setTimeout(() => {
      cuts++
      for (const socket of pair) socket.destroy()
    }, idleMs)
    for (const [socket, other] of [pair, [server, client]] as const) {
      if (socket === undefined || other === undefined) continue
      sockets.add(socket)
      socket.on('data', (chunk) => {
        timer.refresh()
        // back-pressure passes through
        if (!other.write(chunk)) socket.pause()
      })
      socket.on('drain', () => other.resume())
      socket.on('error', () => other.destroy())
      socket.on('end', () => other.end())
      socket.on('close', () => {
        clearTimeout(timer)
        other.destroy()
        sockets.delete(socket)
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the cutter has no port')
  const url = new URL(uri)
  url.hostname = '127.0.0.1'
  url.port = String(address.port)
  url.searchParams.set('sslmode', 'disable')
  return {
    url: url.href,
    get cuts() {
      return cuts
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}
