import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { builtinTypes, semicolonDelimited } from '../../../src/decoder/types/builtin.ts'
import { sharedServer, testVersions } from '../../server/index.ts'

describe.each(testVersions())('PostgreSQL %i', (version) => {
  test('has exactly the built-in types of the table', async () => {
    const server = await sharedServer(version)
    const sql = postgres(server.uri('postgres'), { max: 1 })
    // true arrays stand beside their elements; pseudo types and the row types of system tables are no entries
    const types = await sql`
      SELECT t.oid, t.typarray, t.typname, t.typdelim
      FROM pg_catalog.pg_type t
      WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.oid < 16384 AND t.typtype <> 'p' AND t.typrelid = 0
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
      ORDER BY t.oid`
    await sql.end()
    expect(types.map(({ oid, typarray, typname }) => [oid, typarray, typname])).toEqual(
      builtinTypes.map(([oid, arrayOid, name]) => [oid, arrayOid, name]),
    )
    expect(types.filter(({ typdelim }) => typdelim !== ',').map(({ oid }) => oid)).toEqual([semicolonDelimited])
  })
})
