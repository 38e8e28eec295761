import { describe, expect, onTestFinished, test } from 'vitest'
import { Connection, type OpenOptions } from '../../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { expectedSettings } from '../../../src/protocol/connection/session-settings.ts'
import { quoteLiteral } from '../../../src/protocol/messages/quote.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { nowhere } from './connecting.ts'
import { pooler } from './pooler.ts'
import { open, runOnce, value } from './real.ts'

/** Another value than walwire's for every setting of its table: each changes texts, rows, what is said, or waits. */
const others: Readonly<Record<string, string>> = {
  client_encoding: 'LATIN1',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'iso_8601',
  TimeZone: 'Asia/Tokyo',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  search_path: 'public',
  quote_all_identifiers: 'on',
  standard_conforming_strings: 'off',
  row_security: 'on',
  gin_fuzzy_search_limit: '5',
  client_min_messages: 'error',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  default_transaction_read_only: 'on',
  synchronous_commit: 'remote_apply',
  statement_timeout: '1min',
  lock_timeout: '1min',
  idle_in_transaction_session_timeout: '1min',
  idle_session_timeout: '1min',
  transaction_timeout: '1min',
  exit_on_error: 'on',
}

interface Scene {
  readonly url: string
  readonly role: string
  readonly database: string
  readonly sql: (statement: string) => Promise<void>
}

/** A database and a superuser of its own, which go when the test ends. */
async function scene(version: number): Promise<Scene> {
  const server = await sharedServer(version)
  const admin = await server.createDatabase()
  const database = new URL(admin).pathname.slice(1)
  const role = `role_of_${database}`
  const url = new URL(admin)
  url.username = role
  url.password = 'secret'
  await runOnce(admin, `CREATE ROLE ${role} SUPERUSER LOGIN REPLICATION PASSWORD 'secret'`)
  // over another database, whose sessions nothing was set for
  onTestFinished(() => runOnce(server.uri(), `DROP OWNED BY ${role}; DROP ROLE ${role}`))
  return { url: url.href, role, database, sql: (statement) => runOnce(admin, statement) }
}

function otherSettings(version: number): [name: string, value: string][] {
  return [...expectedSettings(version * 10_000).keys()].map((name) => {
    const other = others[name]
    if (other === undefined) throw new Error(`the test has no other value for ${name}`)
    return [name, other]
  })
}

async function setAll(version: number, { sql }: Scene, whose: string): Promise<void> {
  for (const [name, other] of otherSettings(version)) {
    await sql(`ALTER ${whose} SET ${name} = ${name === 'search_path' ? other : quoteLiteral(other)}`)
  }
}

const asOptions = (version: number) =>
  otherSettings(version)
    .map(([name, other]) => `-c ${name}=${other.replaceAll(' ', '\\ ')}`)
    .join(' ')

/** What a session has, by what it says when it is asked one by one. */
async function settingsOf(connection: Connection, version: number): Promise<Record<string, unknown>> {
  const shown: Record<string, unknown> = {}
  for (const name of expectedSettings(version * 10_000).keys()) shown[name] = await value(connection, `SHOW ${name}`)
  return shown
}

const inForce = (version: number) => Object.fromEntries(expectedSettings(version * 10_000))

const kinds: readonly [string, OpenOptions][] = [
  ['an ordinary connection', {}],
  ['a replication connection', { replication: 'database' }],
]

describe.each(testVersions())('PostgreSQL %i', (version) => {
  describe.each(kinds)('%s has the settings of the table', (_, kind) => {
    test.each([
      ['the role', (of: Scene) => setAll(version, of, `ROLE ${of.role}`)],
      ['the database', (of: Scene) => setAll(version, of, `DATABASE ${of.database}`)],
      ['the role in this database', (of: Scene) => setAll(version, of, `ROLE ${of.role} IN DATABASE ${of.database}`)],
    ])('whatever %s has set', async (_, set) => {
      const at = await scene(version)
      await set(at)
      const connection = await open(at.url, kind)
      expect(await settingsOf(connection, version)).toEqual(inForce(version))
      expect(
        await value(connection, "SELECT concat(date '2024-03-02', ' ', 0.1::float8 + 0.2, ' ', '\\x00ff'::bytea)"),
      ).toBe('2024-03-02 0.30000000000000004 \\x00ff')
    })

    test('whatever PGOPTIONS and the caller’s options say', async () => {
      const { url } = await scene(version)
      const env = { PGOPTIONS: asOptions(version) }
      const byEnvironment = await Connection.open(await resolveConnection(url, { ...nowhere, env }), kind)
      expect(await settingsOf(byEnvironment, version)).toEqual(inForce(version))
      await byEnvironment.close()
      const caller = `${asOptions(version)} -c work_mem=8MB`
      const byCaller = await open(`${url}?options=${encodeURIComponent(caller)}`, kind)
      expect(await settingsOf(byCaller, version)).toEqual(inForce(version))
      expect(await value(byCaller, 'SHOW work_mem')).toBe('8MB')
    })

    test('where something in between drops the parameter options', async () => {
      const at = await scene(version)
      await setAll(version, at, `DATABASE ${at.database}`)
      const between = await pooler(at.url, { startup: (parameters) => parameters.delete('options') })
      const connection = await open(between, kind)
      expect(await settingsOf(connection, version)).toEqual(inForce(version))
    })

    test('or is refused, where that shares the server’s sessions and what is set may reach others', async () => {
      const at = await scene(version)
      await setAll(version, at, `DATABASE ${at.database}`)
      const between = await pooler(at.url, { startup: (parameters) => parameters.delete('options'), ownKey: true })
      await expect(open(between, kind)).rejects.toMatchObject({
        code: 'settings_not_in_force',
        why: expect.stringMatching(/DateStyle is "SQL, DMY" and not "ISO, MDY".*; and \d+ more/),
        hint: expect.stringContaining('pooler'),
      })
    })

    test('also through a pooler that passes everything on', async () => {
      const { url } = await scene(version)
      const connection = await open(await pooler(url, { ownKey: true }), kind)
      expect(await settingsOf(connection, version)).toEqual(inForce(version))
    })

    test.runIf(version >= 17)('whatever a login trigger sets (from PostgreSQL 17)', async () => {
      const at = await scene(version)
      const calls = otherSettings(version)
        .filter(([name]) => name !== 'client_encoding')
        .map(([name, other]) => `PERFORM set_config('${name}', ${quoteLiteral(other)}, false);`)
      await at.sql(`CREATE FUNCTION public.on_login() RETURNS event_trigger LANGUAGE plpgsql AS
        $$BEGIN IF session_user = '${at.role}' THEN ${calls.join(' ')} END IF; END$$`)
      await at.sql('CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION public.on_login()')
      const connection = await open(at.url, kind)
      expect(await settingsOf(connection, version)).toEqual(inForce(version))
    })

    test('and ends when one of them is changed in the middle of it', async () => {
      const { url } = await scene(version)
      const connection = await open(url, kind)
      const failure = {
        code: 'settings_not_in_force',
        why: expect.stringContaining('TimeZone is "Asia/Tokyo" and not "UTC"'),
      }
      await expect(connection.query("SET TimeZone = 'Asia/Tokyo'")).rejects.toMatchObject(failure)
      expect(await connection.ended).toMatchObject(failure)
    })

    test('and those of its opener, over them', async () => {
      const { url } = await scene(version)
      const settings = { 'walwire.test': "a b\\c'd", datestyle: 'German, DMY' }
      const connection = await open(`${url}?options=-c%20datestyle%3DSQL`, { ...kind, settings })
      expect(await value(connection, 'SHOW walwire.test')).toBe(settings['walwire.test'])
      expect(await value(connection, "SELECT date '2024-03-02' || ''")).toBe('02.03.2024')
    })

    test('and the role that logged in, unless its opener names another', async () => {
      const at = await scene(version)
      await at.sql(`ALTER ROLE ${at.role} SET role = pg_monitor`)
      const connection = await open(at.url, kind)
      expect(await value(connection, 'SELECT current_user')).toBe(at.role)
      const other = await open(`${at.url}?options=-c%20role%3Dpg_monitor`, kind)
      expect(await value(other, 'SELECT current_user')).toBe('pg_monitor')
    })
  })

  test('a replication connection that comes as an ordinary one is refused by name', async () => {
    const { url } = await scene(version)
    const between = await pooler(url, { startup: (parameters) => parameters.delete('replication') })
    await expect(open(between, { replication: 'database' })).rejects.toMatchObject({
      code: 'not_replication',
      retryable: false,
      hint: expect.stringContaining('pooler'),
    })
  })
})
