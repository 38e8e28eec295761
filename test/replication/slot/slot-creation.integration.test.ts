import { describe, expect, test } from 'vitest'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'
import { parseLsn } from '../../../src/protocol/messages/lsn.ts'
import type { Logger } from '../../../src/replication/logger.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { dropSlot, readSlot } from '../../../src/replication/slot/slot.ts'
import { createSlot, type SlotRequest } from '../../../src/replication/slot/slot-creation.ts'
import { bootServer, outerVersions, sharedServer } from '../../server/index.ts'
import { connect, connectForReplication, firstValue } from '../connect.ts'

/** Catches what `createSlot` throws. */
async function failure(work: Promise<unknown>): Promise<WalwireError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(outcome instanceof WalwireError)) throw new Error(`expected a WalwireError, not ${String(outcome)}`)
  return outcome
}

function listeningLogger(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = []
  return { warnings, logger: { ...silentLogger, warn: (_data, message) => void warnings.push(message) } }
}

describe.each(outerVersions())('making a slot on PostgreSQL %i', (major) => {
  const version = major * 10_000
  const request = (name: string, rest: Partial<SlotRequest> = {}): SlotRequest => ({
    name,
    temporary: false,
    snapshot: 'export',
    timeoutMs: 10_000,
    logger: silentLogger,
    version,
    ...rest,
  })

  test('gives the consistent point and a snapshot that another session can import', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    await ordinary.query('CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1)')
    const name = `made_${process.pid}_${major}`
    const made = await createSlot(replication, ordinary, request(name))
    const slot = await readSlot(ordinary, name)
    expect(slot).toMatchObject({ name, type: 'logical', plugin: 'pgoutput', temporary: false, walStatus: 'reserved' })
    expect(slot?.confirmedFlush).toBe(made.consistentPoint)
    expect(slot?.activePid).toBeUndefined()
    await ordinary.query('INSERT INTO public.t VALUES (2)')
    using worker = await connect(url)
    await worker.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${made.snapshotName}'`)
    expect(await firstValue(worker, 'SELECT count(*) FROM public.t')).toBe('1')
    expect(await firstValue(ordinary, 'SELECT count(*) FROM public.t')).toBe('2')
    await dropSlot(ordinary, name, { deadlineMs: 1_000 })
    expect(await readSlot(ordinary, name)).toBeUndefined()
    await dropSlot(ordinary, name, { deadlineMs: 1_000 })
  })

  test('makes a temporary slot without a snapshot, which goes with its connection', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using ordinary = await connect(url)
    const name = `temporary_${process.pid}_${major}`
    const replication = await connectForReplication(url)
    const made = await createSlot(replication, ordinary, request(name, { temporary: true, snapshot: 'nothing' }))
    expect(made.snapshotName).toBeUndefined()
    expect(await readSlot(ordinary, name)).toMatchObject({ temporary: true, activePid: replication.processId })
    await replication.close()
    await expect.poll(() => readSlot(ordinary, name)).toBeUndefined()
  })

  test('says slot_exists for a name that is taken, and leaves that slot alone', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    const name = `taken_${process.pid}_${major}`
    await ordinary.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    const error = await failure(createSlot(replication, ordinary, request(name)))
    expect(error).toMatchObject({ code: 'slot_exists', slot: name, retryable: false })
    expect(await readSlot(ordinary, name)).toBeDefined()
    await dropSlot(ordinary, name, { deadlineMs: 1_000 })
  })

  test('says slots_exhausted when the server has no room for another', async () => {
    await using server = await bootServer({ version: major, settings: { max_replication_slots: 1 } })
    const url = server.uri()
    using replication = await connectForReplication(url)
    using ordinary = await connect(url)
    await ordinary.query("SELECT pg_create_physical_replication_slot('the_only_one')")
    const error = await failure(createSlot(replication, ordinary, request('second')))
    expect(error).toMatchObject({ code: 'slots_exhausted', sqlstate: '53400', retryable: true })
    expect(error.hint).toContain('max_replication_slots')
  })

  describe('while transactions are open', () => {
    test('names who holds it up, gives up in time, and leaves nothing behind', async () => {
      await using server = await bootServer({ version: major })
      const url = server.uri()
      using replication = await connectForReplication(url)
      using ordinary = await connect(url)
      using writer = await connect(url)
      await writer.query('CREATE TABLE public.t (a int)')
      await writer.query('BEGIN; INSERT INTO public.t VALUES (1)')
      using preparer = await connect(url)
      await preparer.query("BEGIN; INSERT INTO public.t VALUES (2); PREPARE TRANSACTION 'it''s prepared'")
      const { logger, warnings } = listeningLogger()
      const startedAt = performance.now()
      const error = await failure(createSlot(replication, ordinary, request('held_up', { timeoutMs: 3_000, logger })))
      const tookMs = performance.now() - startedAt
      expect(tookMs).toBeGreaterThan(2_900)
      expect(tookMs).toBeLessThan(4_500)
      expect(error).toMatchObject({ code: 'slot_creation_timeout', slot: 'held_up', retryable: true })
      for (const text of [error.why, warnings.join('\n')]) {
        expect(text).toContain(`process ${writer.processId}`)
        expect(text).toContain('idle in transaction')
        expect(text).toContain('latest command BEGIN')
        expect(text).not.toContain('VALUES (1)')
        expect(text).toContain("prepared transaction 'it's prepared'")
        expect(text).not.toContain(`process ${ordinary.processId}`)
      }
      expect(error.hint).toContain(`pg_terminate_backend(${writer.processId})`)
      expect(error.hint).toContain("ROLLBACK PREPARED 'it''s prepared'")
      expect(await readSlot(ordinary, 'held_up')).toBeUndefined()
      // the connection is as good as new
      await writer.query('ROLLBACK')
      await ordinary.query("ROLLBACK PREPARED 'it''s prepared'")
      await createSlot(replication, ordinary, request('held_up'))
      expect(await readSlot(ordinary, 'held_up')).toBeDefined()
    })

    test('is made when they end', async () => {
      await using server = await bootServer({ version: major })
      const url = server.uri()
      using replication = await connectForReplication(url)
      using ordinary = await connect(url)
      using writer = await connect(url)
      await writer.query('CREATE TABLE public.t (a int)')
      await writer.query('BEGIN; INSERT INTO public.t VALUES (1)')
      const { logger, warnings } = listeningLogger()
      const creation = createSlot(replication, ordinary, request('patient', { logger, timeoutMs: 20_000 }))
      await expect.poll(() => warnings.length, { timeout: 5_000 }).toBe(1)
      const insideLsn = parseLsn(await firstValue(ordinary, 'SELECT pg_current_wal_insert_lsn()'))
      await writer.query('COMMIT')
      const made = await creation
      expect(made.consistentPoint).toBeGreaterThan(insideLsn)
    })

    test('waits for transactions of other databases too, and names the database', async () => {
      await using server = await bootServer({ version: major })
      const elsewhere = await server.createDatabase({ name: 'elsewhere' })
      const url = server.uri()
      using replication = await connectForReplication(url)
      using ordinary = await connect(url)
      using writer = await connect(elsewhere)
      await writer.query('BEGIN; CREATE TABLE public.t (a int)')
      const error = await failure(createSlot(replication, ordinary, request('far', { timeoutMs: 1_000 })))
      expect(error.why).toContain('database elsewhere')
      expect(error.why).toContain(`process ${writer.processId}`)
    })

    test('says so when the role may not see their queries', async () => {
      await using server = await bootServer({ version: major })
      const url = server.uri()
      using writer = await connect(url)
      await writer.query("CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'secret'; CREATE TABLE public.t (a int)")
      await writer.query('BEGIN; INSERT INTO public.t VALUES (1)')
      const as = server.uri('postgres', { user: 'replicator', password: 'secret' })
      using replication = await connectForReplication(as)
      using ordinary = await connect(as)
      const error = await failure(createSlot(replication, ordinary, request('blind', { timeoutMs: 1_000 })))
      expect(error.why).toContain(`process ${writer.processId}`)
      expect(error.why).toContain('not visible')
      expect(error.hint).toContain('pg_read_all_stats')
      expect(await readSlot(ordinary, 'blind')).toBeUndefined()
    })

    test.each(['persistent', 'temporary'])(
      'an abort ends a %s one within a second, and leaves nothing behind',
      async (kind) => {
        await using server = await bootServer({ version: major })
        const url = server.uri()
        using replication = await connectForReplication(url)
        using ordinary = await connect(url)
        using writer = await connect(url)
        await writer.query('BEGIN; CREATE TABLE public.t (a int)')
        const abort = new AbortController()
        const creation = createSlot(
          replication,
          ordinary,
          request('aborted', { temporary: kind === 'temporary', signal: abort.signal }),
        ).catch((error: unknown) => error)
        await expect.poll(() => readSlot(ordinary, 'aborted')).toBeDefined()
        const reason = new Error('enough')
        const abortedAt = performance.now()
        abort.abort(reason)
        expect(await creation).toBe(reason)
        expect(performance.now() - abortedAt).toBeLessThan(1_000)
        expect(await readSlot(ordinary, 'aborted')).toBeUndefined()
      },
    )

    test('a cancel request that goes nowhere is made up for', async () => {
      await using server = await bootServer({ version: major })
      const url = server.uri()
      using replication = await connectForReplication(url)
      using ordinary = await connect(url)
      using writer = await connect(url)
      await writer.query('BEGIN; CREATE TABLE public.t (a int)')
      const deaf = {
        query: (sql: string) => replication.query(sql),
        cancel: () => new Promise<void>(() => {}),
      }
      const startedAt = performance.now()
      const error = await failure(createSlot(deaf, ordinary, request('deaf', { timeoutMs: 500 })))
      expect(performance.now() - startedAt).toBeLessThan(1_500)
      expect(error.code).toBe('slot_creation_timeout')
      await expect.poll(() => readSlot(ordinary, 'deaf')).toBeUndefined()
    })
  })
})
