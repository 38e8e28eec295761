import { describe, expect, test } from 'vitest'
import { dropSlot, invalidation, readSlot } from '../../../src/replication/slot/slot.ts'
import { bootServer, sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { connect, connectForReplication, firstValue } from '../connect.ts'

describe.each(testVersions())('a slot of PostgreSQL %i', (major) => {
  const named = (name: string) => `${name}_${process.pid}_${major}`

  test('is read whatever its kind, plugin and database', async () => {
    const server = await sharedServer(major)
    using here = await connect(await server.createDatabase())
    using there = await connect(server.uri())
    const [physical, logical] = [named('physical'), named('decoding')]
    await here.query(`SELECT pg_create_physical_replication_slot('${physical}')`)
    await there.query(`SELECT pg_create_logical_replication_slot('${logical}', 'test_decoding')`)
    expect(await readSlot(here, physical)).toEqual({
      name: physical,
      type: 'physical',
      plugin: undefined,
      database: undefined,
      temporary: false,
      activePid: undefined,
      restartLsn: undefined,
      confirmedFlush: undefined,
      walStatus: undefined,
      conflicting: false,
      invalidationReason: undefined,
      synced: false,
      twoPhase: false,
    })
    expect(await readSlot(here, logical)).toMatchObject({
      type: 'logical',
      plugin: 'test_decoding',
      database: 'postgres',
    })
    for (const name of [physical, logical]) await dropSlot(here, name, { deadlineMs: 1_000 })
    expect(await readSlot(here, logical)).toBeUndefined()
  })

  test('of no such name is none, whatever the name', async () => {
    const server = await sharedServer(major)
    using connection = await connect(server.uri())
    for (const name of ['no_such_slot', "it's", 'back\\slash', ''])
      expect(await readSlot(connection, name)).toBeUndefined()
  })

  test('that somebody follows is not dropped, and says who', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using ordinary = await connect(url)
    using follower = await connectForReplication(url)
    const name = named('followed')
    await ordinary.query('CREATE PUBLICATION p')
    await ordinary.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    await follower.copy(`START_REPLICATION SLOT ${name} LOGICAL 0/0 (proto_version '1', publication_names 'p')`)
    const startedAt = performance.now()
    await expect(dropSlot(ordinary, name, { deadlineMs: 300 })).rejects.toMatchObject({
      code: 'slot_active',
      retryable: true,
      slot: name,
      message: expect.stringContaining(`process ${follower.processId}`),
    })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(300)
    expect((await readSlot(ordinary, name))?.activePid).toBe(follower.processId)
    // our own follower is ended for it
    await dropSlot(ordinary, name, { deadlineMs: 5_000, pids: [follower.processId] })
    expect(await readSlot(ordinary, name)).toBeUndefined()
    expect(await follower.ended).toMatchObject({ code: 'server_stopping' })
  })

  test('that is let go in time is dropped', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase()
    using ordinary = await connect(url)
    using follower = await connectForReplication(url)
    const name = named('let_go')
    await ordinary.query('CREATE PUBLICATION p')
    await ordinary.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    await follower.copy(`START_REPLICATION SLOT ${name} LOGICAL 0/0 (proto_version '1', publication_names 'p')`)
    const dropping = dropSlot(ordinary, name, { deadlineMs: 10_000 })
    await follower.close()
    await dropping
    expect(await readSlot(ordinary, name)).toBeUndefined()
  })

  test('whose WAL was removed is invalidated for good', async () => {
    await using server = await bootServer({
      version: major,
      settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '48MB' },
    })
    using connection = await connect(server.uri())
    await connection.query("SELECT pg_create_logical_replication_slot('starved', 'pgoutput')")
    await waitUntil('the WAL to be removed', async () => {
      await connection.query('SELECT pg_switch_wal(); CHECKPOINT')
      await connection.query('CREATE TABLE IF NOT EXISTS public.t (a int)')
      await connection.query('INSERT INTO public.t VALUES (1)')
      return (await firstValue(connection, 'SELECT wal_status FROM pg_replication_slots')) === 'lost'
    })
    const slot = await readSlot(connection, 'starved')
    expect(slot).toMatchObject({ walStatus: 'lost' })
    expect(slot && invalidation(slot)).toBe('wal_removed')
    await dropSlot(connection, 'starved', { deadlineMs: 1_000 })
  })
})
