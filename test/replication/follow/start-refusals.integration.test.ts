import { beforeAll, describe, expect, test } from 'vitest'
import { formatLsn, type Position, parseLsn } from '../../../src/index.ts'
import { bootServer, type SharedServer, sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { beforeCommand } from './helpers/between.ts'
import { Source } from './helpers/source.ts'

const oneTable = 'CREATE TABLE t (id int PRIMARY KEY)'

/** Runs a feed until its slot is made, acknowledges, ends it, and answers what a caller would have stored. */
async function earlierRun(source: Source): Promise<Position> {
  const reader = await source.followChanges()
  await source.write('INSERT INTO t VALUES (1)')
  await reader.untilMark(await source.mark())
  await reader.close()
  return reader.stored
}

async function insertedFrom(source: Source, start: Position | string): Promise<unknown[]> {
  const reader = source.follow({ start })
  const changes = await reader.untilMark(await source.mark())
  return changes.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))
}

const slotsOf = (source: Source) =>
  source.rows('SELECT * FROM pg_replication_slots WHERE database = current_database() OR database IS NULL')

describe.each(testVersions())('a feed does not start, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('without a position where a slot of that name exists: nobody knows whether its snapshot was ever read', async () => {
    await using source = await Source.make(server, oneTable)
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    const before = await source.slotRow()
    const error = await source.follow().failure()
    expect(error).toMatchObject({ code: 'slot_exists', slot: source.slot, retryable: false })
    expect(error.hint).toContain("start: 'slot'")
    expect(await source.slotRow()).toEqual(before)
  })

  test('from a position whose slot is gone, and makes no other', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    await source.write(`SELECT pg_drop_replication_slot('${source.slot}')`)
    expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_lost', slot: source.slot })
    expect(await source.follow({ start: 'slot' }).failure()).toMatchObject({ code: 'slot_lost' })
    expect(await source.follow({ start: start.lsn }).failure()).toMatchObject({ code: 'slot_lost' })
    expect(await source.slotRow()).toBeUndefined()
  })

  test('from a position of a slot that was dropped and made anew, since what was written between is gone', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      'INSERT INTO t VALUES (2)',
      `SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`,
      'INSERT INTO t VALUES (3)',
    )
    const before = await source.slotRow()
    const error = await source.follow({ start }).failure()
    expect(error).toMatchObject({ code: 'gap', slot: source.slot, lsn: start.lsn, retryable: false })
    expect(error.why).toContain('dropped and made anew')
    expect(await source.slotRow()).toEqual(before)
  })

  test('from a position of a slot that now is a copy of an older one', async () => {
    await using source = await Source.make(server, oneTable)
    const older = `${source.slot}_older`
    await source.write(`SELECT pg_create_logical_replication_slot('${older}', 'pgoutput')`, 'INSERT INTO t VALUES (0)')
    const start = await earlierRun(source)
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      `SELECT pg_copy_logical_replication_slot('${older}', '${source.slot}')`,
    )
    expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_recreated', slot: source.slot })
  })

  test('from a position that the slot was moved past by somebody else', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    await source.write('INSERT INTO t VALUES (2)')
    const end = await source.value('SELECT pg_current_wal_lsn()')
    await source.write(`SELECT pg_replication_slot_advance('${source.slot}', '${end}')`)
    const confirmed = await source.confirmedFlush()
    const error = await source.follow({ start }).failure()
    expect(error).toMatchObject({ code: 'gap', slot: source.slot, lsn: start.lsn })
    expect(error.why).toContain(confirmed)
    expect(error.what).toContain(start.lsn)
    expect(await source.follow({ start: start.lsn }).failure()).toMatchObject({ code: 'gap' })

    // the way out that the hint names: the gap is accepted
    await source.write('INSERT INTO t VALUES (3)')
    expect(await insertedFrom(source, 'slot')).toEqual([3])
  })

  test('over a slot that is moved between the first look and the start', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    await source.write('INSERT INTO t VALUES (2)')
    const connection = beforeCommand(source.url, 'START_REPLICATION', () =>
      source.write(`SELECT pg_replication_slot_advance('${source.slot}', pg_current_wal_lsn())`),
    )
    const reader = source.follow({ connection, start })
    expect(await reader.failure()).toMatchObject({ code: 'gap', slot: source.slot, lsn: start.lsn })
    expect(reader.batches).toEqual([])
  })

  test("past the server's end, where it would start and skip what is committed up to there", async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    const ahead = formatLsn(parseLsn(await source.value('SELECT pg_current_wal_insert_lsn()')) + 2n ** 30n)
    await source.write('INSERT INTO t VALUES (2)')
    expect(await source.follow({ start: ahead }).failure()).toMatchObject({ code: 'position_ahead', lsn: ahead })
    expect(await source.follow({ start: { ...start, lsn: ahead } }).failure()).toMatchObject({ code: 'position_ahead' })
    // nothing was skipped by trying
    expect(await insertedFrom(source, start)).toEqual([2])
  })

  test('from a position of another system, database or slot', async () => {
    await using source = await Source.make(server, oneTable)
    await using other = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    const otherSystem = { ...start, systemId: `${BigInt(start.systemId) - 1n}` }
    expect(await source.follow({ start: otherSystem }).failure()).toMatchObject({ code: 'other_system' })
    expect(await source.follow({ start, connection: other.url }).failure()).toMatchObject({ code: 'other_database' })
    const otherSlot = await source.follow({ start, slot: `${source.slot}_2` }).failure()
    expect(otherSlot).toMatchObject({ code: 'other_slot' })
    expect(otherSlot.hint).toContain(source.slot)
    expect(await slotsOf(other)).toEqual([])
  })

  test('from a position of another branch of history', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await earlierRun(source)
    const error = await source.follow({ start: { ...start, timeline: start.timeline + 1 } }).failure()
    expect(error).toMatchObject({ code: 'timeline_diverged', retryable: false })
  })

  test('over a physical slot, a slot of another plugin, or one of another database', async () => {
    await using source = await Source.make(server, oneTable)
    await using other = await Source.make(server, oneTable)
    const position = await earlierRun(source)
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      `SELECT pg_create_physical_replication_slot('${source.slot}', true)`,
    )
    for (const start of ['slot', position, position.lsn] as const) {
      expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_physical' })
    }
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      `SELECT pg_create_logical_replication_slot('${source.slot}', 'test_decoding')`,
    )
    for (const start of ['slot', position, position.lsn] as const) {
      expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_plugin' })
    }
    await source.write(`SELECT pg_drop_replication_slot('${source.slot}')`)
    await other.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    for (const start of ['slot', position, position.lsn] as const) {
      expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_database' })
    }
    await other.write(`SELECT pg_drop_replication_slot('${source.slot}')`)
  })

  test('over a slot that sends prepared transactions before their commit, from 15 on; 14 never does', async () => {
    await using source = await Source.make(server, oneTable)
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput', false, true)`)
    if (version >= 15) {
      expect(await source.follow({ start: 'slot' }).failure()).toMatchObject({
        code: 'slot_two_phase',
        retryable: false,
      })
      return
    }
    const reader = source.follow({ start: 'slot' })
    await source.write("BEGIN; INSERT INTO t VALUES (900); PREPARE TRANSACTION 'two_phase_slot'")
    await source.write("COMMIT PREPARED 'two_phase_slot'")
    expect(await reader.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation' },
      { kind: 'insert' },
      { kind: 'commit' },
    ])
  })

  test('from a position of phase new over somebody else’s slot, and leaves that slot alone', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = source.follow()
    await reader.next()
    await reader.close()
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'test_decoding')`)
    const error = await source.follow({ start: reader.stored }).failure()
    expect(error).toMatchObject({ code: 'slot_plugin' })
    expect(await source.slotRow()).toMatchObject({ plugin: 'test_decoding' })
  })

  test('with a publication that does not exist: nothing is created, and the name is said', async () => {
    await using source = await Source.make(server, oneTable)
    const error = await source.follow({ publication: ['pub', 'no such', 'thing'] }).failure()
    expect(error).toMatchObject({ code: 'publication_missing', retryable: false })
    expect(error.what).toContain('no such, thing')
    expect(error.hint).toContain('CREATE PUBLICATION "no such"')
    expect(await source.slotRow()).toBeUndefined()

    const start = await earlierRun(source)
    const confirmed = await source.confirmedFlush()
    expect(await source.follow({ start, publication: 'gone' }).failure()).toMatchObject({ code: 'publication_missing' })
    expect(await source.confirmedFlush()).toBe(confirmed)
  })

  test('inside a transaction that was counted under other publications', async () => {
    await using source = await Source.make(server, `${oneTable}; CREATE PUBLICATION other FOR TABLE t;`)
    const reader = await source.followChanges({ maxBatchRows: 10 })
    await source.write('INSERT INTO t SELECT generate_series(1, 1000)')
    await reader.until('the middle of the transaction', ({ position }) => position?.tx !== undefined)
    await reader.close()
    const start = reader.stored
    const publication = ['pub', 'other']
    expect(await source.follow({ start, publication }).failure()).toMatchObject({ code: 'position_incompatible' })
    expect(await source.follow({ start, publication: 'other' }).failure()).toMatchObject({
      code: 'position_incompatible',
    })

    // past the commit the same change is allowed
    const rest = source.follow({ start })
    await rest.untilMark(await source.mark())
    await rest.close()
    await source.write('INSERT INTO t VALUES (5000)')
    const changed = source.follow({ start: rest.stored, publication: 'other' })
    expect(await changed.untilMark(await source.mark())).toMatchObject([
      { kind: 'begin' },
      { kind: 'relation' },
      { kind: 'insert', new: { id: 5000 } },
      { kind: 'commit' },
    ])
    expect(changed.stored.options.publications).toEqual(['other'])
  })

  test('inside a transaction that has fewer changes than were delivered', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges({ maxBatchRows: 10 })
    await source.write('INSERT INTO t SELECT generate_series(1, 100)')
    await reader.until('the middle of the transaction', ({ position }) => position?.tx !== undefined)
    await reader.close()
    const { tx, ...position } = reader.stored
    if (tx === undefined) throw new Error('the position should be inside the transaction')
    const tooFar = { ...position, tx: { ...tx, seq: 1000 } }
    expect(await source.follow({ start: tooFar }).failure()).toMatchObject({ code: 'position_not_found' })
    const elsewhere = { ...position, tx: { ...tx, commitLsn: formatLsn(parseLsn(tx.commitLsn) - 8n) } }
    expect(await source.follow({ start: elsewhere }).failure()).toMatchObject({ code: 'position_not_found' })
    // refusing moved nothing
    const rest = source.follow({ start: reader.stored })
    const changes = await rest.untilMark(await source.mark())
    expect(changes.filter(({ kind }) => kind === 'insert')).toHaveLength(100 - tx.seq)
  })

  test('over a slot that another feed has in use, which is not disturbed', async () => {
    await using source = await Source.make(server, oneTable)
    const first = await source.followChanges()
    await first.untilMark(await source.mark())
    const error = await source.follow({ start: 'slot' }).failure()
    expect(error).toMatchObject({ code: 'slot_active', retryable: true, slot: source.slot })
    await source.write('INSERT INTO t VALUES (1)')
    const changes = await first.untilMark(await source.mark())
    expect(changes.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
  })
})

describe.each(testVersions())('a feed starts, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('from a position, an LSN or the slot, and none of them loses what was written while nobody followed', async () => {
    await using source = await Source.make(server, oneTable)
    const position = await earlierRun(source)
    await source.write('INSERT INTO t VALUES (2)')
    const mark = await source.mark()
    for (const start of [position, position.lsn, parseLsn(position.lsn), 'slot'] as const) {
      const reader = source.follow({ start, ack: 'never' })
      const changes = await reader.untilMark(mark)
      expect(changes.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))).toEqual([2])
      await reader.abandon()
    }
  })

  test('at an LSN between two transactions: those that commit before it are skipped, those at it are not', async () => {
    await using source = await Source.make(server, oneTable)
    const first = await source.followChanges({ ack: 'never' })
    first.ack()
    await source.write('INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)', 'INSERT INTO t VALUES (3)')
    const changes = await first.untilMark(await source.mark())
    await first.abandon()
    const commits = changes.flatMap((event) => (event.kind === 'commit' ? [event.tx] : []))
    const mark = await source.mark()
    const from = async (start: bigint) => {
      const reader = source.follow({ start, ack: 'never' })
      const events = await reader.untilMark(mark)
      await reader.abandon()
      return events.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))
    }
    expect(await from(commits[0]?.endLsn ?? 0n)).toEqual([2, 3])
    expect(await from(commits[1]?.commitLsn ?? 0n)).toEqual([2, 3])
    expect(await from((commits[1]?.commitLsn ?? 0n) + 1n)).toEqual([3])
    expect(await from(commits[1]?.endLsn ?? 0n)).toEqual([3])
  })

  test('from a position of phase new, also where its run made the slot before it died', async () => {
    await using source = await Source.make(server, `${oneTable}; INSERT INTO t VALUES (1)`)
    const reader = source.follow()
    await reader.next()
    await reader.close()
    const start = reader.stored
    expect(start.phase).toBe('new')
    // what a run that is killed leaves behind
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    const leftover = await source.confirmedFlush()
    await source.write('INSERT INTO t VALUES (2)')

    const again = source.follow({ start })
    const copied = await again.untilCopied()
    // nothing was delivered here; but the run might have come further than its consumer stored
    expect(copied.filter(({ kind }) => kind === 'snapshot-begin')).toMatchObject([{ mode: 'replace' }])
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
    expect(parseLsn(await source.confirmedFlush())).toBeGreaterThan(parseLsn(leftover))
  })

  test('from a position inside the snapshot by making slot and snapshot anew, and says that it replaces', async () => {
    await using source = await Source.make(
      server,
      `${oneTable}; INSERT INTO t SELECT generate_series(1, 50); CREATE TABLE u (id int PRIMARY KEY);`,
    )
    const reader = source.follow({ maxBatchRows: 10 })
    await reader.until('a part of the copy', ({ position }) => position?.phase === 'snapshot')
    await reader.close()
    // acknowledged, so that it was not dropped: a leftover that the next run finds
    expect(await source.slotRow()).toBeDefined()
    await source.write('DELETE FROM t WHERE id > 7')

    const again = source.follow({ start: reader.stored })
    const copied = await again.untilCopied()
    expect(copied.filter(({ kind }) => kind === 'snapshot-begin')).toMatchObject([
      { table: 'public.t', mode: 'replace' },
      { table: 'public.u', mode: 'replace' },
    ])
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toHaveLength(7)
    expect(again.batches.every(({ position }) => position.phase !== 'new')).toBe(true)
  })

  test('over a slot that was made before its publication, but does not pass the changes in between over', async () => {
    await using source = await Source.make(server, oneTable, { publication: null })
    await source.write(
      `SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`,
      'INSERT INTO t VALUES (1)',
      'CREATE PUBLICATION pub FOR TABLE t',
      'INSERT INTO t VALUES (2)',
    )
    // at the first change from before the publication: it is looked up as it was then
    const reader = source.follow({ start: 'slot' })
    expect(await reader.failure()).toMatchObject({ code: 'publication_missing', retryable: false, slot: source.slot })
    expect(reader.events).toEqual([])
  })
})

describe.each(testVersions())('a feed ends with an error, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('when its walsender is ended, which may be tried again; and when the slot was dropped meanwhile, which may not', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    const pid = (await source.slotRow())?.active_pid
    await source.write(`SELECT pg_terminate_backend(${pid})`)
    const failure = await reader.failure()
    // what we write to a socket that the server has closed can make the system drop what it said before
    expect(['server_stopping', 'connection_lost']).toContain(failure.code)
    expect(failure.retryable).toBe(true)
    await waitUntil('the ended walsender to let go of the slot', async () => (await source.slotRow())?.active === 'f')

    await source.write('INSERT INTO t VALUES (2)')
    expect(await insertedFrom(source, reader.stored)).toEqual([2])

    await waitUntil('the slot to be free', async () => {
      await source.write(
        `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${source.slot}'`,
      )
      return (await source.slotRow())?.active === 'f'
    })
    await source.write(`SELECT pg_drop_replication_slot('${source.slot}')`)
    expect(await source.follow({ start: reader.stored }).failure()).toMatchObject({
      code: 'slot_lost',
      retryable: false,
    })
  })

  test('when its publication is dropped: at the next change, naming it', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = await source.followChanges()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    await source.write('DROP PUBLICATION pub', 'INSERT INTO t VALUES (2)', 'CREATE PUBLICATION pub FOR TABLE t')
    await source.write('INSERT INTO t VALUES (3)')
    const error = await reader.failure()
    expect(error).toMatchObject({ code: 'publication_missing', slot: source.slot, retryable: false })
    expect(error.why).toContain('pub')
    // the row that it did not publish is not passed over: nothing came after it, and nothing does the next time
    expect(reader.events.filter(({ kind }) => kind === 'insert')).toHaveLength(1)
    expect(await source.follow({ start: reader.stored }).failure()).toMatchObject({ code: 'publication_missing' })
  })

  test('when its temporary slot is lost with the connection, since another one would begin after a gap', async () => {
    await using source = await Source.make(server, oneTable)
    const reader = source.follow({ temporary: true, slot: undefined })
    await reader.untilCopied()
    await source.write('INSERT INTO t VALUES (1)')
    await reader.untilMark(await source.mark())
    const [slot] = await slotsOf(source)
    expect(slot).toMatchObject({ temporary: 't' })
    await source.write(`SELECT pg_terminate_backend(${slot?.active_pid})`)
    expect(await reader.failure()).toMatchObject({ code: 'temporary_slot_lost', retryable: false })
    expect((await slotsOf(source)).filter(({ temporary }) => temporary === 't')).toEqual([])
  })

  test('when the server gives up the slot, and the next start says why', async () => {
    // removes WAL behind a slot, so it is a server of its own
    await using own = await bootServer({
      version,
      settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' },
    })
    await using source = await Source.make(own, oneTable)
    const reader = await source.followChanges({ ack: 'never' })
    reader.ack()
    await reader.close()
    await waitUntil('the slot to be given up', async () => {
      await source.write(
        "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000)), pg_switch_wal()",
        'CHECKPOINT',
      )
      return (await source.slotRow())?.wal_status === 'lost'
    })
    for (const start of [reader.stored, reader.stored.lsn, 'slot'] as const) {
      const error = await source.follow({ start }).failure()
      expect(error).toMatchObject({ code: 'slot_invalidated', slot: source.slot, retryable: false })
      expect(error.why).toContain('wal_removed')
      expect(error.hint).toContain('max_slot_wal_keep_size')
    }
  })
})
