import postgres from 'postgres'
import { expect, test, vi } from 'vitest'
import { busyShopSchema } from '../end-to-end/busy-shop.ts'
import { Chance, seedFrom } from '../end-to-end/random.ts'
import { sourceRows } from '../end-to-end/source-rows.ts'
import { outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { endExample, startExample } from './example.ts'
import { openKeyedShop } from './keyed-shop.ts'

vi.setConfig({ testTimeout: 300_000 })

const version = outerVersions().at(-1)

test('killed in the copy and after it while sessions write: the destination equals the source', async () => {
  const seed = seedFrom(process.env.WALWIRE_KILL_SEED)
  console.log(`seed of this run: WALWIRE_KILL_SEED=${seed}`)
  const chance = new Chance(seed)
  await using source = await openKeyedShop(version, chance.fork())
  const destination = await source.server.createDatabase()
  const copy = postgres(destination, { max: 1, onnotice: () => {} })
  await copy.unsafe(busyShopSchema)
  const env = { SOURCE: source.url, DESTINATION: destination, PUBLICATION: 'keyed', SLOT: 'exactly_once' }

  const position = async (): Promise<{ phase: string; lsn: string } | undefined> => {
    const [row] = await copy`SELECT position->>'phase' AS phase, position->>'lsn' AS lsn FROM walwire_position`.catch(
      () => [],
    )
    return row && { phase: String(row.phase), lsn: String(row.lsn) }
  }
  const copied = async () => Number((await copy`SELECT count(*) FROM accounts`)[0]?.count)
  /** Starts it, and kills it some time after something has come. */
  const kill = async (what: string, hasCome: () => Promise<boolean>) => {
    await using running = startExample('exactly-once-postgres', env)
    await waitUntil(what, async () => running.child.exitCode !== null || (await hasCome()), 60_000)
    // an end of its own would not be one by a kill
    expect(running.child.exitCode, running.stderr).toBe(null)
    await new Promise((done) => setTimeout(done, chance.oneOf([0, 2, 50])))
    running.signal('SIGKILL')
    await running.finished
  }

  await kill('rows to be copied', async () => (await position())?.phase === 'snapshot' && (await copied()) > 0)
  expect((await position())?.phase).toBe('snapshot')
  await kill('the copy to be over', async () => (await position())?.phase === 'stream')
  for (let times = 0; times < 4; times++) {
    const before = (await position())?.lsn
    if (times === 1) await source.truncate('codes')
    await kill('something to be followed', async () => (await position())?.lsn !== before)
  }
  await source.shop.stop()

  await source.addLast()
  await using running = startExample('exactly-once-postgres', env)
  await waitUntil('the last change', async () => (await copy`SELECT FROM accounts WHERE id = -1`).length === 1, 120_000)
  await endExample(running)
  await source.isEqualTo((table) => sourceRows(destination, table))
  await copy.end()
})

test('a run that was replaced ends at its next batch, of which nothing is in the destination', async () => {
  const server = await sharedServer(version)
  const [source, destination] = [await server.createDatabase(), await server.createDatabase()]
  const table = 'CREATE TABLE t (id int PRIMARY KEY)'
  const sql = postgres(source, { max: 1, onnotice: () => {} })
  const copy = postgres(destination, { max: 1, onnotice: () => {} })
  await sql.unsafe(table)
  await sql`CREATE PUBLICATION one FOR TABLE t`
  await copy.unsafe(table)
  const slot = `replaced_${process.pid}`
  const env = { SOURCE: source, DESTINATION: destination, PUBLICATION: 'one', SLOT: slot }
  const ids = async () => (await copy`SELECT id FROM t ORDER BY id`).map(({ id }) => Number(id))
  {
    await using replaced = startExample('exactly-once-postgres', env)
    await sql`INSERT INTO t VALUES (1)`
    await waitUntil('the first row', async () => (await ids()).length === 1, 60_000)
    // another run has stored something since
    await copy`UPDATE walwire_position SET position = jsonb_set(position, '{lsn}', '"0/1"')`
    await sql`INSERT INTO t VALUES (2)`
    const { code, stderr } = await replaced.finished
    expect(code, stderr).toBe(1)
    expect(stderr).toContain('another run has taken over')
    expect(await ids()).toEqual([1])
  }
  const isFree = async () =>
    (await sql`SELECT FROM pg_replication_slots WHERE slot_name = ${slot} AND active`).length === 0
  await waitUntil('the slot to be free', isFree)
  await sql`SELECT pg_drop_replication_slot(${slot})`
  await Promise.all([sql.end(), copy.end()])
})
