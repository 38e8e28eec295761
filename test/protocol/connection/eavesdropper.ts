import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import type { PemFile } from '../../server/index.ts'

/** Sits between a client and a server on loopback, with TLS to both sides, and passes on what it reads. */
export async function eavesdropper(
  serverPort: number,
  identity: { readonly cert: PemFile; readonly key: PemFile },
): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    void passOn(client).catch(() => client.destroy())
  })

  async function passOn(client: Socket): Promise<void> {
    const server = connect(serverPort, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    // the client's request for TLS, and the server's yes
    const [request]: unknown[] = await once(client, 'data')
    if (request instanceof Uint8Array) server.write(request)
    const [answer]: unknown[] = await once(server, 'data')
    if (answer instanceof Uint8Array) client.write(answer)
    const secureContext = createSecureContext({ cert: identity.cert.pem, key: identity.key.pem })
    const towardsClient = new TLSSocket(client, { isServer: true, secureContext })
    const towardsServer = tlsConnect({ socket: server, rejectUnauthorized: false })
    for (const socket of [towardsClient, towardsServer]) socket.on('error', () => {})
    towardsClient.pipe(towardsServer)
    towardsServer.pipe(towardsClient)
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
