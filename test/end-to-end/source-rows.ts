import postgres from 'postgres'

/** The rows of a table of the source, as the lines of `--values text` have them. */
export async function sourceRows(url: string, table: string): Promise<string[]> {
  const sql = postgres(url, { max: 1, connection: { TimeZone: 'UTC', IntervalStyle: 'postgres', DateStyle: 'ISO' } })
  const columns = await sql`
    SELECT attname AS name FROM pg_attribute
    WHERE attrelid = ${`"${table}"`}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
  const names = columns.map(({ name }) => String(name))
  // %s is the type's own output, as opposed to a cast to text
  const values = names.map((name) => `CASE WHEN "${name}" IS NOT NULL THEN format('%s', "${name}") END`)
  const rows = await sql.unsafe(`SELECT ${values.join(', ')} FROM "${table}"`).values()
  await sql.end()
  return rows.map((row) => JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]])))).sort()
}
