import type { Duplex } from 'node:stream'
import type { Attempt } from './attempt.ts'
import type { Endpoint, ResolvedConnection } from './connection-options.ts'
import { dial } from './socket.ts'
import { secure } from './tls.ts'

/** The way that a connection took: the address that its name stood for, and whether it is encrypted. */
export interface Route {
  readonly endpoint: Endpoint
  readonly encrypted: boolean
}

/** A stream to the server on which the next message is the first of a session (or a cancel request). */
export interface OpenStream {
  readonly stream: Duplex
  readonly route: Route
  /** The server's certificate, in DER; undefined without TLS. */
  readonly certificate: Uint8Array | undefined
}

/**
 * Connects, and encrypts as the sslmode says.
 *
 * @param former the way of a connection beside which this is a second one: the same server is meant, and what is
 * encrypted there is not sent in the clear here
 */
export async function openStream(resolved: ResolvedConnection, attempt: Attempt, former?: Route): Promise<OpenStream> {
  const { stream, endpoint } = await dial(resolved, attempt, former?.endpoint)
  if (resolved.tls === undefined || former?.encrypted === false) {
    return { stream, route: { endpoint, encrypted: false }, certificate: undefined }
  }
  const sslmode = former?.encrypted && resolved.sslmode === 'prefer' ? 'require' : resolved.sslmode
  const secured = await secure(stream, { description: resolved.description, options: resolved.tls, sslmode }, attempt)
  return {
    stream: secured ?? stream,
    route: { endpoint, encrypted: secured !== undefined },
    certificate: secured?.getPeerX509Certificate()?.raw,
  }
}
