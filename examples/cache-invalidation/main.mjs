// Serves products over HTTP out of a cache that forgets what changes in the database: http://127.0.0.1:PORT/SKU.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { env } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { follow, WalwireError } from 'walwire'

const database = postgres(env.SOURCE ?? '', { onnotice: () => {} })

/** @typedef {{ readonly sku: string }} Product */
/** @type {Map<string, Promise<unknown>>} */
const cache = new Map()
// A cache that nothing tells of changes is not asked.
let following = false

/** @param {string} sku */
async function product(sku) {
  if (!following) return await read(sku)
  const known = cache.get(sku)
  if (known) return await known
  // Kept before it is read: a change that comes while it is being read takes it away again.
  const reading = read(sku)
  cache.set(sku, reading)
  reading.catch(() => cache.delete(sku))
  return await reading
}

/** @param {string} sku */
async function read(sku) {
  return (await database`SELECT * FROM products WHERE sku = ${sku}`)[0]
}

/** @param {string | undefined} sku */
function forget(sku) {
  if (sku === undefined) return
  cache.delete(sku)
  // The change may be here before others can see it in the database, for as long as its commit waits for a synchronous
  // standby: who asked in between was given the old row.
  setTimeout(() => cache.delete(sku), 1000).unref()
}

const server = createServer(async (request, response) => {
  const sku = decodeURIComponent(request.url?.slice(1) ?? '')
  response.setHeader('x-cache', cache.has(sku) ? 'hit' : 'miss')
  try {
    response.end(JSON.stringify((await product(sku)) ?? null))
  } catch (error) {
    response.writeHead(503).end(String(error))
  }
}).listen(Number(env.PORT ?? 8080), '127.0.0.1')
await once(server, 'listening')

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort())

while (!stop.signal.aborted) {
  /** @type {import('walwire').Feed<{ 'public.products': Product }>} */
  const feed = follow({
    connection: env.SOURCE,
    publication: env.PUBLICATION ?? 'shop',
    // Nothing to copy, and nothing to go on from: what the cache held is forgotten with the run.
    snapshot: 'never',
    temporary: true,
    // a server that is away is waited for
    reconnect: { first: true },
    signal: stop.signal,
  })
  try {
    for await (const { events, position } of feed) {
      // from here on the slot tells of every change
      if (position.phase === 'stream') following = true
      for (const event of events) {
        if (event.kind === 'truncate') cache.clear()
        if (event.kind === 'insert' || event.kind === 'update') forget(event.new.sku)
        if (event.kind === 'update' || event.kind === 'delete') forget((event.old ?? event.key)?.sku)
      }
      feed.ack(position)
    }
  } catch (error) {
    // the slot went with its connection: begin anew
    const mayPass = error instanceof WalwireError && (error.retryable || error.code === 'temporary_slot_lost')
    if (!stop.signal.aborted && !mayPass) throw error
    if (mayPass) console.error(`${error.message}; beginning anew`)
  } finally {
    following = false
    cache.clear()
    await feed.close()
  }
  await delay(200, undefined, { signal: stop.signal }).catch(() => {})
}
server.close()
server.closeAllConnections()
await database.end()
