import { beforeAll, describe, expect, test } from 'vitest'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

describe.each(testVersions())('what publications leave out, on PostgreSQL %i,', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  /** What is said at the start of a first run without a copy, of a first run with one, and of one that continues. */
  async function saidOf(source: Source, publication: string | string[] = 'pub'): Promise<string[]> {
    const said: string[][] = []
    const warnings = async (options: object) => {
      const logger = recordingLogger()
      const reader = source.follow({ publication, logger, ...options })
      await reader.until('the stream', ({ position }) => position?.phase === 'stream')
      await reader.close()
      said.push(logger.lines('warn').map(({ message }) => message))
      return reader.stored
    }
    await warnings({})
    await source.write(`SELECT pg_drop_replication_slot('${source.slot}')`)
    const start = await warnings({ snapshot: 'never' })
    const logger = recordingLogger()
    const reader = source.follow({ publication, logger, start })
    await reader.untilMark(await source.mark())
    said.push(logger.lines('warn').map(({ message }) => message))
    const [first = []] = said
    expect(said).toEqual([first, first, first])
    return first
  }

  test('is nothing in the usual case', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    expect(await saidOf(source)).toEqual([])
  })

  test('is said at each start: no table at all', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION other', {
      publication: 'FOR TABLE t',
    })
    expect(await saidOf(source, ['pub', 'other'])).toEqual([
      'publication other has no table now: nothing comes through it',
    ])
  })

  test.each([
    ['insert', 'insert alone: update, delete, truncate'],
    ['update, delete', 'update, delete alone: insert, truncate'],
    ['insert, update, delete', 'insert, update, delete alone: truncate'],
    ['', 'nothing: insert, update, delete, truncate'],
  ])('is said at each start: publish = %j', async (publish, said) => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)', {
      publication: `FOR TABLE t WITH (publish = '${publish}')`,
    })
    expect(await saidOf(source)).toEqual([
      `publication pub publishes ${said} never come through it, and what they do is missed`,
    ])
  })

  test('is said at each start: unlogged tables, of all tables or of a schema', async () => {
    await using source = await Source.make(
      server,
      'CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE u (id int); CREATE UNLOGGED TABLE v (id int)',
      { publication: version >= 15 ? 'FOR TABLES IN SCHEMA public' : 'FOR ALL TABLES' },
    )
    expect(await saidOf(source)).toEqual([
      'unlogged tables are neither copied nor followed, since what is done to them is not in the WAL: public.u, public.v',
    ])
  })
})

describe.each(testVersions().filter((version) => version >= 15))(
  'column lists that begin to differ while they are followed, on PostgreSQL %i,',
  (version) => {
    let server: SharedServer
    beforeAll(async () => {
      server = await sharedServer(version)
    })

    test.each([
      ['still do when the change is read', 'SELECT 1'],
      ['agree again when the change is read', 'ALTER PUBLICATION other SET TABLE t (id)'],
    ])('are a conflict of publications: they %s', async (_when, after) => {
      await using source = await Source.make(
        server,
        'CREATE TABLE t (id int PRIMARY KEY, n int); CREATE PUBLICATION other FOR TABLE t (id)',
        { publication: 'FOR TABLE t (id)' },
      )
      const reader = await source.followChanges({ publication: ['pub', 'other'] })
      await reader.close()
      await source.write('ALTER PUBLICATION other SET TABLE t (id, n)', 'INSERT INTO t VALUES (1, 1)', after)
      const error = await source.follow({ publication: ['pub', 'other'], start: reader.stored }).failure()
      expect(error).toMatchObject({ code: 'publication_conflict', sqlstate: '0A000', slot: source.slot })
      expect(error.message).toContain('public.t')

      // the way out that the hint gives
      const one = source.follow({ start: reader.stored, publication: 'pub' })
      expect(await one.untilMark(await source.mark())).toContainEqual(
        expect.objectContaining({ kind: 'insert', new: { id: 1 } }),
      )
    })
  },
)
