import type { Source } from './source.ts'

/** Settings under which a server prints values in another form, refuses what a feed asks, or gives up on it. */
function otherSettings(version: number): Readonly<Record<string, string>> {
  return {
    datestyle: "'SQL, DMY'",
    intervalstyle: 'sql_standard',
    bytea_output: 'escape',
    extra_float_digits: '-5',
    timezone: "'Asia/Tokyo'",
    client_encoding: 'LATIN1',
    standard_conforming_strings: 'off',
    quote_all_identifiers: 'on',
    search_path: 'nowhere',
    xmlbinary: 'hex',
    xmloption: 'document',
    row_security: 'on',
    default_transaction_read_only: 'on',
    default_transaction_isolation: 'serializable',
    default_transaction_deferrable: 'on',
    statement_timeout: '1',
    lock_timeout: '1',
    idle_in_transaction_session_timeout: '1',
    idle_session_timeout: '1',
    ...(version >= 17 ? { transaction_timeout: '1' } : {}),
  }
}

/** A role for which the settings of its own, of its database, or of both are other ones. */
export interface OtherSettings extends AsyncDisposable {
  /** The source's database, as that role. */
  readonly url: string
}

/** Gives a source's database and a new role other settings, which end with this. */
export async function withOtherSettings(source: Source, version: number): Promise<OtherSettings> {
  const settings = otherSettings(version)
  const database = new URL(source.url).pathname.slice(1)
  const role = `settled_${source.slot}`
  const url = new URL(source.url)
  url.username = role
  await source.write(`CREATE ROLE ${role} SUPERUSER LOGIN REPLICATION PASSWORD '${url.password}'`)
  for (const [index, [name, value]] of Object.entries(settings).entries()) {
    const [whose] = [`DATABASE ${database}`, `ROLE ${role}`, `ROLE ${role} IN DATABASE ${database}`].slice(index % 3)
    await source.write(`ALTER ${whose} SET ${name} = ${value}`)
  }
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await source.write(...Object.keys(settings).map((name) => `ALTER DATABASE ${database} RESET ${name}`))
      await source.write(`DROP ROLE ${role}`)
    },
  }
}
