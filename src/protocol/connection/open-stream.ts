import type { Duplex } from 'node:stream'
import type { Attempt } from './attempt.ts'
import type { ResolvedConnection } from './connection-options.ts'
import { dial } from './socket.ts'
import { secure } from './tls.ts'

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
 * @param mustEncrypt `prefer` then means `require`: for a second connection beside one that is encrypted
 */
export async function openStream(
  resolved: ResolvedConnection,
  attempt: Attempt,
  mustEncrypt = false,
): Promise<OpenStream> {
  const stream = await dial(resolved, attempt)
  if (resolved.tls === undefined) return { stream, encrypted: false, certificate: undefined }
  const sslmode = mustEncrypt && resolved.sslmode === 'prefer' ? 'require' : resolved.sslmode
  const secured = await secure(stream, { description: resolved.description, options: resolved.tls, sslmode }, attempt)
  return {
    stream: secured ?? stream,
    encrypted: secured !== undefined,
    certificate: secured?.getPeerX509Certificate()?.raw,
  }
}
