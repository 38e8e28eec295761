import { sessionSettings } from '../../../src/protocol/connection/session-settings.ts'
import { commandComplete, dataRow, readyForQuery, rowDescription } from './server-messages.ts'

/** What a fake session says of itself; the rest is as it is asked for. */
export interface FakeSession {
  readonly processId?: number
  readonly backendType?: string | null
  readonly settings?: Readonly<Record<string, string | null>>
}

/** The rows that answer a look at a session's settings, one for each statement that gives any; undefined for another query. */
export function lookRows(sql: string, session: FakeSession = {}): (string | null)[][] | undefined {
  if (!sql.includes('pg_catalog.current_setting(')) return undefined
  const { processId = 4711, backendType = null, settings = {} } = session
  const found: Readonly<Record<string, string | null>> = { ...sessionSettings, transaction_timeout: '0', ...settings }
  const settingOf = (name = '') => found[name] ?? null
  const inside = [...sql.matchAll(/current_setting\('([^']+)', true\)/g)].map(([, name]) => settingOf(name))
  const behind = [...sql.matchAll(/SHOW (\w+)/g)].map(([, name]) => [settingOf(name)])
  return [[String(processId), backendType, ...inside], ...behind]
}

/** The same as a server's messages. @throws Error for another query */
export function answerToLook(sql: string, session?: FakeSession): Uint8Array {
  const rows = lookRows(sql, session)
  if (rows === undefined) throw new Error(`the client did not ask for its settings, but: ${sql}`)
  const results = rows.map((row) =>
    Buffer.concat([rowDescription(...row.map(() => '?')), dataRow(...row), commandComplete('X')]),
  )
  return Buffer.concat([...results, readyForQuery()])
}
