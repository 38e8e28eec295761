import postgres from 'postgres'

/** Runs one statement on a connection of its own; answers the first value of the first row as text, or ''. */
export async function queryOnce(target: string | SocketTarget, sql: string): Promise<string> {
  const options = { max: 1, fetch_types: false, connect_timeout: 20, onnotice: () => {} }
  // An idle connection that stayed would hold up a smart shutdown, hence one per statement.
  const client =
    typeof target === 'string'
      ? // The driver takes the name of the database from a URI without decoding it.
        postgres(target, { ...options, database: decodeURIComponent(new URL(target).pathname.slice(1)) })
      : postgres({ ...target, ...options })
  try {
    const [row] = await client.unsafe(sql).values()
    const value: unknown = row?.[0]
    return value === undefined || value === null ? '' : String(value)
  } finally {
    await client.end({ timeout: 5 })
  }
}

/** Drops a database with its slots, and ends who uses it. One that is gone already is no error. */
export async function dropDatabase(admin: string, uri: string): Promise<void> {
  const name = decodeURIComponent(new URL(uri).pathname.slice(1))
  const literal = `'${name.replaceAll("'", "''")}'`
  // FORCE comes too late for a slot that streams, and what is prepared would stand in the way of both.
  await queryOnce(
    admin,
    `SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = ${literal}`,
  )
  await queryOnce(admin, `DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`)
}

export interface SocketTarget {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
