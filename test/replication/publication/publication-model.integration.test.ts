import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'
import { readPublications } from '../../../src/replication/publication/publication.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { connect } from '../connect.ts'
import { copiedRows, streamedInserts } from './published-oracle.ts'

/** Two trees of partitions over two schemas, with leaves that are built unlike their roots, and two plain tables. */
const schema = `
  CREATE SCHEMA s;
  CREATE TABLE public.root (a int, b int, c text) PARTITION BY LIST (a);
  CREATE TABLE public.one PARTITION OF public.root FOR VALUES IN (1);
  CREATE TABLE s.middle (c text, gone int, b int, a int) PARTITION BY LIST (b); ALTER TABLE s.middle DROP gone;
  ALTER TABLE public.root ATTACH PARTITION s.middle FOR VALUES IN (2);
  CREATE TABLE public.low (gone int, c text, a int, b int); ALTER TABLE public.low DROP gone;
  ALTER TABLE s.middle ATTACH PARTITION public.low FOR VALUES IN (1, 2);
  CREATE TABLE s.high PARTITION OF s.middle FOR VALUES IN (8, 9);
  CREATE UNLOGGED TABLE public.unlogged PARTITION OF public.root FOR VALUES IN (3);
  CREATE TABLE s.other (a int, b int, c text) PARTITION BY LIST (a);
  CREATE TABLE public.other_one PARTITION OF s.other FOR VALUES IN (1);
  CREATE TABLE public.plain (a int, b int, c text);
  CREATE TABLE s.plain (a int, b int, c text);`
const tables = [
  'public.root',
  'public.one',
  's.middle',
  'public.low',
  's.high',
  's.other',
  'public.other_one',
  'public.plain',
  's.plain',
]
const truncate = 'TRUNCATE public.root, s.other, public.plain, s.plain'
const inserts = ['public.root', 's.other', 'public.plain', 's.plain']
  .map((table) => {
    const partitions = { 'public.root': [1, 2, 3], 's.other': [1] }[table] ?? [1, 2]
    const rows = partitions.flatMap((a) => [1, 2, 8, 9].map((b) => `(${a}, ${b}, '${table} ${a} ${b}')`))
    return `INSERT INTO ${table} VALUES ${rows.join(', ')}`
  })
  .join('; ')

interface Entry {
  readonly columns: string | undefined
  readonly filter: string | undefined
}

/** The words behind `CREATE PUBLICATION name`, out of what a version knows. Not all of them are accepted. */
function publications(major: number): fc.Arbitrary<string> {
  const hasScope = major >= 15
  const optional = (...texts: string[]) =>
    hasScope ? fc.option(fc.constantFrom(...texts), { nil: undefined, freq: 3 }) : fc.constant(undefined)
  const entry: fc.Arbitrary<Entry> = fc.record({
    columns: optional('(a, c)', '(b, a)', '(a, b, c)'),
    filter: optional('WHERE (b > 5)', 'WHERE (b = 2)', 'WHERE (c IS NULL)'),
  })
  const someTables = fc
    .tuple(
      fc.uniqueArray(fc.constantFrom(...tables), { minLength: 1, maxLength: 3 }),
      fc.array(entry, { minLength: 3 }),
    )
    .map(([names, entries]) =>
      names.map((name, index) => `${name} ${entries[index]?.columns ?? ''} ${entries[index]?.filter ?? ''}`),
    )
  const members = fc.oneof(
    { weight: 1, arbitrary: fc.constant('FOR ALL TABLES') },
    { weight: 5, arbitrary: someTables.map((list) => `FOR TABLE ${list.join(', ')}`) },
    ...(hasScope
      ? [
          {
            weight: 2,
            arbitrary: fc
              .tuple(fc.constantFrom('s', 'public', 's, public'), fc.option(fc.constantFrom(...tables)))
              .map(([schemas, table]) => `FOR TABLES IN SCHEMA ${schemas}${table === null ? '' : `, TABLE ${table}`}`),
          },
        ]
      : []),
  )
  return fc.tuple(members, fc.boolean()).map(([what, viaRoot]) => {
    return `${what} WITH (publish_via_partition_root = ${viaRoot})`
  })
}

describe.each(testVersions())('any publications of PostgreSQL %i', (major) => {
  test('read out of the catalog and copied are what the server streams', { timeout: 60_000 }, async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using connection = await connect(url)
    await connection.query(schema)
    const slot = `publication_model_${process.pid}_${major}`
    await connection.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
    const seen = { agreed: 0, refused: 0 }
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(publications(major), { minLength: 1, maxLength: 3 }), async (made) => {
          await connection.query(`${truncate}; DROP PUBLICATION IF EXISTS p0, p1, p2`)
          const names: string[] = []
          for (const [index, words] of made.entries()) {
            // Rows are only inserted, for which the server asks for no identity.
            const accepted = await connection.query(`CREATE PUBLICATION p${index} ${words}`).then(
              () => true,
              () => false,
            )
            if (accepted) names.push(`p${index}`)
          }
          fc.pre(names.length > 0)
          await connection.query(`SELECT pg_replication_slot_advance('${slot}', pg_current_wal_lsn())`)
          await connection.query(inserts)
          const read = await readPublications(connection, names, server.versionNum).catch((error: unknown) => error)
          if (!Array.isArray(read)) {
            expect(read).toMatchObject({ code: 'publication_conflict' })
            await expect(streamedInserts(connection, slot, names)).rejects.toThrow(WalwireError)
            seen.refused++
            return
          }
          const streamed = await streamedInserts(connection, slot, names)
          const copied = new Map<string, readonly string[]>()
          for (const table of read) copied.set(table.relation.table, await copiedRows(connection, table))
          const filled = [...copied].filter(([, rows]) => rows.length > 0)
          expect(new Map(filled)).toEqual(new Map([...streamed].map(([name, { rows }]) => [name, rows])))
          seen.agreed++
        }),
        { numRuns: 60 },
      )
    } finally {
      await connection.query(`SELECT pg_drop_replication_slot('${slot}')`)
    }
    expect(seen.agreed).toBeGreaterThan(20)
  })
})
