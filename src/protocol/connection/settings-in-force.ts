import { WalwireError } from '../messages/errors.ts'
import type { Session } from './session.ts'
import {
  type ExpectedSettings,
  lookQuery,
  notInForce,
  readLook,
  repairQuery,
  type SessionLook,
  settingsNotInForce,
} from './session-settings.ts'
import { readText, runQuery } from './simple-query.ts'

/**
 * Sees to it that a session has the settings that it must have, before the first value is read, and that it keeps them:
 * from then on a change that the server reports ends the session.
 *
 * Where something of the server itself changed them (a login trigger), they are set once more and looked at again. Where
 * another process answers than the session was promised, a pooler stands in between: what is set there may reach other
 * clients' sessions, and another backend may answer next time, so nothing is set and the session is refused.
 *
 * @param processId of BackendKeyData; undefined where there was none
 * @param replication whether this must be a walsender
 * @returns the backend that answers, by its process ID
 * @throws {WalwireError} `settings_not_in_force`, `not_replication`; of an ErrorResponse
 */
export async function putSettingsInForce(
  session: Session,
  expected: ExpectedSettings,
  processId: number | undefined,
  replication: boolean,
): Promise<number> {
  const look = async (): Promise<SessionLook> =>
    readLook(expected, await runQuery(session, lookQuery(expected), readText))
  let seen = await look()
  if (replication && seen.backendType !== undefined && seen.backendType !== 'walsender') {
    throw notReplication(session.description, seen.backendType)
  }
  const direct = seen.processId === processId
  const otherwise = notInForce(expected, seen)
  if (otherwise.length > 0 && direct) {
    await runQuery(session, repairQuery(expected, otherwise), readText)
    seen = await look()
  }
  if (notInForce(expected, seen).length > 0) throw settingsNotInForce(session.description, expected, seen, direct)
  session.keepSettings(expected)
  return seen.processId
}

function notReplication(description: string, backendType: string): WalwireError {
  return new WalwireError('not_replication', {
    what: `the session with ${description} is no replication connection`,
    why: `replication was asked for when it began, and a ${backendType} answers`,
    hint: 'a connection pooler or proxy in between drops the startup parameter replication: connect to the server itself',
  })
}
