import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/protocol/connection/connection.ts'
import type { WalwireError } from '../../src/protocol/messages/errors.ts'
import { formatLsn, parseLsn } from '../../src/protocol/messages/lsn.ts'
import { checkServer, readServerFacts } from '../../src/replication/catalog/server-facts.ts'
import { readTimelineHistory } from '../../src/replication/catalog/timeline-history.ts'
import { waitForLsn } from '../../src/replication/catalog/wait-for-lsn.ts'
import { silentLogger } from '../../src/replication/logger.ts'
import type { Position } from '../../src/replication/position.ts'
import { readSlot } from '../../src/replication/slot/slot.ts'
import { createSlot } from '../../src/replication/slot/slot-creation.ts'
import { planStart, type StartPlan, type StartRequest } from '../../src/replication/start.ts'
import { bootServer, sharedServer, testVersions } from '../server/index.ts'
import { connect, connectForReplication, firstValue, type TestConnection } from './connect.ts'

/** Plans as a feed does: with what the server says now. */
async function plan(replication: Connection, slotName: string, start: StartRequest['start']): Promise<StartPlan> {
  const slot = await readSlot(replication, slotName)
  const server = await readServerFacts(replication)
  const history = await readTimelineHistory(replication, server.timeline)
  return planStart(
    { start, slotName, temporary: false, snapshot: 'initial', publications: ['p'], onLostSlot: 'fail' },
    server,
    slot,
    history,
  )
}

async function refusal(replication: Connection, slotName: string, start: StartRequest['start']): Promise<WalwireError> {
  return await plan(replication, slotName, start).then(
    (planned) => {
      throw new Error(`it was planned: ${planned.kind}`)
    },
    (error: WalwireError) => error,
  )
}

/** A slot, and a position some commits later. */
async function startedFeed(replication: TestConnection, ordinary: Connection, name: string): Promise<Position> {
  const server = await readServerFacts(replication)
  const { consistentPoint } = await createSlot(replication, ordinary, {
    name,
    temporary: false,
    snapshot: 'nothing',
    timeoutMs: 20_000,
    logger: silentLogger,
    version: server.version,
  })
  await ordinary.query('CREATE TABLE IF NOT EXISTS public.t (a int)')
  await ordinary.query('INSERT INTO public.t VALUES (1)')
  return {
    version: 2,
    systemId: server.systemId,
    timeline: server.timeline,
    database: server.database,
    slot: name,
    consistentPoint: formatLsn(consistentPoint),
    options: { publications: ['p'] },
    phase: 'stream',
    lsn: await firstValue(ordinary, 'SELECT pg_current_wal_flush_lsn()'),
  }
}

describe.each(testVersions())('a start on PostgreSQL %i', (major) => {
  const named = (name: string) => `${name}_${process.pid}_${major}`

  test('finds what became of a slot', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    const name = named('start')
    expect((await plan(replication, name, undefined)).kind).toBe('create')
    expect((await refusal(replication, name, 'slot')).code).toBe('slot_lost')

    const position = await startedFeed(replication, ordinary, name)
    expect((await refusal(replication, name, undefined)).code).toBe('slot_exists')
    expect(await plan(replication, name, position)).toMatchObject({
      kind: 'continue',
      from: parseLsn(position.lsn),
      position,
    })
    expect(await plan(replication, name, position.lsn)).toMatchObject({ kind: 'continue' })
    expect(await plan(replication, name, 'slot')).toMatchObject({ from: parseLsn(position.consistentPoint ?? '') })
    expect((await plan(replication, name, { ...position, phase: 'new' })).kind).toBe('remake')

    // trap 15: moved on by hand
    await ordinary.query('INSERT INTO public.t VALUES (2)')
    const moved = await firstValue(
      ordinary,
      `SELECT end_lsn FROM pg_replication_slot_advance('${name}', pg_current_wal_flush_lsn())`,
    )
    const gap = await refusal(replication, name, position)
    expect(gap).toMatchObject({ code: 'gap', slot: name, lsn: position.lsn })
    expect(gap.message).toContain(moved)

    // trap 14: dropped and made anew
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
    expect((await refusal(replication, name, position)).code).toBe('slot_lost')
    await ordinary.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    const anew = await refusal(replication, name, position)
    expect(anew.code).toBe('gap')
    expect(anew.message).toContain('made anew')
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)

    await ordinary.query(`SELECT pg_create_logical_replication_slot('${name}', 'test_decoding')`)
    expect((await refusal(replication, name, position)).code).toBe('slot_plugin')
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
    await ordinary.query(`SELECT pg_create_physical_replication_slot('${name}', true)`)
    expect((await refusal(replication, name, position)).code).toBe('slot_physical')
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
    using elsewhere = await connect(server.uri())
    await elsewhere.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    expect((await refusal(replication, name, position)).code).toBe('slot_database')
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
  })

  test('refuses an LSN past the end of the WAL, which the server would accept', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    const name = named('ahead')
    const position = await startedFeed(replication, ordinary, name)
    const lsn = formatLsn(parseLsn(position.lsn) + 0x1_0000_0000n)
    expect((await refusal(replication, name, { ...position, lsn })).code).toBe('position_ahead')
    expect((await refusal(replication, name, lsn)).code).toBe('position_ahead')
    await expect(
      waitForLsn(replication, parseLsn(lsn), { primaryTimeoutMs: 300, logger: silentLogger }),
    ).rejects.toMatchObject({ code: 'position_ahead' })
    await waitForLsn(replication, parseLsn(position.lsn), { primaryTimeoutMs: 300, logger: silentLogger })
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
  })

  test('finds a copy of an older slot under the same name', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    const [name, older] = [named('copied'), named('older')]
    await ordinary.query(`SELECT pg_create_logical_replication_slot('${older}', 'pgoutput')`)
    const position = await startedFeed(replication, ordinary, name)
    await ordinary.query(`SELECT pg_drop_replication_slot('${name}')`)
    await ordinary.query(`SELECT pg_copy_logical_replication_slot('${older}', '${name}')`)
    expect((await refusal(replication, name, position)).code).toBe('slot_recreated')
    for (const slot of [name, older]) await ordinary.query(`SELECT pg_drop_replication_slot('${slot}')`)
  })

  test('an LSN that is written and not flushed is waited for, though the transaction that wrote it stays open', async () => {
    await using server = await bootServer({ version: major })
    using replication = await connectForReplication(server.uri())
    using ordinary = await connect(server.uri())
    using writer = await connect(server.uri())
    await startedFeed(replication, ordinary, 'feed')
    await writer.query('BEGIN; INSERT INTO public.t VALUES (2)')
    const written = await firstValue(ordinary, 'SELECT pg_current_wal_insert_lsn()')
    expect(await firstValue(ordinary, `SELECT pg_current_wal_flush_lsn() < '${written}'`)).toBe('t')
    expect(await plan(replication, 'feed', written)).toMatchObject({ kind: 'continue', waitFor: parseLsn(written) })
    await waitForLsn(replication, parseLsn(written), { primaryTimeoutMs: 5_000, logger: silentLogger })
    expect(await plan(replication, 'feed', written)).toMatchObject({ kind: 'continue', waitFor: undefined })
  })

  test('goes on after a promotion, unless the position is past it', async () => {
    await using server = await bootServer({ version: major })
    let position: Position
    {
      using replication = await connectForReplication(server.uri())
      using ordinary = await connect(server.uri())
      position = await startedFeed(replication, ordinary, 'feed')
    }
    await server.stop()
    const signal = join(server.dataDir, 'standby.signal')
    await writeFile(signal, '')
    await server.start()
    {
      using replication = await connectForReplication(server.uri())
      const standby = await readServerFacts(replication)
      expect(standby).toMatchObject({ inRecovery: true, timeline: 1, insertLsn: undefined })
      expect(standby.replayLsn).toBeGreaterThanOrEqual(parseLsn(position.lsn))
      if (major < 16) {
        expect(() => checkServer(standby)).toThrow(expect.objectContaining({ code: 'unsupported_server' }))
      } else {
        checkServer(standby)
        // a primary that is idle, or gone, writes no record at which a slot could begin
        using ordinary = await connect(server.uri())
        const work = createSlot(replication, ordinary, {
          name: 'on_standby',
          temporary: false,
          snapshot: 'nothing',
          timeoutMs: 700,
          logger: silentLogger,
          version: standby.version,
        })
        await expect(work).rejects.toMatchObject({
          code: 'slot_creation_timeout',
          hint: expect.stringContaining('pg_log_standby_snapshot()'),
        })
        expect(await readSlot(ordinary, 'on_standby')).toBeUndefined()
        const ahead = formatLsn(parseLsn(position.lsn) + 0x1_0000n)
        expect(await plan(replication, 'feed', { ...position, lsn: ahead })).toMatchObject({ waitFor: parseLsn(ahead) })
        const abort = new AbortController()
        const waiting = waitForLsn(replication, parseLsn(ahead), {
          primaryTimeoutMs: 0,
          logger: silentLogger,
          signal: abort.signal,
        })
        abort.abort(new Error('enough'))
        await expect(waiting).rejects.toThrow('enough')
      }
    }
    {
      using ordinary = await connect(server.uri())
      await ordinary.query('SELECT pg_promote()')
      await rm(signal, { force: true })
    }
    using replication = await connectForReplication(server.uri())
    const promoted = await readServerFacts(replication)
    expect(promoted).toMatchObject({ inRecovery: false, timeline: 2 })
    const [left] = await readTimelineHistory(replication, promoted.timeline)
    expect(left?.timeline).toBe(1)
    expect(left?.end).toBeGreaterThanOrEqual(parseLsn(position.lsn))
    expect(await plan(replication, 'feed', position)).toMatchObject({
      kind: 'continue',
      from: parseLsn(position.lsn),
      position: { timeline: 2 },
    })
    const past = { ...position, lsn: formatLsn((left?.end ?? 0n) + 1n) }
    expect((await refusal(replication, 'feed', past)).code).toBe('timeline_diverged')
    expect(await plan(replication, 'feed', { ...position, lsn: formatLsn(left?.end ?? 0n) })).toMatchObject({
      kind: 'continue',
    })
    expect((await refusal(replication, 'feed', { ...position, timeline: 3 })).code).toBe('timeline_diverged')
    expect((await refusal(replication, 'feed', { ...position, systemId: '1' })).code).toBe('other_system')
  })
})
