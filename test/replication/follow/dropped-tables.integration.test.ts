import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { type Event, follow, type Relation } from '../../../src/index.ts'
import { outerVersions, sharedServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const rounds = 36
const tablesARound = 100

/** In each round tables of types of their own are made and written; those of the round before are dropped. */
function roundOf(round: number): string[] {
  const each = (statement: string) => `DO $$ BEGIN FOR i IN 1..${tablesARound} LOOP ${statement} END LOOP; END $$`
  const columns = Array.from({ length: 20 }, (_, index) => `column_${index} text`).join(', ')
  const make = each(`
    EXECUTE format('CREATE TYPE mood_${round}_%s AS ENUM (''sad'', ''glad'')', i);
    EXECUTE format('CREATE TABLE made_${round}_%s (id int PRIMARY KEY, mood mood_${round}_%1$s, ${columns})', i);
    EXECUTE format('INSERT INTO made_${round}_%s VALUES (${round}, ''glad'')', i);`)
  const drop = each(`
    EXECUTE format('DROP TABLE made_${round - 1}_%s', i);
    EXECUTE format('DROP TYPE mood_${round - 1}_%s', i);`)
  return round === 1 ? [make] : [make, drop]
}

function collectGarbage(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

describe.each(outerVersions())('a database that makes and drops tables for ever, on PostgreSQL %i', (version) => {
  const leave = new AbortController()
  afterEach(() => leave.abort())

  test(`is followed with what it has: of ${rounds * tablesARound} tables those that were dropped are forgotten, and those that live are not (trap 79)`, async () => {
    await using source = await Source.make(
      await sharedServer(version),
      `CREATE TYPE pair AS (a int, b int);
      CREATE TABLE lives (id int PRIMARY KEY, p pair);
      CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY LIST (id)`,
      { publication: 'FOR ALL TABLES WITH (publish_via_partition_root)' },
    )
    const descriptions: WeakRef<Relation>[] = []
    const heaps: number[] = []
    let rows = 0
    const feed = follow({
      connection: source.url,
      publication: 'pub',
      slot: source.slot,
      snapshot: 'never',
      signal: leave.signal,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    })
    const batches = feed[Symbol.asyncIterator]()
    /** Reads up to a mark. Keeps the events of the tables that live, and of the others only what tells how many there are. */
    async function read(): Promise<Event[]> {
      const kept: Event[] = []
      const mark = await source.mark()
      for (;;) {
        const { value } = await batches.next()
        if (value === undefined) throw new Error('the feed ended')
        feed.ack(value.position)
        for (const event of value.events) {
          if (event.kind === 'message' && Buffer.from(event.content).toString() === mark) return kept
          if ('table' in event && /lives|parted/.test(event.table)) kept.push(event)
          else if (event.kind === 'relation') descriptions.push(new WeakRef(event.relation))
          else if (event.kind === 'insert' && event.new.mood === 'glad') rows++
        }
      }
    }
    for (let { value } = await batches.next(); value?.position.phase !== 'stream'; )
      value = (await batches.next()).value
    for (let round = 1; round <= rounds; round++) {
      await source.write(...roundOf(round))
      await source.write(
        `CREATE TABLE part_${round} PARTITION OF parted FOR VALUES IN (${round})`,
        `INSERT INTO parted VALUES (${round}, 'x')`,
        `UPDATE parted SET v = 'y' WHERE id = ${round}`,
        ...(round > 1 ? [`DROP TABLE part_${round - 1}`] : []),
        `INSERT INTO lives VALUES (${round}, '(1,2)')`,
      )
      const changes = await read()
      const announced = changes.filter(({ kind }) => kind === 'relation')
      expect(announced).toHaveLength(round === 1 ? 2 : 0)
      expect(changes.map((change) => ('new' in change ? change.new : {}))).toEqual([
        ...(round === 1 ? [{}] : []),
        { id: round, v: 'x' },
        { id: round, v: 'y' },
        ...(round === 1 ? [{}] : []),
        { id: round, p: { a: 1, b: 2 } },
      ])
      if (round === 12 || round === rounds) heaps.push(collectGarbage())
    }
    expect(rows).toBe(rounds * tablesARound)
    expect(descriptions).toHaveLength(rounds * tablesARound)
    expect(descriptions.filter((description) => description.deref() !== undefined).length).toBeLessThan(1_500)
    const [early = 0, late = 0] = heaps
    expect(late - early).toBeLessThan(4_000_000)

    await source.write('ALTER TABLE lives ADD COLUMN n int', "INSERT INTO lives VALUES (0, '(3,4)', 5)")
    const [altered, row] = await read()
    expect(altered).toMatchObject({ kind: 'relation', change: { added: [{ name: 'n' }], dropped: [] } })
    expect(row).toMatchObject({ kind: 'insert', new: { id: 0, p: { a: 3, b: 4 }, n: 5 } })
  }, 300_000)
})
