/** One stream to measure: a table, and the writes whose changes are then read from a slot. */
export interface Workload {
  readonly name: string
  readonly table: string
  /** Statements before the slot is made. */
  readonly setup: readonly string[]
  /** The writes. */
  readonly write: string
  readonly rows: number
}

const wideColumns = `
  id int PRIMARY KEY, a int NOT NULL, b bigint NOT NULL, c smallint, d boolean, e double precision, f real,
  g numeric(20,4), h text, i varchar(40), j text, k date, l timestamptz, m timestamp, n uuid, o jsonb, p bytea, q int[],
  r text, s bigint`

const wideRow = `
  i, i % 1000, i * 1000003::bigint, (i % 100)::smallint, i % 2 = 0, i / 7.0::float8, (i % 1000)::real / 8,
  (i % 100000) / 100.0, 'name of row ' || i, 'v' || i % 50, repeat('x', 40 + i % 30), date '2024-01-01' + i % 365,
  timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second', timestamp '2024-01-01' + i * interval '1 minute',
  md5(i::text)::uuid, jsonb_build_object('id', i, 'tags', array['a', 'b']), decode(md5(i::text), 'hex'),
  array[i, i + 1, i + 2], CASE WHEN i % 3 = 0 THEN NULL ELSE 'maybe' END, i::bigint`

/** @param scale 1 for the documented sizes */
export function workloads(scale: number): Workload[] {
  const count = (rows: number) => Math.max(1000, Math.round((rows * scale) / 1000) * 1000)
  const inBatches = (rows: number, statement: string) =>
    `DO $$ BEGIN FOR batch IN 0..${rows / 1000 - 1} LOOP ${statement}; COMMIT; END LOOP; END $$`
  const batch = 'generate_series(batch * 1000 + 1, batch * 1000 + 1000) i'
  const narrow = count(1_000_000)
  const wide = count(200_000)
  const updates = count(300_000)
  const single = count(200_000)
  return [
    {
      name: 'narrow inserts',
      table: 'narrow',
      setup: ['CREATE TABLE narrow (id int PRIMARY KEY, a int, b bigint, c text)'],
      write: inBatches(narrow, `INSERT INTO narrow SELECT i, i % 1000, i * 7::bigint, 'row ' || i FROM ${batch}`),
      rows: narrow,
    },
    {
      name: 'wide inserts',
      table: 'wide',
      setup: [`CREATE TABLE wide (${wideColumns})`],
      write: inBatches(wide, `INSERT INTO wide SELECT ${wideRow} FROM ${batch}`),
      rows: wide,
    },
    {
      name: 'updates, identity full',
      table: 'updated',
      setup: [
        'CREATE TABLE updated (id int PRIMARY KEY, a int, b bigint, c text)',
        'ALTER TABLE updated REPLICA IDENTITY FULL',
        `INSERT INTO updated SELECT i, 0, i, 'row ' || i FROM generate_series(1, ${updates}) i`,
      ],
      write: inBatches(updates, 'UPDATE updated SET a = a + 1 WHERE id > batch * 1000 AND id <= batch * 1000 + 1000'),
      rows: updates,
    },
    {
      name: 'one-row transactions',
      table: 'single',
      setup: ['CREATE TABLE single (id int PRIMARY KEY, a int, b bigint, c text)'],
      write: `DO $$ BEGIN FOR i IN 1..${single} LOOP INSERT INTO single VALUES (i, i, i, 'row'); COMMIT; END LOOP; END $$`,
      rows: single,
    },
  ]
}
