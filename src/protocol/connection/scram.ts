import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { WalwireError } from '../messages/errors.ts'
import type { ChannelBinding } from './channel-binding.ts'
import { saslprep } from './saslprep.ts'

/**
 * The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, step by step: {@link clientFirst}, {@link readServerFirst}, {@link clientFinal},
 * {@link verifyServerFinal}. Each takes what the one before gave; none does I/O.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802 and https://www.rfc-editor.org/rfc/rfc7677
 * @see https://www.postgresql.org/docs/current/sasl-authentication.html
 */

const deriveKey = promisify(pbkdf2)
const noBytes = new Uint8Array(0)

/**
 * The most rounds that a server may ask for. Each costs the client's CPU before it knows who asks; PostgreSQL's default
 * is 4096 (scram_iterations), and this many already take seconds. There is no lower limit but 1, as in libpq: it is the
 * server's stored secret that was made with it.
 */
export const maxScramIterations = 10_000_000

export interface ClientFirst {
  readonly nonce: string
  /** To be sent in SASLInitialResponse: {@link header}, then {@link bare}. */
  readonly message: string
  /** What it says about channel binding. */
  readonly header: string
  /** The rest, which both sides sign. */
  readonly bare: string
  readonly binding: ChannelBinding
}

export interface ServerFirst {
  readonly first: ClientFirst
  /** As it came: it is part of what both sides sign. */
  readonly message: string
  readonly nonce: string
  readonly salt: Uint8Array
  readonly iterations: number
}

export interface ClientFinal {
  /** To be sent in SASLResponse. */
  readonly message: string
  readonly serverSignature: Uint8Array
  /** Whether it holds for this TLS connection alone. */
  readonly bound: boolean
}

/**
 * @param nonce random for each exchange: printable ASCII without a comma
 * @param user stays empty with PostgreSQL, which takes the one in the startup message
 */
export function clientFirst(nonce: string, binding: ChannelBinding = { kind: 'none' }, user = ''): ClientFirst {
  const header = gs2Header(binding)
  const bare = `n=${user},r=${nonce}`
  return { nonce, message: `${header}${bare}`, header, bare, binding }
}

function gs2Header(binding: ChannelBinding): string {
  switch (binding.kind) {
    case 'none':
      return 'n,,'
    case 'not-offered':
      return 'y,,'
    case 'tls-server-end-point':
      return 'p=tls-server-end-point,,'
    default:
      return binding satisfies never
  }
}

const serverFirstText = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]*)(?:,.*)?$/s

/**
 * Reads and checks the server's challenge.
 *
 * @throws {WalwireError} `auth_failed` when the nonce does not continue the client's, or the number of iterations is
 * out of bounds, or the server reports an error (`e=`).
 */
export function readServerFirst(first: ClientFirst, message: string): ServerFirst {
  refuseServerError(message)
  if (message.startsWith('m=')) throw violation('it demands an extension of SCRAM (m=), and none is known')
  const parts = serverFirstText.exec(message)
  const nonce = parts?.[1]
  const salt = parts?.[2]
  const iterationsText = parts?.[3]
  if (nonce === undefined || salt === undefined || iterationsText === undefined) {
    throw violation('its first message is not r=nonce,s=salt,i=iterations')
  }
  if (!nonce.startsWith(first.nonce) || nonce.length === first.nonce.length) {
    throw violation("its nonce does not begin with the client's and add something to it")
  }
  const iterations = Number(iterationsText)
  if (iterations > maxScramIterations) {
    throw violation(`it asks for ${iterationsText} iterations, and at most ${maxScramIterations} are accepted`)
  }
  return { first, message, nonce, salt: Buffer.from(salt, 'base64'), iterations }
}

/** Proves the password, without blocking the event loop for the iterations. */
export async function clientFinal(challenge: ServerFirst, password: string): Promise<ClientFinal> {
  const { header, bare, binding } = challenge.first
  // repeated under the signature, so that nobody in between can have changed what the first message said
  const channel = Buffer.concat([Buffer.from(header), binding.kind === 'tls-server-end-point' ? binding.hash : noBytes])
  const withoutProof = `c=${channel.toString('base64')},r=${challenge.nonce}`
  const authMessage = `${bare},${challenge.message},${withoutProof}`
  const salted = await deriveKey(saslprep(password), challenge.salt, challenge.iterations, 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const clientSignature = hmac(createHash('sha256').update(clientKey).digest(), authMessage)
  const proof = clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0))
  return {
    message: `${withoutProof},p=${Buffer.from(proof).toString('base64')}`,
    serverSignature: hmac(hmac(salted, 'Server Key'), authMessage),
    bound: binding.kind === 'tls-server-end-point',
  }
}

const serverFinalText = /^v=([A-Za-z0-9+/]+={0,2})(?:,.*)?$/s

/**
 * Checks that the server knows the password too (or what it stored of it).
 *
 * @throws {WalwireError} `auth_failed` when it does not.
 */
export function verifyServerFinal(final: ClientFinal, message: string): void {
  refuseServerError(message)
  const text = serverFinalText.exec(message)?.[1]
  if (text === undefined) throw violation('its final message is not v=signature')
  const signature = Buffer.from(text, 'base64')
  if (signature.length !== final.serverSignature.length || !timingSafeEqual(signature, final.serverSignature)) {
    throw violation('its signature is wrong, so it does not know the password')
  }
}

function refuseServerError(message: string): void {
  if (!message.startsWith('e=')) return
  throw new WalwireError('auth_failed', {
    what: 'SCRAM authentication failed',
    why: `the server reported ${JSON.stringify(message.slice(2))}`,
    hint: 'check user and password',
  })
}

function violation(why: string): WalwireError {
  return new WalwireError('auth_failed', {
    what: 'the server did not prove itself in SCRAM authentication',
    why,
    hint: 'check that host and port are those of your server, and that nothing in between answers in its place',
  })
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
