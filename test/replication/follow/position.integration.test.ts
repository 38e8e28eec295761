import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Batch,
  comparePositions,
  type Event,
  formatLsn,
  type Lsn,
  type Position,
  parseLsn,
  toJsonLine,
} from '../../../src/index.ts'
import { outerVersions, type SharedServer, sharedServer, waitUntil } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'
import { type Wiretap, wiretap } from './helpers/wiretap.ts'
import { randomNumbers, workloadTableNames, workloadTables, writeAtRandom } from './helpers/workload.ts'

/** Other cuts in every run; a failure names its seed, and WALWIRE_TEST_SEED brings it back. */
const runSeed = Number(process.env.WALWIRE_TEST_SEED ?? Math.floor(Math.random() * 1e9))

/** Events as lines, without those that are outside the no-repeat promise. */
function story(events: readonly Event[]): string[] {
  return events.filter(({ kind }) => kind !== 'relation').map((event) => toJsonLine(event))
}

function expectSameStory(found: readonly string[], expected: readonly string[], hint: string): void {
  // one by one, since the difference of two long lists tells nobody anything
  for (const [index, line] of found.entries()) expect(line, `event ${index}, ${hint}`).toBe(expected[index])
  expect(found, hint).toHaveLength(expected.length)
}

function readBack(position: Position): Position {
  return JSON.parse(JSON.stringify(position))
}

/** What is written for good, in the eyes of a consumer that stores its position together with what it made of the events. */
class Store {
  readonly lines: string[] = []
  readonly events: Event[] = []
  position: Position | undefined

  store(batches: readonly Batch[]): void {
    for (const { events, position } of batches) {
      this.lines.push(...story(events))
      for (const event of events) this.events.push(event)
      this.position = readBack(position)
    }
  }
}

function inOrder(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

describe.each(outerVersions())('a stored position, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** A source with a slot before all that is written to it, and how to make another such slot. */
  async function writtenSource(write: (source: Source) => Promise<unknown>): Promise<{
    source: Source
    start: string
    stop: Lsn
    freshSlot: () => Promise<string>
    expected: string[]
  }> {
    const source = await Source.make(server, workloadTables)
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    const start = await source.confirmedFlush()
    await write(source)
    const stop = parseLsn(await source.value('SELECT pg_current_wal_insert_lsn()'))
    let slots = 0
    const freshSlot = async (): Promise<string> => {
      const slot = `${source.slot}_${++slots}`
      await source.write(`SELECT pg_copy_logical_replication_slot('${source.slot}', '${slot}')`)
      return slot
    }
    const whole = source.follow({ slot: await freshSlot(), start, stop, values: 'text', ack: 'never' })
    await whole.untilEnd()
    return { source, start, stop, freshSlot, expected: story(whole.events) }
  }

  async function writeInterleaved(source: Source, seed: number, transactions: number): Promise<void> {
    const sessions = [source.sql, source.session(), source.session()]
    await Promise.all(
      sessions.map((session, index) =>
        writeAtRandom(session, { seed: seed + index, truncate: true, goOn: (count) => count < transactions }),
      ),
    )
  }

  test('continues exactly behind every single batch of two events, inside transactions too (traps 1, 2, 3 and 29)', async () => {
    const { source, start, stop, freshSlot, expected } = await writtenSource(async (written) => {
      await written.write(
        "INSERT INTO log VALUES ('a'), ('b'), ('c')",
        "INSERT INTO accounts VALUES (1, 'one', 1)",
        "INSERT INTO accounts VALUES (2, 'two', 2)",
        "SELECT pg_logical_emit_message(false, 'note', 'between')",
      )
      await written.writeTogether(
        "INSERT INTO accounts SELECT i, 'many', i FROM generate_series(10, 24) i",
        'UPDATE accounts SET id = id + 100 WHERE id < 15',
        "SELECT pg_logical_emit_message(true, 'note', 'inside')",
        'DELETE FROM accounts WHERE id > 100',
        'TRUNCATE log',
      )
      await writeAtRandom(written.sql, { seed: runSeed, goOn: (count) => count < 5 })
    })
    await using _ = source
    const slot = await freshSlot()
    const store = new Store()
    let inside = 0
    for (let done = false; !done; ) {
      const reader = source.follow({
        slot,
        start: store.position ?? start,
        stop,
        values: 'text',
        ack: 'never',
        maxBatchRows: 2,
      })
      const batch = await reader.next()
      if (batch === undefined) done = true
      else store.store([batch])
      if (batch?.position.tx !== undefined) inside++
      await reader.abandon()
    }
    expectSameStory(store.lines, expected, `seed ${runSeed}`)
    expect(inside).toBeGreaterThan(20)
  })

  test.each([1, 2])(
    'continues exactly wherever a run is cut, and whatever of it was acknowledged (cuts %i)',
    async (number) => {
      const seed = runSeed + number * 1_000
      const random = randomNumbers(seed)
      const below = (limit: number) => Math.floor(random() * limit)
      const { source, start, stop, freshSlot, expected } = await writtenSource((written) =>
        writeInterleaved(written, seed, 20),
      )
      await using _ = source
      await using tap = await wiretap(source.url)
      const slot = await freshSlot()
      const store = new Store()
      let runs = 0
      for (let done = false; !done; runs++) {
        const reader = source.follow({
          connection: tap.url,
          slot,
          start: store.position ?? start,
          stop,
          values: 'text',
          ack: 'never',
          maxBatchRows: [1, 2, 3, 7, 20][below(5)],
        })
        const batches: Batch[] = []
        for (let wanted = 1 + below(12); batches.length < wanted && !done; ) {
          const batch = await reader.next()
          if (batch === undefined) done = true
          else batches.push(batch)
        }
        // something of what was delivered is stored, and something of that acknowledged: the rest is lost in the crash
        const stored = done ? batches.length : below(batches.length + 1)
        store.store(batches.slice(0, stored))
        const acknowledged = batches[below(stored + 1) - 1]
        if (acknowledged !== undefined) reader.ack(readBack(acknowledged.position))
        await crash(reader, random() < 0.5 ? tap : undefined)
        await waitUntil('the slot to be free', async () => {
          const [row] = await source.rows(`SELECT * FROM pg_replication_slots WHERE slot_name = '${slot}'`)
          const durable = store.position ? parseLsn(store.position.lsn) : parseLsn(start)
          expect(parseLsn(row?.confirmed_flush_lsn ?? '')).toBeLessThanOrEqual(durable)
          return row?.active === 'f'
        })
      }
      expectSameStory(store.lines, expected, `seed ${runSeed}`)
      expect(runs).toBeGreaterThan(2)
    },
  )

  async function crash(reader: FeedReader, tap: Wiretap | undefined): Promise<void> {
    tap?.cut()
    await reader.abandon()
  }

  test('survives a consumer that dies again and again while three sessions write, and the slot never passes it', async () => {
    const random = randomNumbers(runSeed)
    await using source = await Source.make(server, workloadTables)
    await using tap = await wiretap(source.url)
    await writeAtRandom(source.sql, { seed: runSeed, goOn: (count) => count < 200 })
    const observer = source.session()
    const store = new Store()
    let acknowledged: Position | undefined
    let going = true
    let samples = 0
    /** Asks again and again how far the slot is. */
    const sample = async () => {
      while (going) {
        const [row] = await observer`
          SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = ${source.slot}`
        // what is acknowledged only rises, so that the answer may be compared with what is known by now
        if (acknowledged?.phase !== 'stream' || row === undefined) continue
        samples++
        expect(parseLsn(String(row.lsn)), `seed ${runSeed}`).toBeLessThanOrEqual(parseLsn(acknowledged.lsn))
      }
    }
    /** One life of the consumer: stores each batch, acknowledges most of them, and dies. */
    const live = async (batches: number, maxBatchRows: number, isOver = () => false) => {
      const reader = source.follow({
        connection: tap.url,
        start: store.position,
        values: 'text',
        ack: 'never',
        maxBatchRows,
      })
      // where a run starts is as good as acknowledged
      acknowledged = store.position
      for (let count = 0; count < batches && !isOver(); count++) {
        const batch = await reader.next()
        if (batch === undefined) throw new Error('the feed ended by itself')
        store.store([batch])
        if (random() > 0.7) continue
        acknowledged = batch.position
        reader.ack(batch.position)
      }
      await crash(reader, random() < 0.5 ? tap : undefined)
      await waitUntil('the slot to be free', async () => (await source.slotRow())?.active !== 't')
    }
    const sampling = sample()
    const writing = [1, 2, 3].map((seed) =>
      writeAtRandom(source.session(), { seed: runSeed + seed, goOn: () => going }),
    )
    try {
      for (let lives = 0; lives < 12; lives++) {
        await live(1 + Math.floor(random() * 60), 1 + Math.floor(random() * 200))
      }
    } finally {
      going = false
      await Promise.all([sampling, ...writing])
    }
    const mark = await source.mark()
    const isMark = (event: Event) =>
      event.kind === 'message' && event.prefix === 'mark' && new TextDecoder().decode(event.content) === mark
    await live(Number.POSITIVE_INFINITY, 10_000, () => store.events.slice(-2).some(isMark))
    expect(samples).toBeGreaterThan(50)

    const replica = new Replica().apply(store.events)
    for (const table of workloadTableNames) {
      expect(inOrder(replica.rows(`public.${table}`)), `${table}, seed ${runSeed}`).toEqual(
        inOrder(await source.rows(`TABLE ${table}`)),
      )
    }
    // only a copy may begin anew, and copied rows have no such identity
    const changes = store.events.flatMap((event) =>
      'seq' in event && event.seq !== undefined ? [`${event.tx.commitLsn} ${event.seq}`] : [],
    )
    expect(new Set(changes).size, `seed ${runSeed}`).toBe(changes.length)
  })

  test('orders changes as they were committed, not as they were written (trap 4)', async () => {
    await using source = await Source.make(server, workloadTables)
    const reader = await source.followChanges({ maxBatchRows: 2 })
    const other = source.session()
    await other.unsafe("BEGIN; INSERT INTO log VALUES ('written first')").simple()
    await source.write("INSERT INTO log VALUES ('committed first')")
    await other.unsafe("INSERT INTO log VALUES ('written later'); COMMIT").simple()
    const events = await reader.untilMark(await source.mark())

    const lines = events.flatMap((event) => (event.kind === 'insert' ? [event] : []))
    expect(lines.map((event) => event.new.line)).toEqual(['committed first', 'written first', 'written later'])
    const [first, second] = lines
    expect(second?.lsn).toBeLessThan(first?.lsn ?? 0n)
    const positions = reader.batches.map(({ position }) => position)
    for (const [index, position] of positions.entries()) {
      const before = positions[index - 1]
      if (before !== undefined) expect(comparePositions(before, position)).toBeLessThan(0)
    }
  })

  test('inside a transaction needs the same publications, between two of them any', async () => {
    await using source = await Source.make(server, workloadTables, { publication: 'FOR TABLE log' })
    await source.write('CREATE PUBLICATION more FOR TABLE accounts')
    const reader = await source.followChanges({ maxBatchRows: 3, ack: 'never' })
    reader.ack()
    await source.write("INSERT INTO log SELECT 'line ' || i FROM generate_series(1, 10) i")
    await reader.until('a batch inside the transaction', ({ position }) => position?.tx !== undefined)
    const inside = reader.stored
    await reader.until('its end', ({ position }) => position?.tx === undefined)
    const between = reader.stored
    await reader.abandon()

    const publication = [source.publication, 'more']
    const refused = await source.follow({ start: inside, publication }).failure()
    expect(refused).toMatchObject({ code: 'position_incompatible', slot: source.slot })
    expect(refused.message).toContain('more')
    const wider = source.follow({ start: between, publication })
    await source.write("INSERT INTO accounts VALUES (1, 'one', 1)")
    await wider.until('the other table', ({ events }) => events.some(({ kind }) => kind === 'insert'))
    expect(wider.stored.options.publications).toEqual(['more', source.publication])
  })

  test('that names more changes than its transaction has is not taken for another place', async () => {
    const { source, freshSlot } = await writtenSource((written) =>
      written.write("INSERT INTO log VALUES ('a'), ('b'), ('c'), ('d'), ('e')", "INSERT INTO log VALUES ('f')"),
    )
    await using _ = source
    const slot = await freshSlot()
    const reader = source.follow({ slot, start: 'slot', maxBatchRows: 3, ack: 'never' })
    const inside = (await reader.next())?.position
    await reader.abandon()
    if (inside?.tx === undefined) throw new Error('the first batch should end inside the transaction')
    const wrong = [
      { ...inside, tx: { ...inside.tx, seq: 99 } },
      { ...inside, tx: { ...inside.tx, commitLsn: formatLsn(parseLsn(inside.tx.commitLsn) - 1n) } },
    ]
    for (const start of wrong) {
      const failure = await source.follow({ slot, start, ack: 'never' }).failure()
      expect(failure).toMatchObject({ code: 'position_not_found', slot })
    }
  })
})
