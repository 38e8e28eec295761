import type { AuthenticationMessage } from '../messages/authentication-messages.ts'
import type { BackendMessage } from '../messages/backend.ts'
import { ProtocolError } from '../messages/errors.ts'
import type { BackendKeyData } from '../messages/session-messages.ts'
import type { Attempt } from './attempt.ts'
import { authenticate, unauthenticated } from './authentication.ts'
import { serverEndPoint } from './channel-binding.ts'
import type { ResolvedServer } from './connection-options.ts'
import { startupMessage } from './frontend.ts'
import type { Session } from './session.ts'
import { type SessionWishes, startupParameters } from './startup.ts'
import { notPostgres } from './tls.ts'

/**
 * Sends the startup message, authenticates, and waits for the session to be ready.
 *
 * @param certificate the server's, in DER, where there is TLS
 * @returns what a cancel request needs, if the server gave it
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function logIn(
  session: Session,
  server: ResolvedServer,
  wishes: SessionWishes,
  certificate: Uint8Array | undefined,
  attempt: Attempt,
): Promise<BackendKeyData | undefined> {
  attempt.step = 'waiting for authentication to begin'
  session.write(startupMessage(startupParameters(server, wishes)))
  const credentials = {
    user: server.user,
    password: server.password,
    accepted: server.acceptedMethods,
    channelBinding: server.channelBinding,
    endPoint: certificate === undefined ? undefined : serverEndPoint(certificate),
  }
  let state = unauthenticated
  let key: BackendKeyData | undefined
  let message = await firstMessage(session, server)
  for (;;) {
    if (message.type === 'ErrorResponse') {
      const bound = state.step === 'scram-final-sent' && state.final.bound && message.fields.code === '28000'
      throw session.serverError(
        `could not log in at ${server.description}`,
        message.fields,
        bound ? unbound : undefined,
      )
    } else if (isAuthentication(message)) {
      attempt.step = 'logging in'
      const step = await authenticate(state, message, credentials)
      state = step.state
      if (step.send) session.write(step.send)
      if (state.step === 'done') attempt.step = 'waiting for the session to be ready'
    } else if (message.type === 'NegotiateProtocolVersion') {
      // 3.0 without an option was asked for, so there is nothing that it could be without
      if (message.unrecognizedOptions.length !== 0) throw session.outOfOrder(message)
    } else if (state.step !== 'done') {
      throw session.outOfOrder(message)
    } else if (message.type === 'BackendKeyData') {
      key = message
    } else if (message.type === 'ReadyForQuery') {
      session.becomeIdle()
      return key
    } else {
      throw session.outOfOrder(message)
    }
    message = await session.receive()
  }
}

/** Where the server saw another certificate than the client did. */
const unbound =
  'something between client and server ends TLS; if it is yours, write channel_binding=disable, if not, do not log in'

/** The first message shows whether this is a server at all. */
async function firstMessage(session: Session, server: ResolvedServer): Promise<BackendMessage> {
  try {
    return await session.receive()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw notPostgres(server.description, 'it answered with something that is not a message of the protocol', error)
  }
}

function isAuthentication(message: BackendMessage): message is AuthenticationMessage {
  return message.type.startsWith('Authentication')
}
