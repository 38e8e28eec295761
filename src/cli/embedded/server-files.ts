/** Server settings by name, as in postgresql.conf. `null` goes back to the server's own default. */
export type Settings = Readonly<Record<string, string | number | boolean | null>>

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

/** Client authentication that lets nobody in without a password. */
export const scramHba: readonly string[] = [
  'local all all scram-sha-256',
  'host all all all scram-sha-256',
  'local replication all scram-sha-256',
  'host replication all all scram-sha-256',
]

/**
 * The text of a pg_hba.conf. The first line is ours: whoever writes the others must not lock out the superuser, who
 * sees when a reload is done, and makes databases.
 */
export function renderHba(superuser: string, lines: readonly string[]): string {
  return `${[`local all "${superuser}" scram-sha-256`, ...lines].join('\n')}\n`
}
