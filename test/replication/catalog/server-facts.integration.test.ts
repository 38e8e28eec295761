import { describe, expect, test } from 'vitest'
import { formatLsn } from '../../../src/protocol/messages/lsn.ts'
import { asReplicationRefusal, checkServer, readServerFacts } from '../../../src/replication/catalog/server-facts.ts'
import { bootServer, sharedServer, testVersions } from '../../server/index.ts'
import { connect, connectForReplication, firstValue } from '../connect.ts'

describe.each(testVersions())('what PostgreSQL %i says of itself', (major) => {
  test('is read over the replication connection', async () => {
    const server = await sharedServer(major)
    const url = await server.createDatabase({ name: `Facts "${process.pid}" ${major}` })
    using connection = await connectForReplication(url)
    const facts = await readServerFacts(connection)
    expect(facts).toMatchObject({
      timeline: 1,
      database: `Facts "${process.pid}" ${major}`,
      version: server.versionNum,
      inRecovery: false,
      walLevel: 'logical',
      role: server.superuser,
      canReplicate: true,
      walSenderTimeoutMs: 60_000,
      replayLsn: undefined,
    })
    expect(facts.systemId).toBe(await firstValue(connection, 'SELECT system_identifier FROM pg_control_system()'))
    expect(facts.insertLsn).toBeGreaterThanOrEqual(facts.flushLsn)
    expect(await firstValue(connection, `SELECT '${formatLsn(facts.flushLsn)}' <= pg_current_wal_flush_lsn()`)).toBe(
      't',
    )
    checkServer(facts)
  })

  test('a role may have a wal_sender_timeout of its own, and act as another', async () => {
    const server = await sharedServer(major)
    const name = `facts_${process.pid}_${major}`
    using admin = await connectForReplication(server.uri())
    await admin.query(
      `CREATE ROLE ${name}_acted; CREATE ROLE ${name} LOGIN REPLICATION PASSWORD 'secret' IN ROLE ${name}_acted`,
    )
    await admin.query(
      `ALTER ROLE ${name} SET wal_sender_timeout = '1500ms'; ALTER ROLE ${name} SET role = ${name}_acted`,
    )
    using connection = await connectForReplication(server.uri('postgres', { user: name, password: 'secret' }))
    expect(await readServerFacts(connection)).toMatchObject({
      walSenderTimeoutMs: 1500,
      role: name,
      canReplicate: true,
    })
    connection.destroy()
    await admin.query(`DROP ROLE ${name}, ${name}_acted`)
  })

  test('a role without REPLICATION is refused with the statement that helps', async () => {
    const server = await sharedServer(major)
    const name = `No "REPLICATION" ${process.pid} ${major}`
    const quoted = `"${name.replaceAll('"', '""')}"`
    using admin = await connect(server.uri())
    await admin.query(`CREATE ROLE ${quoted} LOGIN PASSWORD 'secret'`)
    const refused = await connectForReplication(server.uri('postgres', { user: name, password: 'secret' })).catch(
      (error: unknown) => asReplicationRefusal(error, name),
    )
    expect(refused).toMatchObject({
      code: 'not_permitted',
      sqlstate: '42501',
      retryable: false,
      hint: expect.stringContaining(`ALTER ROLE ${quoted} REPLICATION`),
    })
    await admin.query(`DROP ROLE ${quoted}`)
  })

  test('a role that may replicate but not enter the database is refused for that', async () => {
    const server = await sharedServer(major)
    const name = `outsider_${process.pid}_${major}`
    const url = await server.createDatabase({ name })
    using admin = await connect(url)
    await admin.query(
      `CREATE ROLE ${name} LOGIN REPLICATION PASSWORD 'secret'; REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`,
    )
    const refused = await connectForReplication(server.uri(name, { user: name, password: 'secret' })).catch(
      (error: unknown) => asReplicationRefusal(error, name),
    )
    expect(refused).toMatchObject({ code: 'not_permitted', hint: expect.stringContaining('GRANT CONNECT') })
    await admin.query(`DROP ROLE ${name}`)
  })

  test('wal_level replica is refused', async () => {
    await using server = await bootServer({ version: major, settings: { wal_level: 'replica' } })
    using connection = await connectForReplication(server.uri())
    const facts = await readServerFacts(connection)
    expect(() => checkServer(facts)).toThrow(
      expect.objectContaining({ code: 'wal_level', hint: expect.stringContaining('ALTER SYSTEM') }),
    )
  })
})
