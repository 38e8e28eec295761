import { describe, expect, test } from 'vitest'
import { bootServer, outerVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

describe.each(outerVersions())("the log of PostgreSQL %i has nothing of a client's that", (version) => {
  test('left: each connection says goodbye, whatever it is in the middle of', async () => {
    await using server = await bootServer({ version, settings: { log_error_verbosity: 'default' } })
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t VALUES (1)',
    )
    // a snapshot, its stream, and an end; a start at a position
    const first = source.follow()
    await first.until('the stream', ({ position }) => position?.phase === 'stream')
    await first.close()
    const second = source.follow({ start: first.stored, maxBatchRows: 1 })
    await source.write('INSERT INTO t VALUES (2)')
    await second.until('a row', ({ events }) => events.some((event) => event.kind === 'insert'))
    await second.close()
    // in the middle of a large copy, where the snapshot is held and a worker copies
    await source.write("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(10, 50000) i")
    const third = source.follow({ slot: `${source.slot}_2`, maxBatchRows: 10 })
    await third.until('a row of the copy', ({ events }) => events.some((event) => event.kind === 'snapshot'))
    await third.close()
    // in the middle of a large transaction
    const fourth = source.follow({ start: second.stored, maxBatchRows: 10 })
    await fourth.until('a row of the transaction', ({ events }) => events.some((event) => event.kind === 'insert'))
    await fourth.close()
    await waitUntil('all backends to be gone', async () => {
      const others = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'walwire%'"
      return (await source.value(others)) === '0'
    })
    const log = await server.readLog()
    expect(
      log.split('\n').filter((line) => /unexpected EOF|could not (receive|send) data|broken pipe/i.test(line)),
    ).toEqual([])
  })
})
