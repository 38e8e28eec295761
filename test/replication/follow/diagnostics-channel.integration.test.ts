import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FeedMessages } from '../../../src/index.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

type Name = keyof FeedMessages
type Told = { readonly [N in Name]: { readonly name: N; readonly message: FeedMessages[N] } }[Name]

const names = [
  'walwire:connect',
  'walwire:batch',
  'walwire:ack',
  'walwire:reconnect',
  'walwire:snapshot',
] as const satisfies readonly Name[]

/** Listens to all channels, and keeps what a slot's feeds say there. */
function listen(slot: string): Disposable & { readonly told: Told[]; of(name: Name): object[] } {
  const told: Told[] = []
  const onMessage = (message: unknown, name: string | symbol) => {
    const said = { name, message }
    if (isTold(said) && said.message.slot === slot) told.push(said)
  }
  for (const name of names) subscribe(name, onMessage)
  return {
    told,
    of: (name) => told.filter((said) => said.name === name).map(({ message }) => message),
    [Symbol.dispose]() {
      for (const name of names) unsubscribe(name, onMessage)
    },
  }
}

function isTold(said: { readonly name: unknown; readonly message: unknown }): said is Told {
  return names.some((name) => name === said.name)
}

// a server of its own: it is restarted, and has a limit for slots
describe.each(outerVersions())('what a feed tells, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version, settings: { max_slot_wal_keep_size: '100MB', max_wal_size: '2GB' } })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('in channels, is who it is connected to, each copy, batch and acknowledgement, and each try to go on', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3)',
    )
    using heard = listen(source.slot)
    const { slot } = source
    const reader = source.follow({ reconnect: { minDelayMs: 50, maxDelayMs: 500 } })
    await reader.untilCopied()
    expect(heard.of('walwire:connect')).toEqual([
      {
        slot,
        systemId: reader.stored.systemId,
        timeline: 1,
        serverVersion: expect.any(Number),
        inRecovery: false,
        replicationPid: expect.any(Number),
        ordinaryPid: Number(await source.value("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")),
      },
    ])
    const lsn = reader.stored.consistentPoint
    expect(heard.of('walwire:snapshot')).toEqual([
      { slot, table: 'public.t', step: 'begin', lsn, rows: undefined },
      { slot, table: 'public.t', step: 'end', lsn, rows: 3 },
    ])
    await source.write('INSERT INTO t VALUES (4)')
    await reader.untilMark(await source.mark())
    expect(heard.of('walwire:batch')).toEqual(
      reader.batches.map(({ events, atCommit, position }) => ({
        slot,
        phase: position.phase,
        lsn: position.lsn,
        events: events.length,
        atCommit,
        lagMs:
          position.phase === 'stream' && events.some(({ kind }) => kind === 'commit') ? expect.any(Number) : undefined,
      })),
    )
    expect(heard.of('walwire:ack').at(-1)).toEqual({ slot, lsn: reader.stored.lsn })
    expect(heard.of('walwire:reconnect')).toEqual([])

    const pulling = reader.keepPulling()
    await server.restart('immediate')
    await waitUntil('it to go on', () => reader.feed.status().reconnects === 1)
    expect(heard.of('walwire:reconnect')[0]).toEqual({
      slot,
      code: expect.any(String),
      message: expect.any(String),
      attempt: 1,
      delayMs: expect.any(Number),
    })
    expect(heard.of('walwire:connect')).toHaveLength(2)
    await reader.close()
    await pulling
  })

  test('in its log, is that its slot nears max_slot_wal_keep_size', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const logger = recordingLogger()
    const reader = await source.followChanges({ ack: 'never', logger })
    reader.ack()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    // six segments, of which a transaction could be read that was not acknowledged
    for (let segments = 0; segments < 6; segments++)
      await source.write('INSERT INTO t SELECT max(id) + 1 FROM t', 'SELECT pg_switch_wal()')
    const warning = await waitUntil(
      'the warning',
      () => logger.lines('warn').find(({ message }) => message.includes('nears max_slot_wal_keep_size')),
      25_000,
    )
    expect(warning.data).toMatchObject({
      slot: source.slot,
      retainedBytes: expect.any(Number),
      safeBytes: expect.any(Number),
    })
    expect(reader.feed.status().slot?.safeBytes).toBeLessThan(20 * 1024 ** 2)
    reader.ack()
  }, 40_000)
})
