import { beforeAll, describe, expect, test } from 'vitest'
import type { Event, Relation, Row } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/**
 * What a consumer makes of events that knows nothing but them: a row is looked up by `old`, by `key`, or else by the
 * columns that the relation says identify it; what is unchanged stays what it was. Anything but one row found is a fault.
 */
function applied(events: readonly Event[]): Row[] {
  const rows: Row[] = []
  const find = (relation: Relation, wanted: Row): number => {
    const names = Object.keys(wanted)
    expect(names, `columns to find a row of ${relation.table} by`).not.toEqual([])
    const found = rows.flatMap((row, index) => (names.every((name) => row[name] === wanted[name]) ? [index] : []))
    expect(found, `rows that are meant by ${JSON.stringify(wanted).slice(0, 100)}`).toHaveLength(1)
    return found[0] ?? -1
  }
  for (const event of events) {
    if (event.kind === 'snapshot' || event.kind === 'insert') rows.push({ ...event.new })
    else if (event.kind === 'delete') rows.splice(find(event.relation, event.old ?? event.key), 1)
    else if (event.kind === 'update') {
      const identity = event.relation.columns.filter(({ key }) => key).map(({ name }) => [name, event.new[name]])
      const at = find(event.relation, event.old ?? event.key ?? Object.fromEntries(identity))
      const unchanged = (event.unchanged ?? []).map((name) => [name, rows[at]?.[name]])
      rows[at] = { ...event.new, ...Object.fromEntries(unchanged) }
    }
  }
  return rows
}

const asText = (rows: readonly Row[]) =>
  rows
    .map(({ id, other, v, body }) => JSON.stringify([id, other, v, body === null ? null : String(body).length]))
    .sort()

const bodies = "'a' || repeat('x', 9000)"
const columns = 'id int NOT NULL, other text NOT NULL, v text, body text'
const external = (...tables: string[]) =>
  tables.map((table) => `ALTER TABLE ${table} ALTER COLUMN body SET STORAGE EXTERNAL`)

/** Two partitions of `t`, `low` and `high`, whose columns stand in another order; then what makes the case. */
function partitioned(key: string, ...rest: string[]): string[] {
  return [
    `CREATE TABLE t (${columns}${key === '' ? '' : `, ${key}`}) PARTITION BY RANGE (id)`,
    'CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100)',
    'CREATE TABLE high (gone int, body text, v text, other text NOT NULL, id int NOT NULL)',
    'ALTER TABLE high DROP COLUMN gone',
    'ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (100) TO (1000)',
    ...external('low', 'high'),
    'CREATE UNIQUE INDEX low_other ON low (other)',
    'CREATE UNIQUE INDEX high_other ON high (other)',
    ...rest,
  ]
}

const full = (table: string) => `ALTER TABLE ${table} REPLICA IDENTITY FULL`
const byOther = (table: string) => `ALTER TABLE ${table} REPLICA IDENTITY USING INDEX ${table}_other`
const ownKey = (table: string, key = 'id') => `ALTER TABLE ${table} ADD PRIMARY KEY (${key})`

/** Whatever can happen to a row: in place, with a key that changes, from one partition to the other, NULLs and all. */
const writes = [
  `INSERT INTO t VALUES (1, 'a', 'one', ${bodies}), (2, 'b', NULL, NULL), (101, 'c', 'x', ${bodies}), (102, 'd', NULL, ${bodies})`,
  "UPDATE t SET v = coalesce(v, '') || '!'",
  'UPDATE t SET v = NULL WHERE id IN (1, 101)',
  "UPDATE t SET v = 'again', body = body || 'y' WHERE id IN (2, 102)",
  'UPDATE t SET id = id + 10 WHERE id IN (1, 101)',
  'UPDATE t SET other = other || other WHERE id IN (11, 111)',
  "UPDATE t SET id = id + 1, other = other || '.', v = 'both' WHERE id IN (11, 111)",
  'UPDATE t SET id = 500 WHERE id = 12',
  'UPDATE t SET id = 50 WHERE id = 102',
  `INSERT INTO t VALUES (3, 'e', 'gone', ${bodies}), (103, 'f', NULL, ${bodies})`,
  'DELETE FROM t WHERE id IN (3, 103, 2)',
]

/** By what is to be found in the catalog. Each comes whole: the consumer's rows are the server's. */
const whole: Readonly<Record<string, readonly string[]>> = {
  'of the root full, of its partitions their key': partitioned('PRIMARY KEY (id)', full('t')),
  'of the root full without a key, of its partitions keys of their own': partitioned(
    '',
    full('t'),
    ownKey('low'),
    ownKey('high'),
  ),
  'of the root its key, of its partitions full': partitioned('PRIMARY KEY (id)', full('low'), full('high')),
  'of the root none, of its partitions full': partitioned('', full('low'), full('high')),
  'of the root none, of its partitions keys of their own': partitioned('', ownKey('low'), ownKey('high')),
  'of the root nothing, of its partitions their key': partitioned(
    'PRIMARY KEY (id)',
    'ALTER TABLE t REPLICA IDENTITY NOTHING',
  ),
  'of the root full, of one partition too, of the other its key': partitioned(
    'PRIMARY KEY (id)',
    full('t'),
    full('low'),
  ),
  'of the root its key, of one partition full': partitioned('PRIMARY KEY (id)', full('high')),
  'everywhere full': partitioned('', full('t'), full('low'), full('high')),
  'everywhere the key': partitioned('PRIMARY KEY (id)'),
  'of the root its key, of a partition a larger one': [
    ...partitioned('PRIMARY KEY (id)'),
    'CREATE UNIQUE INDEX low_both ON low (other, id)',
    'ALTER TABLE low REPLICA IDENTITY USING INDEX low_both',
  ],
  'of the root an index, of its partitions their key': [
    ...partitioned('PRIMARY KEY (id)'),
    'CREATE UNIQUE INDEX t_both ON t (other, id)',
    'ALTER TABLE t REPLICA IDENTITY USING INDEX t_both',
  ],
  'of partitions of partitions': [
    `CREATE TABLE t (${columns}, PRIMARY KEY (id)) PARTITION BY RANGE (id)`,
    'CREATE TABLE middle PARTITION OF t FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id)',
    'CREATE TABLE low PARTITION OF middle DEFAULT',
    'CREATE TABLE high PARTITION OF t DEFAULT',
    ...external('low', 'high'),
    full('t'),
    full('middle'),
  ],
}

/** Nothing says which row of the root a row of a partition is: refused before anything is copied. */
const refused: Readonly<Record<string, readonly string[]>> = {
  'of a partition an index that says nothing across partitions': partitioned('PRIMARY KEY (id)', byOther('low')),
  'of the root full, of its partitions indexes that say nothing across them': partitioned(
    '',
    full('t'),
    byOther('low'),
    byOther('high'),
  ),
  'of one partition a key of other columns than of the other': partitioned(
    '',
    full('t'),
    ownKey('low'),
    byOther('high'),
  ),
  'of one partition full, of the other a key that says nothing in the first': partitioned(
    '',
    full('low'),
    ownKey('high'),
  ),
}

describe.each(testVersions())('the replica identity of partitions under their root, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })
  const viaRoot = { publication: 'FOR TABLE t WITH (publish_via_partition_root)' }

  test.each(Object.entries(whole))('%s: events make the rows that the server has (trap 76)', async (_, setup) => {
    await using source = await Source.make(server, setup.join(';'), viaRoot)
    await source.write(`INSERT INTO t VALUES (4, 'g', NULL, ${bodies}), (104, 'h', 'copied', ${bodies})`)
    const reader = source.follow()
    await reader.untilCopied()
    await source.write(...writes, "UPDATE t SET v = 'then' WHERE id IN (4, 104)")
    await reader.untilMark(await source.mark())
    const rows = await source.rows('SELECT id, other, v, body FROM t')
    expect(asText(applied(reader.events))).toEqual(asText(rows.map((row) => ({ ...row, id: Number(row.id) }))))
    expect(reader.events.filter(({ kind }) => kind === 'relation')).toHaveLength(1)
  })

  test.each(Object.entries(refused))('%s: is refused at the start', async (_, setup) => {
    await using source = await Source.make(server, setup.join(';'), viaRoot)
    const error = await source.follow().failure()
    expect(error).toMatchObject({ code: 'identity_conflict', table: 'public.t' })
    expect(error.hint).toContain('REPLICA IDENTITY')
    expect(await source.slotRow()).toBeUndefined()
  })

  test.each(Object.entries(refused))('%s: is followed where only inserts are published', async (_, setup) => {
    await using source = await Source.make(server, setup.join(';'), {
      publication: "FOR TABLE t WITH (publish_via_partition_root, publish = 'insert')",
    })
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("INSERT INTO t VALUES (1, 'a', 'b', NULL), (101, 'a', 'b', NULL)", "UPDATE t SET v = 'c'")
    const changes = await reader.untilMark(await source.mark())
    expect(changes.filter(({ kind }) => kind === 'insert' || kind === 'update')).toMatchObject([
      { kind: 'insert', new: { id: 1 } },
      { kind: 'insert', new: { id: 101 } },
    ])
  })

  test('goes on after a restart as before, without a copy that tells of the partitions', async () => {
    await using source = await Source.make(server, partitioned('PRIMARY KEY (id)', full('t')).join(';'), viaRoot)
    await source.write(`INSERT INTO t VALUES (4, 'g', NULL, ${bodies}), (104, 'h', 'copied', ${bodies})`)
    const first = source.follow()
    await first.untilCopied()
    await first.close()
    const second = source.follow({ start: first.stored })
    await source.write(...writes)
    await second.untilMark(await source.mark())
    const rows = await source.rows('SELECT id, other, v, body FROM t')
    const events = [...first.events, ...second.events]
    expect(asText(applied(events))).toEqual(asText(rows.map((row) => ({ ...row, id: Number(row.id) }))))
  })

  test.runIf(version >= 15)(
    'with a column list, whose numbers are other columns of a partition, is the same',
    async () => {
      await using source = await Source.make(server, partitioned('PRIMARY KEY (id)', full('t')).join(';'), {
        publication: 'FOR TABLE t (id, other, body) WITH (publish_via_partition_root)',
      })
      await source.write(`INSERT INTO t VALUES (4, 'g', NULL, ${bodies}), (104, 'h', 'copied', ${bodies})`)
      const first = source.follow()
      await first.untilCopied()
      await source.write(...writes)
      await first.untilMark(await source.mark())
      await first.close()
      const second = source.follow({ start: first.stored })
      await source.write(
        "UPDATE t SET v = 'not published'",
        "UPDATE t SET other = other || '?'",
        'DELETE FROM t WHERE id = 4',
      )
      await second.untilMark(await source.mark())
      const rows = await source.rows('SELECT id, other, body FROM t')
      const events = [...first.events, ...second.events]
      expect(asText(applied(events))).toEqual(asText(rows.map((row) => ({ ...row, id: Number(row.id) }))))
    },
  )

  test.runIf(version >= 15)(
    'of a partition that is attached while followed, and described by the columns of others, come as the catalog says',
    async () => {
      const setup = [`CREATE TABLE t (${columns}, PRIMARY KEY (id)) PARTITION BY RANGE (id)`, full('t')]
      await using source = await Source.make(server, setup.join(';'), {
        publication: 'FOR TABLE t (id, other, body) WITH (publish_via_partition_root)',
      })
      const reader = source.follow()
      await reader.untilCopied()
      await source.write(
        'CREATE TABLE high (gone int, body text, v text, other text NOT NULL, id int NOT NULL)',
        'ALTER TABLE high DROP COLUMN gone',
        'ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (0) TO (1000)',
        ...external('high'),
        ...writes,
      )
      await reader.untilMark(await source.mark())
      const rows = await source.rows('SELECT id, other, body FROM t')
      expect(asText(applied(reader.events))).toEqual(asText(rows.map((row) => ({ ...row, id: Number(row.id) }))))
    },
  )

  test.runIf(version >= 15)(
    'with a row filter, updates that cross it come as the server makes them, and whole',
    async () => {
      const setup = partitioned('PRIMARY KEY (id)', full('t'), full('low'))
      await using source = await Source.make(server, setup.join(';'), {
        publication: 'FOR TABLE t WHERE (id < 50 OR id > 110) WITH (publish_via_partition_root)',
      })
      await source.write(`INSERT INTO t VALUES (4, 'g', NULL, ${bodies}), (60, 'o', 'out', ${bodies})`)
      const reader = source.follow()
      await reader.untilCopied()
      await source.write('UPDATE t SET id = 49 WHERE id = 60', 'UPDATE t SET id = 61 WHERE id = 4', ...writes)
      await reader.untilMark(await source.mark())
      const rows = await source.rows('SELECT id, other, v, body FROM t WHERE id < 50 OR id > 110')
      // what an update that became an insert did not change was never sent, and is named
      const made = applied(reader.events)
      const lacking = made.filter(({ body }) => body === undefined).map(({ id }) => id)
      const named = reader.events.filter((event) => event.kind === 'insert' && event.unchanged !== undefined)
      expect(named.length).toBeGreaterThan(0)
      const expected = rows.map(({ id, body, ...row }) =>
        lacking.includes(Number(id)) ? { ...row, id: Number(id) } : { ...row, id: Number(id), body },
      )
      expect(asText(made)).toEqual(asText(expected))
    },
  )

  /** Altered while followed, by the statements; each leaves a state that can be followed. */
  const alterations: Readonly<Record<string, readonly string[]>> = {
    'of the root to full, of which the server says nothing': [full('t')],
    'of a partition to full': [full('low')],
    'of root and partitions to full and back': [
      full('t'),
      full('low'),
      full('high'),
      "UPDATE t SET v = 'between'",
      'ALTER TABLE low REPLICA IDENTITY DEFAULT',
      "UPDATE t SET v = 'one back'",
      'ALTER TABLE t REPLICA IDENTITY DEFAULT',
      'ALTER TABLE high REPLICA IDENTITY DEFAULT',
    ],
    'by a partition that joins': [
      `CREATE TABLE joined (v text, body text, ${columns.replace(', v text, body text', '')}, PRIMARY KEY (id))`,
      full('joined'),
      full('t'),
      'ALTER TABLE t ATTACH PARTITION joined FOR VALUES FROM (1000) TO (2000)',
      ...external('joined'),
      `INSERT INTO t VALUES (1001, 'j', NULL, ${bodies}), (1002, 'k', NULL, ${bodies})`,
      "UPDATE t SET v = 'joined' WHERE id > 1000",
      'UPDATE t SET id = 1003 WHERE id = 1002',
      'DELETE FROM t WHERE id = 1001',
    ],
    'by a partition that leaves and comes back': [
      'ALTER TABLE t DETACH PARTITION low',
      full('low'),
      full('t'),
      'ALTER TABLE t ATTACH PARTITION low FOR VALUES FROM (0) TO (100)',
    ],
  }

  test.each(Object.entries(alterations))(
    'altered %s: goes on to make the rows that the server has',
    async (_, statements) => {
      for (const together of [false, true]) {
        await using source = await Source.make(server, partitioned('PRIMARY KEY (id)').join(';'), viaRoot)
        await source.write(`INSERT INTO t VALUES (4, 'g', NULL, ${bodies}), (104, 'h', 'copied', ${bodies})`)
        const reader = source.follow()
        await reader.untilCopied()
        const change = ["UPDATE t SET v = 'before'", ...statements, "UPDATE t SET v = 'after'", ...writes]
        await (together ? source.writeTogether(...change) : source.write(...change))
        await reader.untilMark(await source.mark())
        const rows = await source.rows('SELECT id, other, v, body FROM t')
        expect(asText(applied(reader.events))).toEqual(asText(rows.map((row) => ({ ...row, id: Number(row.id) }))))
      }
    },
  )

  test('altered while followed to one that names no row ends the feed at the first such change, with table and LSN', async () => {
    await using source = await Source.make(server, partitioned('PRIMARY KEY (id)').join(';'), viaRoot)
    await source.write("INSERT INTO t VALUES (1, 'a', 'b', NULL), (101, 'c', 'd', NULL)")
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("UPDATE t SET v = 'w'", byOther('low'), 'UPDATE t SET id = 5 WHERE id = 1')
    const error = await reader.failure()
    expect(error).toMatchObject({ code: 'row_unidentified', table: 'public.t', slot: source.slot, retryable: false })
    expect(error.lsn).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
  })
})

describe.each(testVersions())('the replica identity of a table, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  const generated = `CREATE TABLE t (id int NOT NULL, g int NOT NULL GENERATED ALWAYS AS (id * 2) STORED, v text);
    CREATE UNIQUE INDEX t_g ON t (g); ALTER TABLE t REPLICA IDENTITY USING INDEX t_g; INSERT INTO t VALUES (1);`

  test.runIf(version < 18)('with a generated column, which is not published, is refused at the start', async () => {
    await using source = await Source.make(server, generated)
    const error = await source.follow().failure()
    expect(error).toMatchObject({ code: 'identity_conflict', table: 'public.t', column: 'g' })
    await source.write("ALTER PUBLICATION pub SET (publish = 'insert')")
    await source.follow({ slot: `${source.slot}_inserts` }).untilCopied()
  })

  test.runIf(version >= 18)(
    'with a generated column that is not published makes the server refuse changes',
    async () => {
      await using source = await Source.make(server, generated)
      await source.follow().untilCopied()
      await expect(source.write('UPDATE t SET id = 2')).rejects.toThrow('cannot update table')
    },
  )

  test.runIf(version < 18)(
    'that gets a generated column while followed ends the feed at the first key without a value',
    async () => {
      await using source = await Source.make(
        server,
        'CREATE TABLE t (id int PRIMARY KEY, g int NOT NULL GENERATED ALWAYS AS (id * 2) STORED, v text); INSERT INTO t VALUES (1);',
      )
      const reader = source.follow()
      await reader.untilCopied()
      await source.write(
        'CREATE UNIQUE INDEX t_g ON t (g); ALTER TABLE t REPLICA IDENTITY USING INDEX t_g',
        'DELETE FROM t',
      )
      const error = await reader.failure()
      expect(error).toMatchObject({ code: 'row_unidentified', table: 'public.t' })
      expect(error.lsn).toBeDefined()
    },
  )

  test.runIf(version >= 18)(
    'with a column that is NULL all the same (NOT NULL … NOT VALID) ends the feed at such a row',
    async () => {
      await using source = await Source.make(
        server,
        `CREATE TABLE t (a int, v text); INSERT INTO t VALUES (NULL, 'x'), (1, 'y');
      ALTER TABLE t ADD CONSTRAINT t_a_not_null NOT NULL a NOT VALID; CREATE UNIQUE INDEX t_a ON t (a);
      ALTER TABLE t REPLICA IDENTITY USING INDEX t_a;`,
      )
      const reader = source.follow()
      await reader.untilCopied()
      await source.write("DELETE FROM t WHERE v = 'y'")
      expect(await reader.untilMark(await source.mark())).toMatchObject([{}, { kind: 'delete', key: { a: 1 } }, {}])
      await source.write("DELETE FROM t WHERE v = 'x'")
      expect(await reader.failure()).toMatchObject({ code: 'row_unidentified', table: 'public.t' })
    },
  )
})
