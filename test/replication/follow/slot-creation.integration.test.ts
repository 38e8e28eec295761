import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

/** A session that has written something and does not commit. */
async function holdTransactionOpen(source: Source): Promise<{ pid: number; session: Sql }> {
  const session = source.session()
  await session.unsafe('BEGIN; INSERT INTO t VALUES (1000)').simple()
  const [row] = await session.unsafe('SELECT pg_backend_pid() AS pid')
  return { pid: Number(row?.pid), session }
}

// a server of its own: a slot waits for the open transactions of all databases
describe.each(outerVersions())('a slot that waits for an old transaction, on PostgreSQL %i', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })
  const setup = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);'

  test('says which session it waits for, gives up in time, and leaves nothing behind', async () => {
    await using source = await Source.make(server, setup)
    const { pid, session } = await holdTransactionOpen(source)
    const logger = recordingLogger()
    const reader = source.follow({ slotTimeoutMs: 1_000, logger })
    await reader.next()
    const begunMs = performance.now()
    const error = await reader.failure()
    const tookMs = performance.now() - begunMs

    expect(error).toMatchObject({ code: 'slot_creation_timeout', slot: source.slot, retryable: true })
    expect(error.why).toContain(`process ${pid}`)
    expect(error.why).toContain('idle in transaction')
    expect(error.hint).toContain(`pg_terminate_backend(${pid})`)
    expect(tookMs).toBeGreaterThan(950)
    expect(tookMs).toBeLessThan(3_000)
    const [firstWarning] = logger.lines('warn')
    expect(firstWarning).toMatchObject({
      message: expect.stringContaining(`process ${pid}`),
      data: { slot: source.slot, blockers: [{ pid, command: 'SELECT' }] },
    })
    const [blocker] = blockersOf(firstWarning?.data)
    expect(blocker?.ageMs).toBeGreaterThan(400)
    expect(await source.rows('SELECT slot_name FROM pg_replication_slots')).toEqual([])
    await waitUntil('the walsender to be gone', async () => {
      return (await source.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'")) === '0'
    })
    await session.unsafe('ROLLBACK')
  })

  test('goes on as soon as the transaction ends, whose rows are in the copy', async () => {
    await using source = await Source.make(server, setup)
    const { session } = await holdTransactionOpen(source)
    const reader = source.follow()
    await reader.next()
    const copied = reader.untilCopied()
    await waitUntil('the slot to be in the making', async () => {
      return (await source.value('SELECT count(*) FROM pg_replication_slots WHERE active')) === '1'
    })
    await waitUntil('the walsender to wait for the transaction', async () => {
      return (
        (await source.value("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")) === '1'
      )
    })
    await session.unsafe('COMMIT')
    const rows = (await copied).filter(({ kind }) => kind === 'snapshot')
    expect(rows).toMatchObject([{ new: { id: 1 } }, { new: { id: 1000 } }])
  })

  test('waits for prepared transactions too, which belong to no session, and names them', async () => {
    await using source = await Source.make(server, setup)
    await source.write("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'left ''behind'")
    const logger = recordingLogger()
    const error = await source.follow({ slotTimeoutMs: 600, logger }).failure()

    expect(error.code).toBe('slot_creation_timeout')
    expect(error.why).toContain("prepared transaction 'left 'behind'")
    expect(error.hint).toContain("ROLLBACK PREPARED 'left ''behind'")
    const [blocker] = blockersOf(logger.lines('warn')[0]?.data)
    expect(blocker).toMatchObject({ pid: undefined, gid: "left 'behind" })
    expect(await source.slotRow()).toBeUndefined()

    await source.write("COMMIT PREPARED 'left ''behind'")
    const copied = await source.follow().untilCopied()
    expect(copied.filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
  })

  test('waits for transactions of other databases', async () => {
    await using source = await Source.make(server, setup)
    await using other = await Source.make(server, setup)
    const { pid, session } = await holdTransactionOpen(other)
    const error = await source.follow({ slotTimeoutMs: 600 }).failure()
    expect(error.why).toContain(`process ${pid}`)
    expect(error.why).toContain(new URL(other.url).pathname.slice(1))
    await session.unsafe('ROLLBACK')
  })

  test('does not keep a feed from being closed, and nothing is left behind', async () => {
    await using source = await Source.make(server, setup)
    const { session } = await holdTransactionOpen(source)
    const reader = source.follow()
    await reader.next()
    const pulled = reader.next()
    await waitUntil('the slot to be in the making', async () => (await source.slotRow())?.active === 't')
    const begunMs = performance.now()
    await reader.close()
    expect(performance.now() - begunMs).toBeLessThan(1_500)
    expect(await pulled).toBeUndefined()
    await waitUntil('the unfinished slot to be gone', async () => (await source.slotRow()) === undefined)
    await session.unsafe('ROLLBACK')
  })

  test('a temporary one, too', async () => {
    await using source = await Source.make(server, setup)
    const { session } = await holdTransactionOpen(source)
    const error = await source.follow({ snapshot: 'only', slot: undefined, slotTimeoutMs: 600 }).failure()
    expect(error.code).toBe('slot_creation_timeout')
    await waitUntil('nothing to be left', async () => {
      return (await source.value('SELECT count(*) FROM pg_replication_slots')) === '0'
    })
    await session.unsafe('ROLLBACK')
  })
})

interface LoggedBlocker {
  readonly pid?: number
  readonly gid?: string
  readonly ageMs?: number
}

function blockersOf(data: object | undefined): readonly LoggedBlocker[] {
  return data !== undefined && 'blockers' in data && Array.isArray(data.blockers) ? data.blockers : []
}
