import { rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, Transform } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { follow } from '../../../src/replication/index.ts'
import { bootServer, sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'
import { wiretap } from './helpers/wiretap.ts'

const table = 'CREATE TABLE t (id int PRIMARY KEY, name text)'
const rows = (from: number, to: number) =>
  `DO $$ BEGIN FOR i IN ${from}..${to} LOOP INSERT INTO t VALUES (i, 'row'); COMMIT; END LOOP; END $$`

describe.each(testVersions())('a run on PostgreSQL %i', (version) => {
  test('reports what is durable although every batch is full: the slot once stayed until the read-ahead was empty', async () => {
    await using source = await Source.make(await sharedServer(version), table)
    const feed = await source.followChanges({ maxBatchRows: 3 })
    await source.write(rows(1, 200))
    await feed.until('thirty full batches', ({ batches }) => batches.length > 30)
    const acknowledged = feed.stored.lsn
    await waitUntil('the slot to follow', async () => (await source.confirmedFlush()) === acknowledged)
    expect(feed.feed.status().acknowledged).toBe(acknowledged)
  })

  test('that reached its stop leaves nothing for the slot to send again', async () => {
    await using source = await Source.make(await sharedServer(version), table)
    const first = await source.followChanges()
    await first.close()
    await source.write(rows(1, 20))
    const stop = await source.value('SELECT pg_current_wal_insert_lsn()')
    const second = await source.follow({ start: 'slot', stop }).untilEnd()
    expect(second.events.filter((event) => event.kind === 'insert')).toHaveLength(20)
    await source.write(rows(21, 22))
    const third = source.follow({ start: 'slot' })
    const mark = await source.mark()
    const later = await third.untilMark(mark)
    expect(later.filter((event) => event.kind === 'insert')).toHaveLength(2)
  })

  test('with a stop that is far away asks the server at its own pace, and not with every answer', async () => {
    await using source = await Source.make(await sharedServer(version), table)
    await using tap = await wiretap(source.url)
    await source.followChanges({ connection: tap.url }).then((feed) => feed.close())
    const feed = source.follow({ connection: tap.url, start: 'slot', stop: 'FFFFFFFF/0' })
    void feed.keepPulling()
    await waitUntil('the feed to wait at the end of the log', () => tap.keepalives.silent > 5)
    const [first] = tap.statusUpdates
    const seconds = ((tap.statusUpdates.at(-1)?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000
    expect(tap.statusUpdates.length / Math.max(seconds, 0.2)).toBeLessThan(40)
  })

  test('that ends while its first stream position is being stored keeps the slot that continues it', async () => {
    await using source = await Source.make(await sharedServer(version), `${table}; INSERT INTO t VALUES (1, 'row')`)
    const leave = new AbortController()
    const feed = follow({
      connection: source.url,
      publication: source.publication,
      slot: source.slot,
      signal: leave.signal,
    })
    const batches = feed[Symbol.asyncIterator]()
    feed.ack((await batches.next()).value!.position)
    const copied = (await batches.next()).value!
    expect(copied.position.phase).toBe('stream')
    leave.abort()
    await feed.close()
    // the caller's transaction commits only now
    feed.ack(copied.position)
    const next = source.follow({ start: copied.position })
    await source.write(rows(2, 3))
    const later = await next.untilMark(await source.mark())
    expect(later.filter((event) => event.kind === 'insert')).toHaveLength(2)
  })

  test.each(['close', 'abort'] as const)(
    'that ends by %s while its slot is being made leaves none behind',
    async (how) => {
      await using server = await bootServer({ version })
      await using source = await Source.make(server, table)
      const blocker = source.session()
      await blocker.unsafe("BEGIN; INSERT INTO t VALUES (0, 'open')").simple()
      const leave = new AbortController()
      const feed = follow({
        connection: source.url,
        publication: source.publication,
        slot: source.slot,
        signal: leave.signal,
      })
      const batches = feed[Symbol.asyncIterator]()
      feed.ack((await batches.next()).value!.position)
      const pull = batches.next()
      pull.catch(() => {})
      await waitUntil('the server to make the slot', async () => (await source.slotRow()) !== undefined)
      const begun = performance.now()
      if (how === 'abort') leave.abort()
      await feed.close()
      expect(performance.now() - begun).toBeLessThan(1000)
      expect(await source.slotRow()).toBeUndefined()
      await waitUntil(
        'the walsender to end',
        async () => (await source.value('SELECT count(*) FROM pg_stat_replication')) === '0',
      )
      await blocker.unsafe('ROLLBACK').simple()
    },
  )

  test('that ends while the server does not answer its first questions ends all the same', async () => {
    await using source = await Source.make(await sharedServer(version), table)
    const { hostname, port } = new URL(source.url)
    const sockets: Socket[] = []
    const feed = follow({
      connection: {
        user: source.server.superuser,
        password: source.server.password,
        dbname: decodeURIComponent(new URL(source.url).pathname.slice(1)),
        sslmode: 'disable',
        connect: async () => {
          const socket = connect({ host: hostname, port: Number(port) })
          sockets.push(socket)
          return stalledAfterLogin(socket)
        },
      },
      publication: source.publication,
      slot: source.slot,
    })
    const pull = feed[Symbol.asyncIterator]().next()
    pull.catch(() => {})
    await waitUntil('the login to be over', () => sockets.some((socket) => stalled.has(socket)))
    const begun = performance.now()
    await feed.close()
    expect(performance.now() - begun).toBeLessThan(1000)
    await waitUntil('the sockets to be closed', () => sockets.every((socket) => socket.destroyed))
    expect(await pull).toEqual({ done: true, value: undefined })
  })

  test.runIf(version >= 16)(
    'over a standby ends when that is promoted: its positions would name the old timeline',
    async () => {
      await using server = await bootServer({ version })
      await using source = await Source.make(server, table)
      const before = await source.followChanges()
      await before.close()
      await server.stop('fast')
      const signal = join(server.dataDir, 'standby.signal')
      await writeFile(signal, '')
      await server.start()
      const feed = source.follow({ start: before.stored })
      const failure = feed.failure()
      await waitUntil('the stream to begin', async () => (await source.slotRow())?.active === 't')
      await source.write('SELECT pg_promote()')
      await rm(signal, { force: true })
      await source.write("INSERT INTO t VALUES (1, 'after')")
      expect(await failure).toMatchObject({ code: 'standby_promoted', retryable: true })
      const again = source.follow({ start: before.stored })
      const later = await again.untilMark(await source.mark())
      expect(later.filter((event) => event.kind === 'insert')).toHaveLength(1)
      expect(again.position?.timeline).toBe(2)
    },
  )
})

const stalled = new WeakSet<Socket>()

/** Lets a login through, and holds back what the server answers to the first query. */
function stalledAfterLogin(socket: Socket): Duplex {
  const readyForQuery = 0x5a
  return Duplex.from({
    readable: socket.pipe(
      new Transform({
        transform(chunk: Buffer, _encoding, done) {
          if (stalled.has(socket)) return
          if (chunk.includes(Buffer.from([readyForQuery, 0, 0, 0, 5, 0x49]))) stalled.add(socket)
          done(null, chunk)
        },
      }),
    ),
    writable: socket,
  }).once('close', () => socket.destroy())
}
