import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { type BuiltinType, builtinRanges, builtinTypes } from '../../../src/decoder/types/builtin.ts'
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
    const scalars: readonly BuiltinType[] = builtinTypes
    const known = [...scalars, ...builtinRanges, ...builtinRanges.map(({ multirange }) => ({ ...multirange }))]
    expect(types.map(({ oid, typarray, typname, typdelim }) => [oid, typarray, typname, typdelim])).toEqual(
      known
        .map((type) => [type.oid, type.arrayOid, type.name, 'delimiter' in type ? type.delimiter : ','])
        .sort(([a], [b]) => Number(a) - Number(b)),
    )
  })

  test('has exactly the ranges of the table', async () => {
    const server = await sharedServer(version)
    const sql = postgres(server.uri('postgres'), { max: 1 })
    const ranges = await sql`SELECT rngtypid, rngsubtype, rngmultitypid FROM pg_range WHERE rngtypid < 16384 ORDER BY 1`
    await sql.end()
    expect(ranges.map(({ rngtypid, rngsubtype, rngmultitypid }) => [rngtypid, rngsubtype, rngmultitypid])).toEqual(
      builtinRanges.map(({ oid, subtypeOid, multirange }) => [oid, subtypeOid, multirange.oid]),
    )
  })
})
