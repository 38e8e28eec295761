import postgres from 'postgres'
import { expect, test, vi } from 'vitest'
import { freePort } from '../../src/cli/embedded/free-port.ts'
import { Chance, seedFrom } from '../end-to-end/random.ts'
import { bootServer, outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { endExample, startExample } from './example.ts'

vi.setConfig({ testTimeout: 120_000 })

const version = outerVersions().at(-1)
const products = 40
const skus = Array.from({ length: products }, (_, at) => `SKU ${at}`)

/** What is served, and whether out of the cache. */
async function ask(port: number, sku: string): Promise<{ body: unknown; hit: boolean }> {
  const response = await fetch(`http://127.0.0.1:${port}/${encodeURIComponent(sku)}`)
  return { body: await response.json(), hit: response.headers.get('x-cache') === 'hit' }
}

async function furnish(url: string): Promise<postgres.Sql> {
  const sql = postgres(url, { max: 4, onnotice: () => {} })
  await sql`CREATE TABLE products (sku text PRIMARY KEY, price int, changes int DEFAULT 0)`
  await sql`INSERT INTO products SELECT 'SKU ' || at, at FROM generate_series(0, ${products - 1}::int) at`
  await sql`CREATE PUBLICATION shop FOR TABLE products`
  return sql
}

/** Changes products, and asks for them and for others in between, until it is stopped. */
async function trade(sql: postgres.Sql, port: number, chance: Chance, market: { isOver: boolean; trades: number }) {
  while (!market.isOver) {
    const [mine, other] = [chance.between(0, products - 1), chance.between(0, products - 1)].map((at) => `SKU ${at}`)
    const change = chance.between(1, 10)
    if (change === 1) await sql`DELETE FROM products WHERE sku = ${mine ?? ''}`
    else if (change <= 3) await sql`INSERT INTO products VALUES (${mine ?? ''}, 0) ON CONFLICT DO NOTHING`
    else if (change === 4) await sql`UPDATE products SET sku = sku || random() WHERE sku = ${mine ?? ''}`
    else await sql`UPDATE products SET price = price + 1, changes = changes + 1 WHERE sku = ${mine ?? ''}`
    await Promise.all([mine, other].map((sku) => ask(port, sku ?? '').catch(() => {})))
    market.trades++
  }
}

test('killed while products change and are asked for: in the end, what is served is what is there, and out of the cache', async () => {
  const seed = seedFrom(process.env.WALWIRE_KILL_SEED)
  console.log(`seed of this run: WALWIRE_KILL_SEED=${seed}`)
  const chance = new Chance(seed)
  const server = await sharedServer(version)
  const source = await server.createDatabase()
  const sql = await furnish(source)
  const port = await freePort()
  const env = { SOURCE: source, PORT: String(port) }

  const hits = async () => {
    let count = 0
    for (const sku of skus) if ((await ask(port, sku)).hit) count++
    return count
  }
  const market = { isOver: false, trades: 0 }
  const trading = Promise.all([0, 1, 2].map(() => trade(sql, port, chance.fork(), market)))
  for (let times = 0; times < 2; times++) {
    await using running = startExample('cache-invalidation', env)
    await waitUntil('the cache to be of use', async () => (await hits().catch(() => 0)) > 0)
    running.signal('SIGKILL')
    await running.finished
  }
  await using running = startExample('cache-invalidation', env)
  await waitUntil('the cache to be of use', async () => (await hits().catch(() => 0)) > 0)
  const enough = market.trades + 500
  await waitUntil('enough to happen', () => market.trades > enough, 60_000)
  market.isOver = true
  await trading

  const isRight = async () => {
    const rows = await sql`SELECT * FROM products`
    const there = new Map(rows.map((row) => [String(row.sku), { ...row }]))
    const served = await Promise.all(skus.map((sku) => ask(port, sku)))
    return served.every(({ body }, at) => JSON.stringify(body) === JSON.stringify(there.get(skus[at] ?? '') ?? null))
  }
  await waitUntil('everything served to be what is there', isRight)
  // what was forgotten once more, some time after each change, has come back
  await waitUntil('all of it to come out of the cache', async () => (await hits()) === products)
  expect(await isRight()).toBe(true)
  await sql`TRUNCATE products`
  await waitUntil('nothing to be left', isRight)
  await endExample(running)
  await waitUntil('no slot to be left', async () => {
    const slots = await sql`SELECT FROM pg_replication_slots WHERE database = current_database()`
    return slots.length === 0
  })
  await sql.end()
})

test('a server that restarts is followed again, with an empty cache', async () => {
  await using server = await bootServer(version === undefined ? {} : { version })
  const source = await server.createDatabase()
  const sql = await furnish(source)
  const port = await freePort()
  await using running = startExample('cache-invalidation', { SOURCE: source, PORT: String(port) })
  const isCached = async () => (await ask(port, 'SKU 7').catch(() => undefined))?.hit === true
  await waitUntil('a product to be cached', isCached)
  await server.stop('fast')
  await running.says('beginning anew')
  await server.start()
  await sql`UPDATE products SET price = 1000 WHERE sku = 'SKU 7'`
  await waitUntil('the product to be cached again', isCached)
  expect((await ask(port, 'SKU 7')).body).toMatchObject({ price: 1000 })
  await endExample(running)
  await sql.end()
})
