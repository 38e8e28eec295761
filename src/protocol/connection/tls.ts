import type { Duplex } from 'node:stream'
import { type TLSSocket, type ConnectionOptions as TlsOptions, connect as tlsConnect } from 'node:tls'
import { WalwireError } from '../messages/errors.ts'
import type { Attempt } from './attempt.ts'
import type { SslMode } from './connection-options.ts'
import { sslRequest } from './frontend.ts'
import { codeOf, messageOf, readAheadBytes } from './socket.ts'

/** How a stream is to be encrypted. */
export interface Encryption {
  /** Names the server in errors. */
  readonly description: string
  readonly options: TlsOptions
  readonly sslmode: SslMode
}

/**
 * Asks the server for TLS and does the handshake.
 *
 * Only `prefer` goes on without, and only when the server says that it has none. A TLS that was begun and failed is
 * never retried in plaintext (libpq would): whoever sits in between could make it fail.
 *
 * @returns the encrypted stream, or undefined where `prefer` goes on without
 * @throws {WalwireError} `tls_refused`, `tls_failed`, `not_postgres`, `connect_failed`
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
export async function secure(stream: Duplex, encryption: Encryption, attempt: Attempt): Promise<TLSSocket | undefined> {
  const { description, sslmode } = encryption
  attempt.step = 'waiting for the answer to the request for TLS'
  const answer = await ask(stream, description)
  // The answer is one byte, and the next word is the client's. More bytes were put there by somebody who wants them
  // read as if they had come encrypted (CVE-2021-23222).
  const injected = answer.length > 1 || stream.readableLength > 0
  switch (answer[0]) {
    case 0x53: // S
      if (injected) throw unencryptedBytes(description)
      attempt.step = 'in the TLS handshake'
      return handshake(stream, encryption, attempt)
    case 0x4e: // N
      if (injected) throw unencryptedBytes(description)
      if (sslmode === 'prefer') return undefined
      throw new WalwireError('tls_refused', {
        what: `could not connect to ${description}`,
        why: `the server has no TLS, and sslmode ${sslmode} demands it`,
        hint: 'switch ssl on in the server, or, on a network that you trust, write sslmode=disable',
      })
    case 0x45: // E: an ErrorResponse, which nobody has signed; its text is not shown (CVE-2024-10977)
      throw new WalwireError('connect_failed', {
        what: `could not connect to ${description}`,
        why: 'the server answered the request for TLS with an error',
        hint: "see the server's log; it may have too many connections",
      })
    default:
      throw notPostgres(description, `it answered the request for TLS with ${printable(answer)}`)
  }
}

/** @param why what the other side did instead */
export function notPostgres(description: string, why: string, cause?: unknown): WalwireError {
  return new WalwireError('not_postgres', {
    what: `what listens for ${description} is not a Postgres server`,
    why,
    hint: 'check host and port',
    cause,
  })
}

/** Sends the request and gives the first chunk of the answer; the stream is paused before another can come out of it. */
function ask(stream: Duplex, description: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: unknown): void => {
      release()
      stream.pause()
      resolve(chunk instanceof Uint8Array ? chunk : new Uint8Array(0))
    }
    const onError = (cause: Error): void => {
      release()
      reject(closedInstead(description, ` (${messageOf(cause)})`, cause))
    }
    const onEnd = (): void => {
      release()
      reject(closedInstead(description, '', undefined))
    }
    const release = (): void => {
      stream.removeListener('data', onData)
      stream.removeListener('error', onError)
      stream.removeListener('end', onEnd)
      stream.removeListener('close', onEnd)
    }
    stream.on('data', onData)
    stream.on('error', onError)
    stream.on('end', onEnd)
    stream.on('close', onEnd)
    stream.write(sslRequest())
  })
}

function closedInstead(description: string, details: string, cause: unknown): WalwireError {
  return new WalwireError('connect_failed', {
    what: `could not connect to ${description}`,
    why: `the connection was closed instead of an answer to the request for TLS${details}`,
    hint: "check that host and port are those of a Postgres server, and see the server's log",
    cause,
  })
}

/** An option that tls.connect takes and its types do not name. */
const readAhead = { highWaterMark: readAheadBytes }

function handshake(stream: Duplex, { description, options }: Encryption, attempt: Attempt): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let secured: TLSSocket
    try {
      secured = attempt.own(tlsConnect({ ...readAhead, ...options, socket: stream }))
    } catch (error) {
      reject(tlsFailed(description, error))
      return
    }
    const onError = (error: Error): void => reject(tlsFailed(description, error))
    const onClose = (): void => reject(tlsFailed(description, new Error('the connection was closed')))
    secured.once('error', onError)
    secured.once('close', onClose)
    secured.once('secureConnect', () => {
      secured.removeListener('error', onError)
      secured.removeListener('close', onClose)
      resolve(secured)
    })
  })
}

/** The error for a handshake that failed, also where TLS 1.3 says so only afterwards (a refused client certificate). */
export function tlsFailed(description: string, cause: unknown): WalwireError {
  return new WalwireError('tls_failed', {
    what: `could not connect to ${description} over TLS`,
    why: messageOf(cause),
    hint: hintFor(codeOf(cause)),
    // a reset in the middle of the handshake says nothing about the configuration
    retryable: codeOf(cause) === 'ECONNRESET' ? true : undefined,
    cause,
  })
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return "connect by a name that is in the server's certificate, or write sslmode=verify-ca to not check the name"
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return "renew the server's certificate, and check both clocks"
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return "give the root certificate that signed the server's in sslrootcert"
    default:
      return "check sslrootcert, sslcert, sslkey and the versions of TLS on both sides, and see the server's log"
  }
}

function unencryptedBytes(description: string): WalwireError {
  return new WalwireError('tls_failed', {
    what: `could not connect to ${description}`,
    why: 'unencrypted bytes came together with the answer to the request for TLS',
    hint: 'this is no Postgres server, or somebody in between inserts data; check host, port and network',
  })
}

function printable(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'nothing'
  return JSON.stringify(String.fromCharCode(...bytes.subarray(0, 20)))
}
