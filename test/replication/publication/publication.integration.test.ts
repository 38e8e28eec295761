import { describe, expect, test } from 'vitest'
import type { Relation } from '../../../src/decoder/relation.ts'
import type { Connection } from '../../../src/protocol/connection/connection.ts'
import { queryRows } from '../../../src/replication/catalog/queryable.ts'
import { type PublishedTable, readPublications } from '../../../src/replication/publication/publication.ts'
import { readTableCopy, type TableCopy } from '../../../src/replication/publication/table-copy.ts'
import { sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { connect } from '../connect.ts'
import { copiedRows, streamedInserts } from './published-oracle.ts'

/** A relation as the stream's message tells it: the type's name is not in there. */
function asStreamed({ columns, ...relation }: Relation): object {
  return { ...relation, columns: columns.map(({ name, typeOid, typmod, key }) => ({ name, typeOid, typmod, key })) }
}

let slots = 0

/** Also what is known of it only once it is locked. */
type TableWithCopy = PublishedTable & TableCopy

/**
 * Makes a schema, then rows, and reads the publication both ways: out of the catalog, and as what the server streams.
 * Where rows were streamed, schema and rows must be what the catalog and the copy say.
 */
async function published(major: number, ddl: string, inserts: string, names = ['p']): Promise<TableWithCopy[]> {
  const server = await sharedServer(major)
  const url = await server.createDatabase()
  using connection = await connect(url)
  await connection.query(ddl)
  const slot = `published_${process.pid}_${major}_${slots++}`
  await connection.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  try {
    await connection.query(inserts)
    const tables = await readPublications(connection, names, server.versionNum)
    await compareWithStream(connection, slot, names, tables)
    const copies: TableWithCopy[] = []
    for (const table of tables) copies.push({ ...table, ...(await readTableCopy(connection, table)) })
    return copies
  } finally {
    await connection.query(`SELECT pg_drop_replication_slot('${slot}')`)
  }
}

async function compareWithStream(
  connection: Connection,
  slot: string,
  names: readonly string[],
  tables: readonly PublishedTable[],
): Promise<void> {
  const streamed = await streamedInserts(connection, slot, names)
  const byName = new Map(tables.map((table) => [table.relation.table, table]))
  expect([...byName.keys()]).toEqual(expect.arrayContaining([...streamed.keys()]))
  for (const [name, table] of byName) {
    const rows = await copiedRows(connection, table)
    expect([name, rows]).toEqual([name, streamed.get(name)?.rows ?? []])
    const relation = streamed.get(name)?.relation
    if (relation !== undefined) expect(asStreamed(table.relation)).toEqual(asStreamed(relation))
  }
}

function namesOf(tables: readonly PublishedTable[]): string[] {
  return tables.map(({ relation }) => relation.table)
}

function keyOf(tables: readonly PublishedTable[], name: string): string[] {
  const relation = tables.find((table) => table.relation.name === name)?.relation
  return relation?.columns.filter(({ key }) => key).map((column) => column.name) ?? []
}

describe.each(testVersions())('publications of PostgreSQL %i', (major) => {
  const since = (version: number) => test.runIf(major >= version)

  test('tables come ordered by name, with the columns and the identity of the stream', async () => {
    const tables = await published(
      major,
      `CREATE TABLE public.keyed (a int, b text, c numeric(8,2), PRIMARY KEY (c, a));
       CREATE TABLE public.keyless (a int);
       CREATE TABLE public.whole (a int PRIMARY KEY, b text); ALTER TABLE public.whole REPLICA IDENTITY FULL;
       CREATE TABLE public.none (a int PRIMARY KEY); ALTER TABLE public.none REPLICA IDENTITY NOTHING;
       CREATE TABLE public.indexed (a int PRIMARY KEY, b int NOT NULL, c int NOT NULL, d int);
       CREATE UNIQUE INDEX chosen ON public.indexed (c, b) INCLUDE (d);
       ALTER TABLE public.indexed REPLICA IDENTITY USING INDEX chosen;
       CREATE TABLE public.deferred (a int PRIMARY KEY DEFERRABLE, b int);
       CREATE TABLE public.index_lost (a int PRIMARY KEY, b int NOT NULL);
       CREATE UNIQUE INDEX going ON public.index_lost (b);
       ALTER TABLE public.index_lost REPLICA IDENTITY USING INDEX going; DROP INDEX public.going;
       CREATE SCHEMA "A b"; CREATE TABLE "A b"."Tä""b.l'e\\" ("Ü x" int PRIMARY KEY, "select" varchar(7), "q""q" char(3));
       CREATE TABLE public.dropped (x int, a int, y text, b int); ALTER TABLE public.dropped DROP x, DROP y;
       CREATE TABLE public.computed (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, b text DEFAULT 'x');
       CREATE TABLE public.bare ();
       CREATE TABLE public.empty (a int);
       CREATE PUBLICATION p FOR ALL TABLES;
       CREATE UNLOGGED TABLE public.unlogged (a int); CREATE TEMPORARY TABLE temporary (a int);
       CREATE VIEW public.view AS SELECT 1 AS a; CREATE MATERIALIZED VIEW public.matview AS SELECT 1 AS a;
       CREATE SEQUENCE public.sequence`,
      `INSERT INTO public.keyed VALUES (1, 'x', 1.5); INSERT INTO public.keyless VALUES (1), (NULL);
       INSERT INTO public.whole VALUES (1, E'a\\tb\\\\c\\nd'); INSERT INTO public.none VALUES (1);
       INSERT INTO public.indexed VALUES (1, 2, 3, 4); INSERT INTO public.deferred VALUES (1, 2);
       INSERT INTO public.index_lost VALUES (1, 2);
       INSERT INTO "A b"."Tä""b.l'e\\" VALUES (1, 'é', 'z'); INSERT INTO public.dropped VALUES (1, 2);
       INSERT INTO public.computed (a) VALUES (21); INSERT INTO public.bare DEFAULT VALUES;
       INSERT INTO public.bare DEFAULT VALUES; INSERT INTO public.unlogged VALUES (1)`,
    )
    expect(namesOf(tables)).toEqual([
      `A b.Tä"b.l'e\\`,
      'public.bare',
      'public.computed',
      'public.deferred',
      'public.dropped',
      'public.empty',
      'public.index_lost',
      'public.indexed',
      'public.keyed',
      'public.keyless',
      'public.none',
      'public.whole',
    ])
    expect(keyOf(tables, 'keyed')).toEqual(['a', 'c'])
    expect(keyOf(tables, 'indexed')).toEqual(['b', 'c'])
    expect(keyOf(tables, 'whole')).toEqual(['a', 'b'])
    expect(keyOf(tables, 'deferred')).toEqual([])
    expect(keyOf(tables, 'index_lost')).toEqual([])
    const plain = tables.find(({ relation }) => relation.name === 'keyed')
    expect(plain).toMatchObject({
      rowFilter: null,
      partitioned: false,
      estimatedRows: -1,
      copySql: 'COPY "public"."keyed" ("a", "b", "c") TO STDOUT',
      relation: { schema: 'public', name: 'keyed', replicaIdentity: 'default' },
    })
    expect(plain?.estimatedBytes).toBeGreaterThan(0)
  })

  test('types are named bare in pg_catalog, and with their schema elsewhere', async () => {
    const [table] = await published(
      major,
      `CREATE TYPE public.mood AS ENUM ('fine'); CREATE DOMAIN public.moods AS public.mood[];
       CREATE TABLE public.t (a int4, b varchar(3)[], c public.mood, d public.mood[], e public.moods);
       CREATE PUBLICATION p FOR TABLE public.t`,
      "INSERT INTO public.t VALUES (1, '{a,b}', 'fine', '{fine}', '{fine}')",
    )
    expect(table?.relation.columns.map(({ type }) => type)).toEqual([
      'int4',
      '_varchar',
      'public.mood',
      'public._mood',
      'public.moods',
    ])
  })

  test('a table that inherits is copied on its own, and not with its parent', async () => {
    const tables = await published(
      major,
      `CREATE TABLE public.parent (a int); CREATE TABLE public.child (b int) INHERITS (public.parent);
       CREATE TABLE public.outsider (c int) INHERITS (public.parent);
       CREATE PUBLICATION p FOR TABLE ONLY public.parent, ONLY public.child`,
      'INSERT INTO public.parent VALUES (1); INSERT INTO public.child VALUES (2, 3); INSERT INTO public.outsider VALUES (4, 5)',
    )
    expect(namesOf(tables)).toEqual(['public.child', 'public.parent'])
  })

  test('a table of several publications comes once', async () => {
    const tables = await published(
      major,
      `CREATE TABLE public.a (a int); CREATE TABLE public.b (a int);
       CREATE PUBLICATION p FOR TABLE public.a; CREATE PUBLICATION q FOR TABLE public.a, public.b; CREATE PUBLICATION r FOR ALL TABLES`,
      'INSERT INTO public.a VALUES (1); INSERT INTO public.b VALUES (2)',
      ['p', 'q', 'r', 'p'],
    )
    expect(namesOf(tables)).toEqual(['public.a', 'public.b'])
  })

  test('a publication without tables has none', async () => {
    expect(await published(major, 'CREATE PUBLICATION p', 'SELECT 1')).toEqual([])
  })

  test('publications that are missing are named, and how to make them', async () => {
    const work = published(major, 'CREATE PUBLICATION p', 'SELECT 1', ['p', 'shop', 'o\'Hara "x"'])
    await expect(work).rejects.toMatchObject({
      code: 'publication_missing',
      message: expect.stringContaining('shop, o\'Hara "x"'),
      hint: 'CREATE PUBLICATION "shop" FOR TABLE …; CREATE PUBLICATION "o\'Hara ""x""" FOR TABLE …;',
    })
  })

  test('estimates are those of the last analysis, and of all partitions', async () => {
    const [parts, plain] = await published(
      major,
      `CREATE TABLE public.parts (a int) PARTITION BY RANGE (a);
       CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (500);
       CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES FROM (500) TO (1000);
       CREATE TABLE public.plain (a int);
       CREATE PUBLICATION p FOR TABLE public.parts, public.plain WITH (publish_via_partition_root)`,
      `INSERT INTO public.parts SELECT generate_series(0, 999); INSERT INTO public.plain SELECT generate_series(1, 200);
       ANALYZE public.parts_1, public.parts_2, public.plain`,
    )
    expect(parts).toMatchObject({ partitioned: true, estimatedRows: 1000, estimatedBytes: expect.any(Number) })
    expect(plain).toMatchObject({ partitioned: false, estimatedRows: 200 })
    expect(parts?.estimatedBytes).toBeGreaterThan(2 * 8192)
  })

  test.each([
    ['is locked against everything', false],
    ['somebody waits to lock against everything, behind a reader', true],
  ])('a table that %s is read about without waiting', async (_how, behindReader) => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using connection = await connect(url)
    await connection.query('CREATE TABLE public.t (a int PRIMARY KEY); INSERT INTO public.t VALUES (1)')
    await connection.query(`CREATE PUBLICATION p FOR TABLE public.t ${major >= 15 ? 'WHERE (a > 0)' : ''}`)
    using reader = await connect(url)
    if (behindReader) await reader.query('BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE')
    using migration = await connect(url)
    const locked = migration.query('BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE').catch(() => {})
    await waitUntil('the lock', async () => {
      const locks = `SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted <> ${behindReader}
        AND relation = 'public.t'::regclass`
      return (await queryRows(connection, locks)).length > 0
    })
    const tables = await readPublications(connection, ['p'], server.versionNum)
    expect(namesOf(tables)).toEqual(['public.t'])
    // both sessions still are where they were
    migration.destroy()
    reader.destroy()
    await locked
  })

  describe('partitions', () => {
    const tree = `CREATE SCHEMA s;
      CREATE TABLE public.root (a int, b text) PARTITION BY LIST (a);
      CREATE TABLE public.one PARTITION OF public.root FOR VALUES IN (1);
      CREATE TABLE s.middle (gone int, b text, a int) PARTITION BY LIST (b); ALTER TABLE s.middle DROP gone;
      ALTER TABLE public.root ATTACH PARTITION s.middle FOR VALUES IN (2);
      CREATE TABLE public.two_x PARTITION OF s.middle FOR VALUES IN ('x');
      CREATE TABLE s.two_y PARTITION OF s.middle FOR VALUES IN ('y');
      CREATE TABLE public.aside (a int);`
    const rows = `INSERT INTO public.root VALUES (1, 'a'), (2, 'x'), (2, 'y'); INSERT INTO public.aside VALUES (7)`

    test.each<[string, string, string[]]>([
      ['as themselves', 'CREATE PUBLICATION p FOR TABLE public.root', ['public.one', 'public.two_x', 's.two_y']],
      ['via the root', 'CREATE PUBLICATION p FOR TABLE public.root WITH (publish_via_partition_root)', ['public.root']],
      [
        'via the root, named themselves too',
        'CREATE PUBLICATION p FOR TABLE public.root, s.middle, s.two_y WITH (publish_via_partition_root)',
        ['public.root'],
      ],
      [
        'via the middle, the root not published',
        'CREATE PUBLICATION p FOR TABLE s.middle, public.one WITH (publish_via_partition_root)',
        ['public.one', 's.middle'],
      ],
      [
        'of all tables, as themselves',
        'CREATE PUBLICATION p FOR ALL TABLES',
        ['public.aside', 'public.one', 'public.two_x', 's.two_y'],
      ],
      [
        'of all tables, via the root',
        'CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root)',
        ['public.aside', 'public.root'],
      ],
      [
        'one publication as themselves, another via the root',
        `CREATE PUBLICATION p FOR TABLE public.root;
         CREATE PUBLICATION q FOR TABLE public.root WITH (publish_via_partition_root)`,
        ['public.root'],
      ],
      [
        'one publication of a leaf, another via the middle',
        `CREATE PUBLICATION p FOR TABLE s.two_y, public.one; 
         CREATE PUBLICATION q FOR TABLE s.middle WITH (publish_via_partition_root)`,
        ['public.one', 's.middle'],
      ],
      [
        'one publication via the middle, another via the root',
        `CREATE PUBLICATION p FOR TABLE s.middle WITH (publish_via_partition_root);
         CREATE PUBLICATION q FOR TABLE public.root WITH (publish_via_partition_root)`,
        ['public.root'],
      ],
      [
        'one publication of the root as themselves, another via a leaf itself',
        `CREATE PUBLICATION p FOR TABLE public.root;
         CREATE PUBLICATION q FOR TABLE s.two_y WITH (publish_via_partition_root)`,
        ['public.one', 'public.two_x', 's.two_y'],
      ],
    ])('%s', async (_how, publications, expected) => {
      const names = publications.includes('PUBLICATION q') ? ['p', 'q'] : ['p']
      const tables = await published(major, `${tree} ${publications}`, rows, names)
      expect(namesOf(tables)).toEqual(expected)
    })

    test('that are never published are not copied with their root', async () => {
      const tables = await published(
        major,
        `${tree} CREATE UNLOGGED TABLE public.three PARTITION OF public.root FOR VALUES IN (3);
         CREATE PUBLICATION p FOR TABLE public.root WITH (publish_via_partition_root)`,
        `${rows}; INSERT INTO public.root VALUES (3, 'lost')`,
      )
      expect(tables[0]?.copySql).toContain('UNION ALL')
    })

    test('a root with no partition at all is empty', async () => {
      const tables = await published(
        major,
        `CREATE TABLE public.root (a int) PARTITION BY LIST (a);
         CREATE PUBLICATION p FOR TABLE public.root WITH (publish_via_partition_root)`,
        'SELECT 1',
      )
      expect(tables).toMatchObject([{ partitioned: true, estimatedRows: -1, estimatedBytes: 0 }])
    })

    test('the key of a root whose primary key is not valid yet is what the stream says', async () => {
      await published(
        major,
        `CREATE TABLE public.root (a int NOT NULL, b int) PARTITION BY LIST (a);
         CREATE TABLE public.one PARTITION OF public.root FOR VALUES IN (1);
         ALTER TABLE ONLY public.root ADD PRIMARY KEY (a);
         CREATE PUBLICATION p FOR TABLE public.root WITH (publish_via_partition_root)`,
        'INSERT INTO public.root VALUES (1, 2)',
      )
    })
  })

  describe('rows and columns', () => {
    since(15)('only those of the column list, in the order of the table', async () => {
      const tables = await published(
        major,
        `CREATE TABLE public.t (a int, b text, c int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE public.t (c, a)`,
        "INSERT INTO public.t VALUES (1, 'x', 2)",
      )
      expect(tables[0]?.copySql).toBe('COPY "public"."t" ("a", "c") TO STDOUT')
    })

    since(15)('a list of all columns is no conflict with having none', async () => {
      await published(
        major,
        `CREATE TABLE public.t (a int, b text); CREATE PUBLICATION p FOR TABLE public.t (a, b);
         CREATE PUBLICATION q FOR TABLE public.t`,
        "INSERT INTO public.t VALUES (1, 'x')",
        ['p', 'q'],
      )
    })

    since(16)('nor where the table once had another column', async () => {
      await published(
        major,
        `CREATE TABLE public.t (gone int, a int); ALTER TABLE public.t DROP gone;
         CREATE PUBLICATION p FOR TABLE public.t (a); CREATE PUBLICATION q FOR TABLE public.t`,
        'INSERT INTO public.t VALUES (1)',
        ['p', 'q'],
      )
    })

    test.runIf(major === 15)('but it is one where the table once had another column', async () => {
      const work = published(
        major,
        `CREATE TABLE public.t (gone int, a int); ALTER TABLE public.t DROP gone;
         CREATE PUBLICATION p FOR TABLE public.t (a); CREATE PUBLICATION q FOR TABLE public.t`,
        'SELECT 1',
        ['p', 'q'],
      )
      await expect(work).rejects.toMatchObject({
        code: 'publication_conflict',
        message: expect.stringContaining('publication p lists its columns a, publication q has its columns a'),
      })
    })

    since(15)('lists that differ are refused, as the server would at the first change', async () => {
      const work = published(
        major,
        `CREATE TABLE public.t (a int, b text); CREATE PUBLICATION p FOR TABLE public.t (a); CREATE PUBLICATION q FOR TABLE public.t`,
        'SELECT 1',
        ['p', 'q'],
      )
      await expect(work).rejects.toMatchObject({ code: 'publication_conflict', table: 'public.t' })
    })

    since(15)('only rows that pass a filter of any publication', async () => {
      const tables = await published(
        major,
        `CREATE SCHEMA "S"; CREATE TYPE "S"."Mood" AS ENUM ('good', 'bad');
         CREATE TABLE "S"."T" (a int, "B" "S"."Mood", c text);
         CREATE PUBLICATION p FOR TABLE "S"."T" WHERE (a > 5 AND c IS DISTINCT FROM 'it''s');
         CREATE PUBLICATION q FOR TABLE "S"."T" WHERE (a IS NULL OR a = 1)`,
        `INSERT INTO "S"."T" VALUES (1, 'good', NULL), (2, 'bad', 'x'), (NULL, NULL, 'it''s'), (7, 'bad', 'it''s'), (8, 'bad', '')`,
        ['p', 'q'],
      )
      expect(tables[0]?.rowFilter).toContain(' OR ')
    })

    since(15)('all rows when one of the publications has no filter', async () => {
      const tables = await published(
        major,
        `CREATE TABLE public.t (a int); CREATE PUBLICATION p FOR TABLE public.t WHERE (a > 5); CREATE PUBLICATION q FOR TABLES IN SCHEMA public`,
        'INSERT INTO public.t VALUES (1), (9)',
        ['p', 'q'],
      )
      expect(tables[0]?.rowFilter).toBeNull()
    })

    since(15)('a filter of a root holds for its partitions via the root, and one of a leaf for the leaf', async () => {
      const tree = `CREATE TABLE public.root (a int, b int) PARTITION BY LIST (a);
        CREATE TABLE public.one PARTITION OF public.root FOR VALUES IN (1);
        CREATE TABLE public.two PARTITION OF public.root FOR VALUES IN (2);`
      const rows = 'INSERT INTO public.root VALUES (1, 1), (1, 9), (2, 1), (2, 9)'
      await published(
        major,
        `${tree} CREATE PUBLICATION p FOR TABLE public.root WHERE (b > 5) WITH (publish_via_partition_root)`,
        rows,
      )
      const tables = await published(
        major,
        `${tree} CREATE PUBLICATION p FOR TABLE public.one WHERE (b > 5); CREATE PUBLICATION q FOR TABLE public.root`,
        rows,
        ['p', 'q'],
      )
      expect(tables.map(({ rowFilter }) => rowFilter === null)).toEqual([true, true])
    })

    since(15)('the tables of a schema, and not those of another', async () => {
      const tables = await published(
        major,
        `CREATE SCHEMA s; CREATE TABLE s.a (a int); CREATE TABLE public.b (a int); CREATE PUBLICATION p FOR TABLES IN SCHEMA s`,
        'INSERT INTO s.a VALUES (1); INSERT INTO public.b VALUES (2)',
      )
      expect(namesOf(tables)).toEqual(['s.a'])
    })

    since(18)('generated columns where the publication includes them, or lists them', async () => {
      const tables = await published(
        major,
        `CREATE TABLE public.t (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, v int GENERATED ALWAYS AS (a * 3));
         CREATE TABLE public.listed (a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
         CREATE TABLE public.all_computed (one int GENERATED ALWAYS AS (1) STORED);
         CREATE PUBLICATION p FOR TABLE public.t, public.all_computed WITH (publish_generated_columns = stored);
         CREATE PUBLICATION q FOR TABLE public.listed (twice)`,
        'INSERT INTO public.t VALUES (1); INSERT INTO public.listed VALUES (2); INSERT INTO public.all_computed DEFAULT VALUES',
        ['p', 'q'],
      )
      expect(tables.map(({ relation }) => relation.columns.map(({ name }) => name))).toEqual([
        ['one'],
        ['twice'],
        ['a', 'twice'],
      ])
    })

    since(18)('publications that differ about generated columns are refused', async () => {
      const work = published(
        major,
        `CREATE TABLE public.t (a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
         CREATE PUBLICATION p FOR TABLE public.t WITH (publish_generated_columns = stored); CREATE PUBLICATION q FOR TABLE public.t`,
        'SELECT 1',
        ['p', 'q'],
      )
      await expect(work).rejects.toMatchObject({ code: 'publication_conflict', table: 'public.t' })
    })

    since(18)('a table with nothing but virtual columns has none', async () => {
      const [table] = await published(
        major,
        'CREATE TABLE public.t (one int GENERATED ALWAYS AS (1) VIRTUAL); CREATE PUBLICATION p FOR TABLE public.t',
        'INSERT INTO public.t DEFAULT VALUES; INSERT INTO public.t DEFAULT VALUES',
      )
      expect(table?.relation.columns).toEqual([])
    })
  })
})
