import type { ResolvedConnection } from './connection-options.ts'

/**
 * What walwire fixes in every session, so that the roles' and databases' own settings change neither a value's text nor
 * the rows that are seen. It goes into the startup packet, which wins over ALTER ROLE and ALTER DATABASE.
 *
 * - Text forms: dates as ISO, intervals as postgres, floats shortest-exact, bytea in hexadecimal, times in UTC.
 * - search_path is empty: types' names come with their schema, and no operator is anybody's own. Names that regclass and
 *   its like print are quoted only where they must be.
 * - row_security off: a policy that hides rows from a COPY becomes an error instead.
 * - No timeouts that end a session which waits for its consumer.
 */
export const sessionSettings: Readonly<Record<string, string>> = {
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  TimeZone: 'UTC',
  search_path: '',
  quote_all_identifiers: 'off',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
}

/** What a session is opened for. */
export interface SessionWishes {
  readonly replication?: 'database' | undefined
  /** Where the caller's connection names none. */
  readonly applicationName?: string | undefined
  /** Over {@link sessionSettings}. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/**
 * The parameters of the startup message; `client_encoding=UTF8` comes with the message itself.
 * The caller's own options come first, so that walwire's win.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function startupParameters(resolved: ResolvedConnection, wishes: SessionWishes): Record<string, string> {
  const own = Object.entries({ ...sessionSettings, ...wishes.settings }).map(
    ([name, value]) => `-c ${name}=${escapeOption(value)}`,
  )
  return {
    user: resolved.user,
    database: resolved.dbname,
    ...(wishes.replication === undefined ? {} : { replication: wishes.replication }),
    application_name:
      resolved.applicationName ?? wishes.applicationName ?? resolved.fallbackApplicationName ?? 'walwire',
    options: [...(resolved.options === undefined ? [] : [resolved.options]), ...own].join(' '),
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
