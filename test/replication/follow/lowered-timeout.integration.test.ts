import { describe, expect, test } from 'vitest'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

/** Lowers the timeout, and lets four of the new ones pass. */
async function outlast(server: TestServer): Promise<void> {
  await server.reload({ wal_sender_timeout: '1500ms' })
  const untilMs = performance.now() + 6_000
  await waitUntil('four timeouts to pass', () => performance.now() > untilMs)
}

describe.each(outerVersions())('a wal_sender_timeout that is lowered by a reload, on PostgreSQL %i,', (version) => {
  async function lowered(source: Source, server: TestServer): Promise<void> {
    const pid = await waitUntil('the stream to begin', () =>
      source.value('SELECT active_pid FROM pg_replication_slots'),
    )
    await outlast(server)
    expect(await source.value('SELECT active_pid FROM pg_replication_slots')).toBe(pid)
  }

  test('is outlived by a feed that waits for changes', async () => {
    await using server = await bootServer({ version })
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, v text)')
    const reader = await source.followChanges()
    const reading = reader.until('a row', ({ events }) => events.some(({ kind }) => kind === 'commit'))
    await lowered(source, server)
    await source.write('INSERT INTO t VALUES (1)')
    await reading
  })

  test('is outlived by a feed whose consumer takes nothing, though much is there', async () => {
    await using server = await bootServer({ version })
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY, v text)')
    const reader = await source.followChanges({ maxBufferedBytes: 100_000, maxBatchRows: 100 })
    await source.write("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
    await reader.next()
    await lowered(source, server)
    await reader.untilMark(await source.mark())
  })
})
