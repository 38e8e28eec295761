/** Server settings by name, as in postgresql.conf. `null` goes back to the server's own default. */
export type Settings = Readonly<Record<string, string | number | boolean | null>>

/** What every test server runs with, unless the test says otherwise. */
export const defaultSettings: Settings = {
  wal_level: 'logical',
  max_wal_senders: 50,
  max_replication_slots: 50,
  // Two-phase commit is off by default, and PREPARE TRANSACTION fails without it.
  max_prepared_transactions: 20,
  max_connections: 200,
  shared_buffers: '16MB',
  // The data lives as long as one test: nothing here has to survive a power cut.
  fsync: false,
  full_page_writes: false,
  // Autovacuum opens transactions of its own, which move xmin and the WAL position under a test that measures them.
  autovacuum: false,
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_replication_commands: true,
}

/**
 * The text of a postgresql.conf.
 * Quoting doubles the single quote and the backslash: guc-file.l reads both as escapes.
 */
export function renderSettings(settings: Settings): string {
  const lines = Object.entries(settings).flatMap(([name, value]) => {
    if (value === null) return []
    if (!/^[a-z_][a-z0-9_.]*$/i.test(name)) throw new Error(`"${name}" is not the name of a server setting`)
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)
    return [`${name} = '${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`]
  })
  return `${lines.join('\n')}\n`
}

/** Client authentication where a test does not write its own. */
export const defaultHba: readonly string[] = [
  'local all all scram-sha-256',
  'host all all all scram-sha-256',
  'local replication all scram-sha-256',
  'host replication all all scram-sha-256',
]

/**
 * The text of a pg_hba.conf. The first line is ours: a test that locks everybody out must not lock out the provider,
 * which has to see when the reload is done and to create databases.
 */
export function renderHba(superuser: string, lines: readonly string[]): string {
  return `${[`local all "${superuser}" scram-sha-256`, ...lines].join('\n')}\n`
}
