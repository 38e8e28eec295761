import dns from 'node:dns'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ConnectionOptions } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

const tables = 'CREATE TABLE t (id int PRIMARY KEY, n numeric); INSERT INTO t VALUES (1, 1)'

/** What stands behind a name with several addresses: each connection goes to the server that is next in the list. */
function behindOneName(urls: readonly string[], order: readonly number[]): ConnectionOptions {
  const [first] = urls.map((url) => new URL(url))
  if (first === undefined) throw new Error('no server')
  let connections = 0
  return {
    user: decodeURIComponent(first.username),
    password: decodeURIComponent(first.password),
    dbname: decodeURIComponent(first.pathname.slice(1)),
    connect: async () => {
      const { hostname, port } = new URL(urls[order[connections++] ?? 0] ?? '')
      const socket = connect({ host: hostname, port: Number(port) })
      await once(socket, 'connect')
      return socket
    },
  }
}

describe.each(outerVersions())('connections that reach two servers, on PostgreSQL %i,', (version) => {
  let servers: readonly [TestServer, TestServer]
  beforeAll(async () => {
    servers = [await bootServer({ version }), await bootServer({ version })]
  })
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
  })

  /** A source on the first server, and one on the second with the same database, tables and publication. */
  async function sources(): Promise<{ here: Source; urls: readonly [string, string] }> {
    const here = await Source.make(servers[0], tables)
    const database = new URL(here.url).pathname.slice(1)
    await using there = await Source.make(servers[1], 'SELECT 1')
    await there.write(`CREATE DATABASE ${database}`)
    return { here, urls: [here.url, servers[1].uri(database)] }
  }

  test.each([
    ['at the start', [0, 1], 'slot'],
    ['at the start, the other way round', [1, 0], 'slot'],
    ['with the one that copies', [0, 0, 1], undefined],
  ] as const)('are noticed %s, before anything is decided', async (_, order, start) => {
    const { here, urls } = await sources()
    await using source = here
    if (start === 'slot') await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    const feed = source.follow({ connection: behindOneName(urls, order), start })
    expect(await feed.failure()).toMatchObject({ code: 'two_servers', retryable: true })
    expect(feed.events).toEqual([])
    // a slot that was made for nothing is gone, and one that was there stands where it stood
    expect((await source.slotRow())?.active).toBe(start === 'slot' ? 'f' : undefined)
  })

  test('are noticed when the stream changes from binary to text', async () => {
    const { here, urls } = await sources()
    await using source = here
    const feed = await source.followChanges({ binary: true, connection: behindOneName(urls, [0, 0, 1, 1]) })
    await feed.untilMark(await source.mark())
    // money has a binary form that is not exact
    await source.write('CREATE TABLE later (id int PRIMARY KEY, price money)', 'INSERT INTO later VALUES (1, 2)')
    expect(await feed.failure()).toMatchObject({ code: 'two_servers', retryable: true })
  })

  test('are none where a name stands for another address at each look: the first that was reached is kept', async () => {
    const { here } = await sources()
    await using source = here
    const looks: string[] = []
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation((...given: unknown[]) => {
      const [name, options, answer] = given
      if (typeof answer !== 'function') throw new Error('a look without a question')
      // nothing listens at the others
      const address = `127.0.0.${looks.push(String(name))}`
      const all = typeof options === 'object' && options !== null && 'all' in options && options.all === true
      queueMicrotask(() => (all ? answer(null, [{ address, family: 4 }]) : answer(null, address, 4)))
    })
    try {
      const url = new URL(source.url)
      url.hostname = 'several.test'
      const feed = source.follow({ connection: url.href })
      expect((await feed.untilCopied()).filter(({ kind }) => kind === 'snapshot')).toHaveLength(1)
      expect(looks).toEqual(['several.test'])
    } finally {
      lookup.mockRestore()
    }
  })

  test('are none where a role acts as another, and may not see its own sessions', async () => {
    const { here } = await sources()
    await using source = here
    const role = `acting_${Math.random().toString(36).slice(2, 8)}`
    await source.write(
      `CREATE ROLE ${role}_as REPLICATION`,
      `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret' NOINHERIT IN ROLE ${role}_as`,
      `ALTER ROLE ${role} SET role = '${role}_as'`,
      `GRANT SELECT ON t TO ${role}_as, ${role}`,
    )
    const url = new URL(source.url)
    url.username = role
    url.password = 'secret'
    const feed = await source.follow({ connection: url.href }).untilCopied()
    expect(feed.filter(({ kind }) => kind === 'snapshot')).toHaveLength(1)
    await source.write(`DROP OWNED BY ${role}_as, ${role}`)
  })
})
