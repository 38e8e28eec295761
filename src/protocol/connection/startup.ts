import type { SessionOptions, TargetSessionAttrs } from './connection-options.ts'
import { sessionSettings } from './session-settings.ts'

/** What a session is opened for. */
export interface SessionWishes {
  readonly replication?: 'database' | undefined
  /** Where the caller's connection names none. */
  readonly applicationName?: string | undefined
  /** Over {@link sessionSettings}; each value as `current_setting` gives it. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /**
   * The encoding that text is sent in, by what the server says that the database has. Default UTF8. `SQL_ASCII` has the
   * server send whatever bytes are there.
   */
  readonly clientEncoding?: ((serverEncoding: string) => string) | undefined
}

/**
 * Who reads is who logs in: a role that ALTER ROLE or ALTER DATABASE switches to lacks the right to replicate, as a rule.
 * The caller's own options may name one, since it can only be refused what it may not read.
 */
const ownRole = '-c role=none'

/**
 * What the server has for a session by default decides whether it is the one that is meant: it says so at once, and what
 * walwire wants of it is set afterwards, as what something else changed is.
 */
const askedOfServer = 'default_transaction_read_only'
const asksForReadOnly: ReadonlySet<TargetSessionAttrs> = new Set(['read-write', 'read-only'])

/**
 * The parameters of the startup message; `client_encoding=UTF8` comes with the message itself.
 * The caller's own options come first, so that walwire's win.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function startupParameters(session: SessionOptions, wishes: SessionWishes): Record<string, string> {
  const isAsked = (name: string) => name !== askedOfServer || !asksForReadOnly.has(session.targetSessionAttrs)
  const settings = Object.entries({ ...sessionSettings, ...wishes.settings }).filter(([name]) => isAsked(name))
  const own = settings.map(([name, value]) => `-c ${name}=${escapeOption(value)}`)
  return {
    user: session.user,
    database: session.dbname,
    ...(wishes.replication === undefined ? {} : { replication: wishes.replication }),
    application_name: session.applicationName ?? wishes.applicationName ?? session.fallbackApplicationName ?? 'walwire',
    options: [ownRole, ...(session.options === undefined ? [] : [session.options]), ...own].join(' '),
  }
}

/**
 * The server cuts options at white space, and a backslash makes the next character an ordinary one.
 *
 * @see PG18: src/backend/utils/init/postinit.c pg_split_opts
 */
function escapeOption(value: string): string {
  return value.replace(/[\\\s]/g, '\\$&')
}

/**
 * The version as one number, as the server itself counts: 170010 for 17.10, 90624 for 9.6.24; betas and builds of
 * distributions count as their release. 0 when the text has no number.
 */
export function serverVersionNumber(text: string): number {
  const parts = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text)
  const [major, second, third] = [Number(parts?.[1] ?? 0), Number(parts?.[2] ?? 0), Number(parts?.[3] ?? 0)]
  return major >= 10 ? major * 10_000 + second : major * 10_000 + second * 100 + third
}
