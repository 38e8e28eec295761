import { randomBytes } from 'node:crypto'
import type { AuthenticationMessage } from '../messages/authentication-messages.ts'
import { WalwireError } from '../messages/errors.ts'
import type { ChannelBinding } from './channel-binding.ts'
import { passwordMessage, saslInitialResponse, saslResponse } from './frontend.ts'
import { md5Answer } from './md5.ts'
import {
  type ClientFinal,
  type ClientFirst,
  clientFinal,
  clientFirst,
  readServerFirst,
  verifyServerFinal,
} from './scram.ts'

/** What a server can ask for, as libpq's require_auth names it; `none` is a server that asks for nothing. */
export type AuthenticationMethod = 'none' | 'password' | 'md5' | 'scram-sha-256'

/** Who logs in, and with what. */
export interface Credentials {
  readonly user: string
  /** Asked once, and only if the server wants a password. */
  readonly password: () => Promise<string | undefined>
  /** Methods that the caller accepts; undefined accepts all. */
  readonly accepted: ReadonlySet<AuthenticationMethod> | undefined
  readonly channelBinding: ChannelBindingMode
  /** The hash of the server's certificate; undefined without TLS. See {@link serverEndPoint}. */
  readonly endPoint: Uint8Array | undefined
}

/** Whether SCRAM is tied to the TLS connection; `prefer`: where both sides can. */
export type ChannelBindingMode = 'disable' | 'prefer' | 'require'

/** How far an authentication has come; begins as {@link unauthenticated}. */
export type AuthenticationState =
  | { readonly step: 'begin' }
  | { readonly step: 'password-sent' }
  | { readonly step: 'scram-first-sent'; readonly first: ClientFirst; readonly password: string }
  | { readonly step: 'scram-final-sent'; readonly final: ClientFinal }
  | { readonly step: 'scram-verified' }
  | { readonly step: 'done' }

export const unauthenticated: AuthenticationState = { step: 'begin' }

/** The next state, and what is to be sent, if anything. */
export interface AuthenticationStep {
  readonly state: AuthenticationState
  readonly send: Uint8Array | undefined
}

/**
 * Answers one message of the server. It refuses every message out of order: a server (or what sits in its place) that
 * says AuthenticationOk before it proved that it knows the password gets no session.
 *
 * @param nonce makes SCRAM's nonce; replaced in tests
 * @throws {WalwireError} `auth_failed`, `auth_unsupported`
 */
export async function authenticate(
  state: AuthenticationState,
  message: AuthenticationMessage,
  credentials: Credentials,
  nonce: () => string = randomNonce,
): Promise<AuthenticationStep> {
  switch (message.type) {
    case 'AuthenticationOk':
      if (state.step === 'begin') accept('none', credentials)
      else if (state.step !== 'password-sent' && state.step !== 'scram-verified') throw outOfOrder(message, state)
      return { state: { step: 'done' }, send: undefined }
    case 'AuthenticationCleartextPassword': {
      expectStep(state, 'begin', message)
      accept('password', credentials)
      return { state: { step: 'password-sent' }, send: passwordMessage(await passwordOf(credentials)) }
    }
    case 'AuthenticationMD5Password': {
      expectStep(state, 'begin', message)
      accept('md5', credentials)
      const answer = md5Answer(credentials.user, await passwordOf(credentials), message.salt)
      return { state: { step: 'password-sent' }, send: passwordMessage(answer) }
    }
    case 'AuthenticationSASL': {
      expectStep(state, 'begin', message)
      const { mechanism, binding } = chooseMechanism(message.mechanisms, credentials)
      accept('scram-sha-256', credentials, binding.kind === 'tls-server-end-point')
      const first = clientFirst(nonce(), binding)
      return {
        state: { step: 'scram-first-sent', first, password: await passwordOf(credentials) },
        send: saslInitialResponse(mechanism, first.message),
      }
    }
    case 'AuthenticationSASLContinue': {
      if (state.step !== 'scram-first-sent') throw outOfOrder(message, state)
      const final = await clientFinal(readServerFirst(state.first, message.data), state.password)
      return { state: { step: 'scram-final-sent', final }, send: saslResponse(final.message) }
    }
    case 'AuthenticationSASLFinal':
      if (state.step !== 'scram-final-sent') throw outOfOrder(message, state)
      verifyServerFinal(state.final, message.data)
      return { state: { step: 'scram-verified' }, send: undefined }
    case 'AuthenticationKerberosV5':
      throw unsupported('Kerberos V5')
    case 'AuthenticationSCMCredential':
      throw unsupported('SCM credentials')
    case 'AuthenticationGSS':
    case 'AuthenticationGSSContinue':
      throw unsupported('GSSAPI')
    case 'AuthenticationSSPI':
      throw unsupported('SSPI')
    default:
      return message satisfies never
  }
}

const scramSha256 = 'SCRAM-SHA-256'
const scramSha256Plus = 'SCRAM-SHA-256-PLUS'

function chooseMechanism(
  offered: readonly string[],
  { channelBinding, endPoint }: Credentials,
): { mechanism: string; binding: ChannelBinding } {
  const able = channelBinding !== 'disable' && endPoint !== undefined
  if (able && offered.includes(scramSha256Plus)) {
    return { mechanism: scramSha256Plus, binding: { kind: 'tls-server-end-point', hash: endPoint } }
  }
  if (!offered.includes(scramSha256)) throw unsupported(offered.join(', ') || 'SASL')
  return { mechanism: scramSha256, binding: { kind: able ? 'not-offered' : 'none' } }
}

/** 18 random bytes, which base64 writes without padding; libpq uses as many. */
function randomNonce(): string {
  return randomBytes(18).toString('base64')
}

async function passwordOf(credentials: Credentials): Promise<string> {
  let password: string | undefined
  try {
    password = await credentials.password()
  } catch (cause) {
    throw new WalwireError('auth_failed', {
      what: 'authentication failed',
      why: 'the function that gives the password failed',
      hint: 'see the cause',
      cause,
    })
  }
  if (typeof password === 'string' && password !== '') return password
  throw new WalwireError('auth_failed', {
    what: 'authentication failed',
    why: 'the server wants a password and none was given',
    hint: 'give one in the connection (password, a string or a function), in the URI, in PGPASSWORD, or in ~/.pgpass',
  })
}

/** Refuses what the caller does not want, before a password is given out. */
function accept(method: AuthenticationMethod, credentials: Credentials, bound = false): void {
  const asked = method === 'none' ? 'did not ask for authentication' : `asked for ${method} authentication`
  if (credentials.channelBinding === 'require' && !bound) {
    throw new WalwireError('auth_failed', {
      what: 'the server was refused',
      why: `it ${asked} without channel binding, and channel_binding=require demands it`,
      hint: 'let the server have TLS and scram-sha-256 for this role, with nothing in between that ends TLS, or write channel_binding=prefer',
    })
  }
  if (credentials.accepted === undefined || credentials.accepted.has(method)) return
  throw new WalwireError('auth_failed', {
    what: 'the server was refused',
    why: `it ${asked}, and require_auth allows ${[...credentials.accepted].join(', ') || 'nothing'}`,
    hint: 'check that this is your server and its pg_hba.conf, or change require_auth',
  })
}

function expectStep(
  state: AuthenticationState,
  step: AuthenticationState['step'],
  message: AuthenticationMessage,
): void {
  if (state.step !== step) throw outOfOrder(message, state)
}

function outOfOrder(message: AuthenticationMessage, state: AuthenticationState): WalwireError {
  return new WalwireError('auth_failed', {
    what: 'the server did not prove itself in authentication',
    why: `it sent ${message.type} in step ${state.step}, where that must not come`,
    hint: 'check that host and port are those of your server, and that nothing in between answers in its place',
  })
}

function unsupported(method: string): WalwireError {
  return new WalwireError('auth_unsupported', {
    what: 'the server cannot be logged in to',
    why: `it asks for authentication by ${method}, which walwire does not have`,
    hint: 'let pg_hba.conf offer scram-sha-256, md5, password, trust, peer or cert to this role',
  })
}
