import { beforeAll, describe, expect, test } from 'vitest'
import type { Event, Row } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

const setup = `CREATE TYPE pair AS (a text, b text);
  CREATE TABLE t (id int PRIMARY KEY, p pair, ps pair[]);
  INSERT INTO t VALUES (1, '(x,y)', '{"(x,y)"}');`

function rowsNew(events: readonly Event[]): Row[] {
  return events.flatMap((event) =>
    event.kind === 'snapshot' || event.kind === 'insert' || event.kind === 'update' ? [event.new] : [],
  )
}

/** What was said of types, each in a line. */
function saidOfTypes(log: ReturnType<typeof recordingLogger>): string[] {
  return log.lines('warn').flatMap(({ message }) => (/\btype\b/.test(message) ? [message] : []))
}

describe.each(testVersions())('types of a database’s own, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  describe.each([false, true])('with binary: %s', (binary) => {
    test('an enum that gets another value while it is followed', async () => {
      await using source = await Source.make(
        server,
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, m mood); INSERT INTO t VALUES (1, 'sad')",
      )
      const log = recordingLogger()
      const reader = source.follow({ binary, logger: log })
      await reader.untilCopied()
      await source.write("ALTER TYPE mood ADD VALUE 'glad' BEFORE 'sad'", "INSERT INTO t VALUES (2, 'glad')")
      await source.write("ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", 'UPDATE t SET id = 3 WHERE id = 1')
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([
        { id: 2, m: 'glad' },
        { id: 3, m: 'low' },
      ])
      expect(saidOfTypes(log)).toEqual([])
    })

    test('a composite that is altered between the snapshot and the stream is text from then on, said once', async () => {
      await using source = await Source.make(server, setup)
      const log = recordingLogger()
      const reader = source.follow({ binary, logger: log })
      expect(rowsNew(await reader.untilCopied())).toEqual([{ id: 1, p: { a: 'x', b: 'y' }, ps: [{ a: 'x', b: 'y' }] }])
      // as many attributes as before, of the same types
      await source.write('ALTER TYPE pair DROP ATTRIBUTE a', 'ALTER TYPE pair ADD ATTRIBUTE c text')
      await source.write('UPDATE t SET id = 2', "INSERT INTO t VALUES (3, '(k,l)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([
        { id: 2, p: '(y,)', ps: ['(y,)'] },
        { id: 3, p: '(k,l)', ps: null },
      ])
      await source.write("INSERT INTO t VALUES (4, '(m,n)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 4, p: '(m,n)', ps: null }])
      const delivered = saidOfTypes(log).filter((message) => message.includes('is delivered as text'))
      expect(delivered).toEqual([expect.stringContaining('type public.pair is delivered as text: it was altered')])
    })

    test('a composite that is altered while it is followed, in a transaction with rows', async () => {
      await using source = await Source.make(server, setup)
      const reader = await source.followChanges({ binary })
      await source.write("INSERT INTO t VALUES (2, '(k,l)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 2, p: { a: 'k', b: 'l' }, ps: null }])
      await source.writeTogether(
        "INSERT INTO t VALUES (3, '(k,l)')",
        'ALTER TYPE pair RENAME ATTRIBUTE a TO c',
        "INSERT INTO t VALUES (4, '(m,n)')",
      )
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([
        { id: 3, p: '(k,l)', ps: null },
        { id: 4, p: '(m,n)', ps: null },
      ])
    })

    test('a composite that was altered in what a feed has missed: text up to there, then by its new attributes', async () => {
      await using source = await Source.make(server, setup)
      const first = await source.followChanges({ binary })
      await first.close()
      await source.write("INSERT INTO t VALUES (2, '(k,l)')", 'ALTER TYPE pair RENAME ATTRIBUTE a TO c')
      await source.write("INSERT INTO t VALUES (3, '(m,n)')")
      const log = recordingLogger()
      const reader = source.follow({ start: first.stored, binary, logger: log })
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([
        { id: 2, p: '(k,l)', ps: null },
        { id: 3, p: '(m,n)', ps: null },
      ])
      await source.write("INSERT INTO t VALUES (4, '(o,p)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 4, p: { c: 'o', b: 'p' }, ps: null }])
      expect(saidOfTypes(log)).toEqual([expect.stringContaining('type public.pair is delivered as text')])
    })

    test('a composite that gets an attribute of a type that has no exact binary form', async () => {
      await using source = await Source.make(server, setup)
      const reader = source.follow({ binary })
      await reader.untilCopied()
      await source.write('ALTER TYPE pair ADD ATTRIBUTE m money', "INSERT INTO t VALUES (2, '(k,l,1.50)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 2, p: '(k,l,$1.50)', ps: null }])
    })

    test('the row type of a table, altered as that table is', async () => {
      await using source = await Source.make(
        server,
        'CREATE TABLE part (a int); CREATE TABLE t (id int PRIMARY KEY, p part)',
      )
      const reader = await source.followChanges({ binary })
      await source.write("INSERT INTO t VALUES (1, '(7)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 1, p: { a: 7 } }])
      await source.write('ALTER TABLE part ADD b text', "INSERT INTO t VALUES (2, '(8,x)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 2, p: '(8,x)' }])
    })

    test('types that were dropped before their rows are read: text, said once for each', async () => {
      await using source = await Source.make(
        server,
        `CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int, m mood); CREATE DOMAIN moods AS mood[];
        CREATE DOMAIN age AS int; CREATE TABLE t (id int PRIMARY KEY, p pair, ms moods, a age);`,
      )
      const first = await source.followChanges({ binary })
      await first.close()
      await source.write("INSERT INTO t VALUES (1, '(1,sad)', '{sad}', 5)", "INSERT INTO t VALUES (2, NULL, '{}', 6)")
      await source.write('DROP TABLE t', 'DROP TYPE pair', 'DROP TYPE mood CASCADE', 'DROP DOMAIN age')
      const log = recordingLogger()
      const reader = source.follow({ start: first.stored, binary, logger: log })
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([
        { id: 1, p: '(1,sad)', ms: '{sad}', a: '5' },
        { id: 2, p: null, ms: '{}', a: '6' },
      ])
      expect(saidOfTypes(log).filter((message) => message.includes('is not in the catalog'))).toHaveLength(3)
    })

    test('a type that a table gets while it is followed, and one that is made anew under its name', async () => {
      await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
      const log = recordingLogger()
      const reader = await source.followChanges({ binary, logger: log })
      await source.write('CREATE TYPE pair AS (a int, b text)', 'ALTER TABLE t ADD p pair')
      await source.write("INSERT INTO t VALUES (1, '(1,x)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 1, p: { a: 1, b: 'x' } }])
      await source.write('ALTER TABLE t DROP p', 'DROP TYPE pair', 'CREATE TYPE pair AS (c text, d int)')
      await source.write('ALTER TABLE t ADD p pair', "INSERT INTO t VALUES (2, '(y,2)')")
      expect(rowsNew(await reader.untilMark(await source.mark()))).toEqual([{ id: 2, p: { c: 'y', d: 2 } }])
    })
  })

  test('a composite that is altered while its table is copied: the copy begins again', async () => {
    await using source = await Source.make(
      server,
      `${setup} INSERT INTO t SELECT i, '(x,y)' FROM generate_series(2, 5000) i`,
    )
    const log = recordingLogger()
    const reader = source.follow({ maxBatchRows: 100, logger: log })
    await reader.until('rows', ({ events }) => events.some(({ kind }) => kind === 'snapshot'))
    await source.write('ALTER TYPE pair RENAME ATTRIBUTE a TO c')
    const events = await reader.untilCopied()
    const modes = events.flatMap((event) => (event.kind === 'snapshot-begin' ? [event.mode] : []))
    expect(modes).toEqual(['initial', 'replace'])
    const rows = rowsNew(events.slice(events.findLastIndex(({ kind }) => kind === 'snapshot-begin')))
    expect(rows).toHaveLength(5000)
    expect(rows.every(({ p }) => JSON.stringify(p) === '{"c":"x","b":"y"}')).toBe(true)
  })
})
