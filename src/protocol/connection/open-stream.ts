import type { Duplex } from 'node:stream'
import type { Attempt } from './attempt.ts'
import type { Endpoint, ResolvedHost, ResolvedServer } from './connection-options.ts'
import { dial } from './socket.ts'
import { secure } from './tls.ts'

/** The way that a connection took: the host, the address that its name stood for, and whether it is encrypted. */
export interface Route {
  readonly host: ResolvedHost
  readonly endpoint: Endpoint
  readonly encrypted: boolean
}

/** A stream to the server on which the next message is the first of a session (or a cancel request). */
export interface OpenStream {
  readonly stream: Duplex
  readonly encrypted: boolean
  /** The server's certificate, in DER; undefined without TLS. */
  readonly certificate: Uint8Array | undefined
}

/**
 * Connects, and encrypts as the sslmode says.
 *
 * @param endpoint where to: one of the addresses that the server's name stands for
 * @param former whether a connection is encrypted beside which this is a second one: what is encrypted there is not sent in
 * the clear here
 */
export async function openStream(
  server: ResolvedServer,
  endpoint: Endpoint,
  attempt: Attempt,
  former?: Pick<Route, 'encrypted'>,
): Promise<OpenStream> {
  const stream = await dial(server, endpoint, attempt)
  if (server.tls === undefined || former?.encrypted === false) {
    return { stream, encrypted: false, certificate: undefined }
  }
  const sslmode = former?.encrypted && server.sslmode === 'prefer' ? 'require' : server.sslmode
  const secured = await secure(stream, { description: server.description, options: server.tls, sslmode }, attempt)
  return {
    stream: secured ?? stream,
    encrypted: secured !== undefined,
    certificate: secured?.getPeerX509Certificate()?.raw,
  }
}
