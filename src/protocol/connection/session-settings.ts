import { WalwireError } from '../messages/errors.ts'
import { quoteLiteral } from '../messages/quote.ts'

/** One setting that walwire fixes in every session. */
export interface SessionSetting {
  readonly name: string
  /** As `current_setting` gives it, to the letter: so it is asked for, and so it must be found. */
  readonly value: string
  /** What it would change otherwise; completes "it decides …". */
  readonly decides: string
  /** The first version of the server that knows it. The startup packet cannot have it: it is sent before that is known. */
  readonly since?: number
}

/**
 * What walwire fixes in every session: whatever changes a value's text, which rows are seen, what is said, the isolation,
 * or how long something may wait. Roles, databases, PGOPTIONS and the caller's own options may say otherwise.
 *
 * All of them go into the startup packet, which wins over ALTER ROLE and ALTER DATABASE. That is not enough: something in
 * between may drop it, and a login trigger runs after it. So each session is looked at before anything else is asked.
 *
 * Not here, since they are the caller's to choose and change none of that: lc_messages (no decision hangs on the text of
 * a message), lc_monetary (a money's text is the database's), wal_sender_timeout (it is read, and lived with).
 *
 * @see PG14 to PG18: src/backend/utils/misc/guc.c, guc_tables.c
 */
export const settingsTable: readonly SessionSetting[] = [
  { name: 'client_encoding', value: 'UTF8', decides: 'the bytes of a text' },
  { name: 'DateStyle', value: 'ISO, MDY', decides: 'how dates are written' },
  { name: 'IntervalStyle', value: 'postgres', decides: 'how intervals are written' },
  { name: 'TimeZone', value: 'UTC', decides: 'how times with a zone are written' },
  { name: 'extra_float_digits', value: '3', decides: 'whether all digits of a float are written' },
  { name: 'bytea_output', value: 'hex', decides: 'how bytea is written' },
  // names come with their schema, and no operator or function is anybody's own
  { name: 'search_path', value: '', decides: 'whose types, functions and operators are meant' },
  { name: 'quote_all_identifiers', value: 'off', decides: 'how regclass and its like are written' },
  { name: 'standard_conforming_strings', value: 'on', decides: "how walwire's statements are read" },
  // a policy that hides rows from a copy is an error then
  { name: 'row_security', value: 'off', decides: 'whether policies hide rows in silence' },
  { name: 'gin_fuzzy_search_limit', value: '0', decides: "whether a row filter's index leaves out rows" },
  { name: 'client_min_messages', value: 'warning', decides: 'whether the server says that a publication is missing' },
  {
    name: 'default_transaction_isolation',
    value: 'read committed',
    decides: 'what a query sees, and serializable is refused by a standby',
  },
  { name: 'default_transaction_deferrable', value: 'off', decides: 'whether a query waits for a safe snapshot' },
  { name: 'default_transaction_read_only', value: 'off', decides: 'whether a publication can be made' },
  { name: 'synchronous_commit', value: 'local', decides: 'whether a commit waits for a standby, which may be walwire' },
  { name: 'statement_timeout', value: '0', decides: 'how long a copy may take' },
  { name: 'lock_timeout', value: '0', decides: 'how long a lock is waited for' },
  { name: 'idle_in_transaction_session_timeout', value: '0', decides: 'how long a snapshot may be held' },
  { name: 'idle_session_timeout', value: '0', decides: 'how long a connection may be silent' },
  { name: 'transaction_timeout', value: '0', decides: 'how long a snapshot may be held', since: 170_000 },
  { name: 'exit_on_error', value: 'off', decides: 'whether a refused statement ends the session' },
]

/** The settings of {@link settingsTable} that every supported server knows, by name. */
export const sessionSettings: Readonly<Record<string, string>> = Object.fromEntries(
  settingsTable.filter(({ since }) => since === undefined).map(({ name, value }) => [name, value]),
)

/** Name to value: what a session must have. */
export type ExpectedSettings = ReadonlyMap<string, string>

/** What a session of a server of this version must have, with the caller's own laid over. */
export function expectedSettings(
  serverVersion: number,
  own: Readonly<Record<string, string | undefined>> = {},
): ExpectedSettings {
  const expected = new Map<string, string>()
  for (const { name, value, since = 0 } of settingsTable) if (serverVersion >= since) expected.set(name, value)
  for (const [name, value] of Object.entries(own)) if (value !== undefined) expected.set(knownName(name), value)
  return expected
}

/** Settings' names are the same in capitals. */
function knownName(name: string): string {
  return settingsTable.find((setting) => setting.name.toLowerCase() === name.toLowerCase())?.name ?? name
}

/** What a look at a session found. */
export interface SessionLook {
  /** The backend that answered. */
  readonly processId: number
  /** `walsender`, `client backend` …; undefined where the role may not see it. */
  readonly backendType: string | undefined
  /** By name; null for a setting that the server does not know. */
  readonly found: ReadonlyMap<string, string | null>
}

/** Settings whose own value would end the look: they are shown behind it. */
const lookEnders = ['statement_timeout', 'transaction_timeout']

/**
 * Asks for all settings at once. The transaction is one that every server gives, whatever the session's defaults are: a
 * standby refuses the first query of a serializable one (0A000).
 */
export function lookQuery(expected: ExpectedSettings): string {
  const [inside, behind] = lookedAt(expected)
  const values = inside.map((name) => `pg_catalog.current_setting(${quoteLiteral(name)}, true)`)
  const own = 'pg_catalog.pg_backend_pid()'
  return [
    ...plainTransaction(expected, [
      `SELECT ${own}, (SELECT backend_type FROM pg_catalog.pg_stat_get_activity(${own})), ${values.join(', ')}`,
    ]),
    ...behind.map((name) => `SHOW ${name}`),
  ].join('; ')
}

/** Reads what {@link lookQuery} was answered: one result for each of its statements that gave rows. */
export function readLook(
  expected: ExpectedSettings,
  results: readonly { readonly rows: readonly (readonly (string | null)[])[] }[],
): SessionLook {
  const [inside, behind] = lookedAt(expected)
  const [look = [], ...shown] = results.flatMap(({ rows }) => rows)
  const [processId, backendType, ...values] = look
  const found = new Map<string, string | null>()
  for (const [index, name] of inside.entries()) found.set(name, values[index] ?? null)
  for (const [index, name] of behind.entries()) found.set(name, shown[index]?.[0] ?? null)
  return { processId: Number(processId ?? 0), backendType: backendType ?? undefined, found }
}

function lookedAt(expected: ExpectedSettings): [inside: string[], behind: string[]] {
  const names = [...expected.keys()]
  return [names.filter((name) => !lookEnders.includes(name)), names.filter((name) => lookEnders.includes(name))]
}

/** Sets what a look found to be otherwise, for the rest of the session. */
export function repairQuery(expected: ExpectedSettings, names: readonly string[]): string {
  const calls = names.map((name) => {
    const value = expected.get(name) ?? ''
    return `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`
  })
  return plainTransaction(expected, [`SELECT ${calls.join(', ')}`]).join('; ')
}

function plainTransaction(expected: ExpectedSettings, statements: readonly string[]): string[] {
  return [
    'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE',
    ...lookEnders.filter((name) => expected.has(name)).map((name) => `SET LOCAL ${name} = 0`),
    ...statements,
    'COMMIT',
  ]
}

/** The names of settings that are not as they must be. */
export function notInForce(expected: ExpectedSettings, { found }: SessionLook): string[] {
  return [...expected].flatMap(([name, value]) => (found.get(name) === value ? [] : [name]))
}

const shownSettings = 4

/**
 * The error for settings that are not in force when a session begins.
 *
 * @param direct whether the backend that answers is the one that the session was promised: nothing in between shares it
 */
export function settingsNotInForce(
  description: string,
  expected: ExpectedSettings,
  look: SessionLook,
  direct: boolean,
): WalwireError {
  const names = notInForce(expected, look)
  const parts = names.slice(0, shownSettings).map((name) => deviation(name, look.found.get(name), expected.get(name)))
  const more = names.length - parts.length
  return new WalwireError('settings_not_in_force', {
    what: `the session with ${description} has other settings than it was opened with`,
    why: parts.join('; ') + (more > 0 ? `; and ${more} more` : ''),
    hint: direct
      ? 'something sets them after a session began, and again after walwire did: look at login event triggers and at session_preload_libraries'
      : 'a connection pooler or proxy in between does not pass the startup parameter options on: connect to the server itself',
  })
}

/** The error for one that changes in the middle of a session, which the server reports by itself. */
export function settingChanged(description: string, name: string, value: string, expected: string): WalwireError {
  return new WalwireError('settings_not_in_force', {
    what: `the session with ${description} has other settings than it was opened with`,
    why: `in the middle of it ${deviation(name, value, expected)}`,
    hint: 'a connection pooler in between may have exchanged the session, or a function set it: connect to the server itself',
  })
}

function deviation(name: string, found: string | null | undefined, expected: string | undefined): string {
  const decides = settingsTable.find((setting) => setting.name === name)?.decides
  const reason = decides === undefined ? '' : ` (it decides ${decides})`
  return `${name} is ${JSON.stringify(found ?? null)} and not ${JSON.stringify(expected)}${reason}`
}
