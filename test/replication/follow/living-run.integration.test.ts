import { beforeAll, describe, expect, test } from 'vitest'
import type { Position } from '../../../src/replication/index.ts'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { Source } from './helpers/source.ts'

const tables = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)'

describe.each(outerVersions())('a run that lives, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** A feed in the middle of its copy, with the position of phase `new` that it stored before. */
  async function copying(source: Source): Promise<{ first: FeedReader; stored: Position }> {
    const first = source.follow({ maxBatchRows: 10, ack: 'never' })
    await first.until('some rows', ({ events }) => events.some(({ kind }) => kind === 'snapshot'))
    const stored = first.batches[0]?.position
    if (stored === undefined) throw new Error('no batch came')
    expect(stored.phase).toBe('new')
    return { first, stored }
  }

  test('keeps its slot while it copies: it is nobody’s leftover, and the process that has it is named', async () => {
    await using source = await Source.make(server, tables)
    const { first, stored } = await copying(source)
    const slot = await source.slotRow()
    const error = await source.follow({ start: stored }).failure()
    expect(error).toMatchObject({ code: 'slot_taken', retryable: true, slot: source.slot })
    const [holder] = await holders(source)
    expect(error.why).toContain(`process ${holder}`)
    expect(await source.slotRow()).toMatchObject({ confirmed_flush_lsn: slot?.confirmed_flush_lsn })
    // and goes on as if nothing had been
    await first.untilCopied()
    expect(first.events.filter(({ kind }) => kind === 'snapshot')).toHaveLength(1000)
    const changes = await first.untilMark(await source.mark())
    expect(changes).toEqual([])
  })

  test('keeps it from every kind of start that would continue it', async () => {
    await using source = await Source.make(server, tables)
    const { first } = await copying(source)
    const inCopy = first.position
    const lsn = String((await source.slotRow())?.confirmed_flush_lsn)
    for (const start of ['slot', lsn, inCopy] as const) {
      expect(await source.follow({ start }).failure()).toMatchObject({ code: 'slot_taken', slot: source.slot })
    }
    // that is refused whoever lives
    expect(await source.follow().failure()).toMatchObject({ code: 'slot_exists' })
  })

  test('has the name before its slot is made', async () => {
    await using source = await Source.make(server, tables)
    const first = source.follow()
    await first.next()
    expect(await source.slotRow()).toBeUndefined()
    expect(await source.follow().failure()).toMatchObject({ code: 'slot_taken', slot: source.slot })
  })

  test('lets go of it when it ends: the next begins at once', async () => {
    await using source = await Source.make(server, tables)
    const { first, stored } = await copying(source)
    await first.abandon()
    const second = source.follow({ start: stored })
    await second.untilCopied()
    expect(second.events.filter(({ kind }) => kind === 'snapshot')).toHaveLength(1000)
  })

  test('that dies leaves nothing that would stop the next one', async () => {
    await using source = await Source.make(server, tables)
    const { first, stored } = await copying(source)
    await source.write(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`)
    await first.failure().catch(() => {})
    await first.abandon()
    const second = source.follow({ start: stored })
    await second.untilCopied()
    expect(second.events.filter(({ kind }) => kind === 'snapshot')).toHaveLength(1000)
  })

  test('is told by a lock whose key anybody can compute', async () => {
    await using source = await Source.make(server, tables)
    await copying(source)
    const key = await source.value(
      `SELECT ('x' || left(encode(sha256(('walwire:' || system_identifier || ':${source.slot}')::bytea), 'hex'), 16))::bit(64)::bigint
      FROM pg_control_system()`,
    )
    expect(await holders(source)).toHaveLength(1)
    expect(await source.value(`SELECT pg_try_advisory_lock(${key})`)).toBe('f')
  })

  async function holders(source: Source): Promise<number[]> {
    const rows = await source.rows(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    return rows.map(({ pid }) => Number(pid))
  }
})

describe.each(outerVersions())('a run that ends, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test('leaves a slot alone that has its name and is another one', async () => {
    await using source = await Source.make(server, tables)
    const first = source.follow({ maxBatchRows: 10, ack: 'never' })
    await first.until('some rows', ({ events }) => events.some(({ kind }) => kind === 'snapshot'))
    const own = await source.slotRow()
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      `SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`,
    )
    const other = await source.slotRow()
    expect(other?.confirmed_flush_lsn).not.toBe(own?.confirmed_flush_lsn)
    await first.abandon()
    expect(await source.slotRow()).toMatchObject({ confirmed_flush_lsn: other?.confirmed_flush_lsn })
  })

  test('drops no other slot either when its copy must begin again', async () => {
    await using source = await Source.make(server, `${tables}; CREATE TABLE z AS SELECT 1 AS id`)
    const first = source.follow({ maxBatchRows: 10, ack: 'never' })
    await first.until('some rows', ({ events }) => events.some(({ kind }) => kind === 'snapshot'))
    await source.write(
      `SELECT pg_drop_replication_slot('${source.slot}')`,
      `SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`,
      'TRUNCATE z',
    )
    const other = await source.slotRow()
    expect(await first.failure()).toMatchObject({ code: 'slot_recreated', slot: source.slot })
    expect(await source.slotRow()).toMatchObject({ confirmed_flush_lsn: other?.confirmed_flush_lsn })
  })
})
