import postgres from 'postgres'
import { expect, test, vi } from 'vitest'
import { busyShopSchema } from '../end-to-end/busy-shop.ts'
import { Chance, seedFrom } from '../end-to-end/random.ts'
import { sourceRows } from '../end-to-end/source-rows.ts'
import { outerVersions, waitUntil } from '../server/index.ts'
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
