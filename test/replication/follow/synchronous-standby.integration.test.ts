import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootServer, type TestServer, testVersions, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

const setup = `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE beside (id int);
  DO $$ BEGIN CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'r'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
  GRANT SELECT ON t TO replicator`

describe.each(testVersions())('a feed that the server takes for a synchronous standby, on PostgreSQL %i', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test.each([
    ['by *, as a superuser', '*', undefined],
    ['by its name, as a role that may not see the state of walsenders', 'FIRST 1 (nobody, "Walwire")', 'replicator'],
  ])('%s, holds no commit up that is not for it, and says that commits wait', async (_, names, role) => {
    await using source = await Source.make(server, setup, { publication: 'FOR TABLE t' })
    const connection = new URL(source.url)
    connection.searchParams.set('application_name', 'walwire')
    if (role !== undefined) {
      connection.username = role
      connection.password = 'r'
    }
    const first = await source.followChanges({ connection: connection.href })
    await first.close()
    const logger = recordingLogger()
    const reader = source.follow({ connection: connection.href, start: first.stored, logger })
    await server.reload({ synchronous_standby_names: names })
    try {
      const reading = reader.keepPulling()
      const warnings = () => logger.lines('warn').filter(({ message }) => message.includes('synchronous_standby_names'))
      await waitUntil('the warning', () => warnings().length > 0)
      await source.write('INSERT INTO beside VALUES (0)')
      for (let id = 1; id <= 5; id++) {
        const begunAt = performance.now()
        await source.write(`INSERT INTO beside VALUES (${id})`)
        expect(performance.now() - begunAt).toBeLessThan(2_000)
      }
      await source.write('INSERT INTO t VALUES (1)')
      expect(warnings()).toHaveLength(1)
      await reader.close()
      await reading
    } finally {
      await server.reload({ synchronous_standby_names: null })
    }
  })
})
