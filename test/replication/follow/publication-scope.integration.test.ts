import { beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

/** What became of rows, in short. */
function changesOf(events: readonly Event[]): unknown[] {
  return events.flatMap((event): unknown[] => {
    switch (event.kind) {
      case 'snapshot':
      case 'insert':
      case 'update':
        return [[event.kind, event.table, event.new]]
      case 'delete':
        return [[event.kind, event.table, event.old ?? event.key]]
      case 'truncate':
        return [[event.kind, ...event.relations.map(({ table }) => table)]]
      default:
        return []
    }
  })
}

async function copyThen(reader: FeedReader, source: Source, ...statements: string[]): Promise<[unknown[], unknown[]]> {
  const copied = await reader.untilCopied()
  await source.write(...statements)
  const changes = await reader.untilMark(await source.mark())
  return [changesOf(copied), changesOf(changes)]
}

describe.each(testVersions())('what a publication publishes, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('tables outside of it come neither in the copy nor in the stream', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE inside (id int PRIMARY KEY); CREATE TABLE outside (id int PRIMARY KEY); INSERT INTO outside VALUES (1);',
      { publication: 'FOR TABLE inside' },
    )
    const [copied, changes] = await copyThen(
      source.follow(),
      source,
      'INSERT INTO outside VALUES (2)',
      'BEGIN; INSERT INTO outside VALUES (3); INSERT INTO inside VALUES (1); TRUNCATE outside; COMMIT',
      'TRUNCATE inside, outside',
    )
    expect(copied).toEqual([])
    expect(changes).toEqual([
      ['insert', 'public.inside', { id: 1 }],
      ['truncate', 'public.inside'],
    ])
  })

  test('a transaction that wrote only tables outside of it is not seen, whether or not the server sends it empty', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE inside (id int PRIMARY KEY); CREATE TABLE outside (id int PRIMARY KEY);',
      { publication: 'FOR TABLE inside' },
    )
    const reader = await source.followChanges()
    await source.write('INSERT INTO outside VALUES (1)', 'INSERT INTO outside VALUES (2)')
    expect(await reader.untilMark(await source.mark())).toEqual([])
  })

  test('operations that it does not publish do not come, and the copy is whole all the same', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);', {
      publication: "FOR TABLE t WITH (publish = 'delete')",
    })
    const [copied, changes] = await copyThen(
      source.follow(),
      source,
      'INSERT INTO t VALUES (2)',
      'UPDATE t SET id = 3 WHERE id = 2',
      'DELETE FROM t WHERE id = 1',
      'TRUNCATE t',
    )
    expect(copied).toEqual([['snapshot', 'public.t', { id: 1 }]])
    expect(changes).toEqual([['delete', 'public.t', { id: 1 }]])
  })

  test('several publications are followed as one', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE a (id int PRIMARY KEY);
      CREATE TABLE b (id int PRIMARY KEY);
      CREATE TABLE shared (id int PRIMARY KEY);
      INSERT INTO a VALUES (1);
      INSERT INTO b VALUES (2);
      INSERT INTO shared VALUES (3);
      CREATE PUBLICATION "Pub's, the ""first"" \\ ö" FOR TABLE a, shared;
      CREATE PUBLICATION second FOR TABLE b, shared WITH (publish = 'insert');`,
      { publication: null },
    )
    const first = 'Pub\'s, the "first" \\ ö'
    const reader = source.follow({ publication: ['second', first, 'second'] })
    const [copied, changes] = await copyThen(
      reader,
      source,
      'BEGIN; INSERT INTO shared VALUES (4); INSERT INTO b VALUES (5); INSERT INTO a VALUES (6); COMMIT',
      'DELETE FROM b',
      'DELETE FROM shared WHERE id = 3',
    )
    expect(reader.stored.options.publications).toEqual([first, 'second'])
    expect(copied).toEqual([
      ['snapshot', 'public.a', { id: 1 }],
      ['snapshot', 'public.b', { id: 2 }],
      ['snapshot', 'public.shared', { id: 3 }],
    ])
    expect(changes).toEqual([
      ['insert', 'public.shared', { id: 4 }],
      ['insert', 'public.b', { id: 5 }],
      ['insert', 'public.a', { id: 6 }],
      ['delete', 'public.shared', { id: 3 }],
    ])
  })

  test('a partitioned table that is truncated names its partitions, or the table where that is published in their place', async () => {
    const setup = `CREATE TABLE root (id int) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10);
      CREATE TABLE high PARTITION OF root FOR VALUES FROM (10) TO (20);`
    await using leaves = await Source.make(server, setup, { publication: 'FOR TABLE root' })
    const [, byLeaf] = await copyThen(leaves.follow(), leaves, 'TRUNCATE root')
    expect(byLeaf).toEqual([['truncate', 'public.low', 'public.high']])
    await using root = await Source.make(server, setup, {
      publication: 'FOR TABLE root WITH (publish_via_partition_root)',
    })
    const [, byRoot] = await copyThen(root.follow(), root, 'TRUNCATE root', 'TRUNCATE low')
    expect(byRoot).toEqual([['truncate', 'public.root']])
  })

  test('a partition that is published by its root in one publication and by itself in another comes as the root', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE leaf (v text, id int PRIMARY KEY);
      ALTER TABLE root ATTACH PARTITION leaf DEFAULT;
      INSERT INTO root VALUES (1, 'one');
      CREATE PUBLICATION by_root FOR TABLE root WITH (publish_via_partition_root);
      CREATE PUBLICATION by_leaf FOR TABLE leaf;`,
      { publication: null },
    )
    const [copied, changes] = await copyThen(
      source.follow({ publication: ['by_root', 'by_leaf'] }),
      source,
      "INSERT INTO leaf VALUES ('two', 2)",
    )
    expect(copied).toEqual([['snapshot', 'public.root', { id: 1, v: 'one' }]])
    expect(changes).toEqual([['insert', 'public.root', { id: 2, v: 'two' }]])
  })

  test('a partition attached later comes under the root, with its rows from then on', async () => {
    await using source = await Source.make(
      server,
      `CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10);`,
      { publication: 'FOR TABLE root WITH (publish_via_partition_root)' },
    )
    const [, changes] = await copyThen(
      source.follow(),
      source,
      'CREATE TABLE high (gone int, v text, id int NOT NULL); ALTER TABLE high DROP COLUMN gone',
      'ALTER TABLE root ATTACH PARTITION high FOR VALUES FROM (10) TO (20)',
      "INSERT INTO root VALUES (1, 'low'), (11, 'high')",
      'UPDATE root SET id = 12 WHERE id = 1',
    )
    expect(changes).toEqual([
      ['insert', 'public.root', { id: 1, v: 'low' }],
      ['insert', 'public.root', { id: 11, v: 'high' }],
      // a row that moves to another partition is deleted here and inserted there
      ['delete', 'public.root', { id: 1 }],
      ['insert', 'public.root', { id: 12, v: 'low' }],
    ])
  })
})

describe.each(testVersions().filter((version) => version >= 15))(
  'column lists, row filters and schemas, on PostgreSQL %i',
  (version) => {
    let server: SharedServer
    beforeAll(async () => {
      server = await sharedServer(version)
    })

    test('columns outside of the list come neither in the copy nor in the stream', async () => {
      await using source = await Source.make(
        server,
        "CREATE TABLE t (secret text, id int PRIMARY KEY, v text); INSERT INTO t VALUES ('s', 1, 'one');",
        { publication: 'FOR TABLE t (v, id)' },
      )
      const reader = source.follow()
      const [copied, changes] = await copyThen(
        reader,
        source,
        "INSERT INTO t VALUES ('s', 2, 'two')",
        "UPDATE t SET secret = 'x' WHERE id = 2",
        'DELETE FROM t WHERE id = 1',
      )
      expect(copied).toEqual([['snapshot', 'public.t', { id: 1, v: 'one' }]])
      expect(changes).toEqual([
        ['insert', 'public.t', { id: 2, v: 'two' }],
        ['update', 'public.t', { id: 2, v: 'two' }],
        ['delete', 'public.t', { id: 1 }],
      ])
      expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
    })

    test('an update that moves a row across the filter names the large values that the server left out: they once ended the feed for good', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id int PRIMARY KEY, photo text); ALTER TABLE t ALTER photo SET STORAGE EXTERNAL;
        INSERT INTO t VALUES (5, repeat('x', 9000))`,
        { publication: 'FOR TABLE t WHERE (id > 10)' },
      )
      const reader = source.follow()
      await reader.untilCopied()
      await source.write('UPDATE t SET id = 20 WHERE id = 5')
      const events = await reader.untilMark(await source.mark())
      const [insert] = events.filter((event) => event.kind === 'insert')
      expect(insert).toMatchObject({ new: { id: 20 }, unchanged: ['photo'] })
      expect(insert?.new).not.toHaveProperty('photo')
    })

    test('an update that moves a row across the filter comes as insert or delete, and NULL is outside', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id int PRIMARY KEY, price int);
        ALTER TABLE t REPLICA IDENTITY FULL;
        INSERT INTO t VALUES (1, 5), (2, 50), (3, NULL), (4, 51);`,
        { publication: 'FOR TABLE t WHERE (price > 10)' },
      )
      const reader = source.follow()
      const [copied, changes] = await copyThen(
        reader,
        source,
        'UPDATE t SET price = 100 WHERE id = 1',
        'UPDATE t SET price = 7 WHERE id = 2',
        'UPDATE t SET price = 8 WHERE id = 3',
        'UPDATE t SET price = NULL WHERE id = 4',
        'UPDATE t SET price = 101 WHERE id = 1',
        'INSERT INTO t VALUES (5, 10), (6, 11), (7, NULL)',
        'DELETE FROM t WHERE id IN (2, 6)',
      )
      expect(copied).toEqual([
        ['snapshot', 'public.t', { id: 2, price: 50 }],
        ['snapshot', 'public.t', { id: 4, price: 51 }],
      ])
      expect(changes).toEqual([
        ['insert', 'public.t', { id: 1, price: 100 }],
        ['delete', 'public.t', { id: 2, price: 50 }],
        ['delete', 'public.t', { id: 4, price: 51 }],
        ['update', 'public.t', { id: 1, price: 101 }],
        ['insert', 'public.t', { id: 6, price: 11 }],
        ['delete', 'public.t', { id: 6, price: 11 }],
      ])
      const expected = await source.rows('SELECT id, price FROM t WHERE price > 10')
      const replica = new Replica().apply(reader.events).rows('public.t')
      expect(replica.map(({ id, price }) => [id, price])).toEqual(
        expected.map(({ id, price }) => [Number(id), Number(price)]),
      )
    })

    test('filters of several publications are alternatives, and one without a filter publishes all rows', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id int PRIMARY KEY);
        CREATE TABLE u (id int PRIMARY KEY);
        INSERT INTO t SELECT generate_series(1, 6);
        INSERT INTO u SELECT generate_series(1, 3);
        CREATE PUBLICATION small FOR TABLE t WHERE (id < 3), TABLE u WHERE (id = 1);
        CREATE PUBLICATION large FOR TABLE t WHERE (id > 4), TABLE u;`,
        { publication: null },
      )
      const [copied, changes] = await copyThen(
        source.follow({ publication: ['small', 'large'] }),
        source,
        'INSERT INTO t VALUES (0), (4 + 100)',
        'INSERT INTO u VALUES (4)',
        'DELETE FROM t WHERE id IN (1, 3, 5)',
      )
      const ids = (rows: unknown[], table: string) =>
        JSON.stringify(rows).match(new RegExp(`${table}",{"id":\\d+`, 'g'))
      expect(ids(copied, 'public.t')?.map((row) => row.split(':')[1])).toEqual(['1', '2', '5', '6'])
      expect(ids(copied, 'public.u')).toHaveLength(3)
      expect(changes).toEqual([
        ['insert', 'public.t', { id: 0 }],
        ['insert', 'public.t', { id: 104 }],
        ['insert', 'public.u', { id: 4 }],
        ['delete', 'public.t', { id: 1 }],
        ['delete', 'public.t', { id: 5 }],
      ])
    })

    test('with a filter on a partitioned root, the filter of the root holds for its partitions', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE leaf (gone int, v text, id int NOT NULL);
        ALTER TABLE leaf DROP COLUMN gone;
        ALTER TABLE root ATTACH PARTITION leaf DEFAULT;
        INSERT INTO root VALUES (1, 'one'), (20, 'twenty');`,
        { publication: 'FOR TABLE root (id) WHERE (id > 10) WITH (publish_via_partition_root)' },
      )
      const [copied, changes] = await copyThen(
        source.follow(),
        source,
        "INSERT INTO root VALUES (2, 'two'), (30, 'thirty')",
        'UPDATE root SET id = 40 WHERE id = 2',
      )
      expect(copied).toEqual([['snapshot', 'public.root', { id: 20 }]])
      expect(changes).toEqual([
        ['insert', 'public.root', { id: 30 }],
        ['insert', 'public.root', { id: 40 }],
      ])
    })

    test('a schema is published with the tables that it has and those that it gets', async () => {
      await using source = await Source.make(
        server,
        'CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY); INSERT INTO shop.a VALUES (1); CREATE TABLE x (id int);',
        { publication: 'FOR TABLES IN SCHEMA shop' },
      )
      const [copied, changes] = await copyThen(
        source.follow(),
        source,
        'CREATE TABLE shop.b (id int PRIMARY KEY)',
        'INSERT INTO shop.b VALUES (2)',
        'INSERT INTO x VALUES (3)',
        'ALTER TABLE x SET SCHEMA shop',
        'INSERT INTO shop.x VALUES (4)',
      )
      expect(copied).toEqual([['snapshot', 'shop.a', { id: 1 }]])
      expect(changes).toEqual([
        ['insert', 'shop.b', { id: 2 }],
        ['insert', 'shop.x', { id: 4 }],
      ])
    })

    test('publications that disagree on the columns of a table are refused before anything is made', async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (id int PRIMARY KEY, a int, b int);
        CREATE PUBLICATION one FOR TABLE t (id, a);
        CREATE PUBLICATION two FOR TABLE t (id, b);`,
        { publication: null },
      )
      const error = await source.follow({ publication: ['one', 'two'] }).failure()
      expect(error).toMatchObject({ code: 'publication_conflict', table: 'public.t' })
      expect(await source.slotRow()).toBeUndefined()
    })
  },
)

describe.each(testVersions())('generated columns, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })
  const setup = `CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text);
    INSERT INTO t VALUES (1, DEFAULT, 'one');`

  test('come neither in the copy nor in the stream, unless the publication says so', async () => {
    await using source = await Source.make(server, setup)
    const [copied, changes] = await copyThen(source.follow(), source, "INSERT INTO t VALUES (2, DEFAULT, 'two')")
    expect(copied).toEqual([['snapshot', 'public.t', { id: 1, v: 'one' }]])
    expect(changes).toEqual([['insert', 'public.t', { id: 2, v: 'two' }]])
  })

  if (version < 18) return
  test('come in both where the publication has them, all or by a column list', async () => {
    for (const publication of [
      'FOR ALL TABLES WITH (publish_generated_columns = stored)',
      'FOR TABLE t (id, twice, v)',
    ]) {
      await using source = await Source.make(server, setup, { publication })
      const reader = source.follow()
      const [copied, changes] = await copyThen(reader, source, "INSERT INTO t VALUES (2, DEFAULT, 'two')")
      expect(copied).toEqual([['snapshot', 'public.t', { id: 1, twice: 2, v: 'one' }]])
      expect(changes).toEqual([['insert', 'public.t', { id: 2, twice: 4, v: 'two' }]])
      expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
    }
  })
})
