import { describe, expect, test } from 'vitest'
import { bootServer, sharedServer, testVersions } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

const exact = 'CREATE TABLE exact (id int PRIMARY KEY, b bool, big int8, f float8, t text, data bytea, missing int)'
const fill = `INSERT INTO exact SELECT i, i % 2 = 0, i * 10000000000, i / 7.0::float8, 'row ' || i,
  decode(lpad(to_hex(i), 8, '0'), 'hex'), NULL FROM generate_series(1, 500) i`

describe.each(testVersions())('binary transfer on PostgreSQL %i', (version) => {
  test('gives the values that text gives, copied and streamed', async () => {
    await using source = await Source.make(await sharedServer(version), `${exact}; ${fill}`)
    const log = recordingLogger()
    const feed = source.follow({ binary: true, logger: log })
    const copied = (await feed.untilCopied()).filter((event) => event.kind === 'snapshot').map((event) => event.new)
    await source.write('UPDATE exact SET missing = id', 'DELETE FROM exact WHERE id = 3')
    const streamed = await feed.untilMark(await source.mark())
    await feed.close()
    await using text = await Source.make(await sharedServer(version), `${exact}; ${fill}`)
    const plain = text.follow()
    const expected = (await plain.untilCopied()).filter((event) => event.kind === 'snapshot').map((event) => event.new)
    await text.write('UPDATE exact SET missing = id', 'DELETE FROM exact WHERE id = 3')
    const asText = await plain.untilMark(await text.mark())
    expect(copied).toEqual(expected)
    const rows = (events: typeof streamed) =>
      events.flatMap((event) => (event.kind === 'update' ? [event.new] : event.kind === 'delete' ? [event.key] : []))
    expect(rows(streamed)).toEqual(rows(asText))
    expect(rows(streamed)).toHaveLength(501)
    expect(log.lines().some((line) => JSON.stringify(line).includes('text is used'))).toBe(false)
  })

  test('of an empty table', async () => {
    await using source = await Source.make(await sharedServer(version), exact)
    const events = await source.follow({ binary: true }).untilCopied()
    expect(events.map((event) => event.kind)).toEqual(['relation', 'snapshot-begin', 'snapshot-end'])
  })

  test('falls back to text where a type has no exact binary form, and says which column it is', async () => {
    await using source = await Source.make(
      await sharedServer(version),
      `CREATE TABLE inexact (id int PRIMARY KEY, price money, who aclitem[]); INSERT INTO inexact VALUES (1, 2.5, '{=r/postgres}'); ${exact}; ${fill}`,
    )
    const log = recordingLogger()
    const feed = source.follow({ binary: true, logger: log })
    const copied = await feed.untilCopied()
    expect(copied.find((event) => event.kind === 'snapshot' && event.table === 'public.inexact')).toMatchObject({
      new: { id: 1, price: '$2.50', who: ['=r/postgres'] },
    })
    await source.write(`INSERT INTO inexact VALUES (2, 3, '{=r/postgres}')`)
    const streamed = await feed.untilMark(await source.mark())
    expect(streamed.find((event) => event.kind === 'insert')).toMatchObject({ new: { id: 2, price: '$3.00' } })
    expect(JSON.stringify(log.lines())).toContain('price')
  })

  test('goes on in text where a type has a binary form that is not exact, and the server is not in trouble', async () => {
    await using source = await Source.make(await sharedServer(version), exact)
    const log = recordingLogger()
    const feed = source.follow({ binary: true, logger: log })
    await feed.untilCopied()
    await source.write('INSERT INTO exact (id) VALUES (1)')
    await feed.untilMark(await source.mark())
    await source.write('ALTER TABLE exact ADD COLUMN price money', 'INSERT INTO exact (id, price) VALUES (2, 1.50)')
    const events = await feed.untilMark(await source.mark())
    expect(events.filter(({ kind }) => kind === 'insert')).toMatchObject([{ new: { id: 2, price: '$1.50' } }])
    await source.write('INSERT INTO exact (id, price) VALUES (3, 2)', "UPDATE exact SET t = 'x' WHERE id = 1")
    const more = await feed.untilMark(await source.mark())
    expect(more.filter(({ kind }) => kind === 'insert')).toMatchObject([{ new: { id: 3, price: '$2.00' } }])
    expect(log.lines('warn')).toMatchObject([{ data: { table: 'public.exact', column: 'price', type: 'money' } }])
  })

  test('goes on in text where the server has no walsender to spare', async () => {
    await using server = await bootServer({ version, settings: { max_wal_senders: 1 } })
    await using source = await Source.make(server, exact)
    const feed = source.follow({ binary: true })
    await feed.untilCopied()
    await source.write('ALTER TABLE exact ADD COLUMN price money', 'INSERT INTO exact (id, price) VALUES (2, 1.50)')
    const events = await feed.untilMark(await source.mark())
    expect(events.filter(({ kind }) => kind === 'insert')).toMatchObject([{ new: { id: 2, price: '$1.50' } }])
  })

  test('of a temporary slot is for the copy alone: its stream could not change to text later', async () => {
    await using source = await Source.make(await sharedServer(version), `${exact}; ${fill}`)
    const log = recordingLogger()
    const feed = source.follow({ binary: true, temporary: true, logger: log })
    await feed.untilCopied()
    await source.write('ALTER TABLE exact ADD COLUMN price money', 'INSERT INTO exact (id, price) VALUES (0, 1.50)')
    const events = await feed.untilMark(await source.mark())
    expect(events.filter(({ kind }) => kind === 'insert')).toMatchObject([{ new: { id: 0, price: '$1.50' } }])
    expect(JSON.stringify(log.lines('info'))).toContain('the slot is temporary')
  })

  test('goes on in text, at its position, when a column of such a type is added later', async () => {
    await using source = await Source.make(await sharedServer(version), exact)
    const log = recordingLogger()
    const feed = source.follow({ binary: true, logger: log, maxBatchRows: 7 })
    await feed.untilCopied()
    await source.write('INSERT INTO exact (id) SELECT generate_series(1, 50)')
    await source.writeTogether(
      'INSERT INTO exact (id) SELECT generate_series(51, 100)',
      'ALTER TABLE exact ADD COLUMN who aclitem[]',
      `INSERT INTO exact (id, who) SELECT i, '{=r/postgres}' FROM generate_series(101, 150) i`,
    )
    await source.write(`INSERT INTO exact (id, who) SELECT i, '{=r/postgres}' FROM generate_series(151, 200) i`)
    const events = await feed.untilMark(await source.mark())
    const inserted = events.flatMap((event) => (event.kind === 'insert' ? [event.new.id] : []))
    expect(inserted).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    expect(events.filter((event) => event.kind === 'begin')).toHaveLength(3)
    expect(events.find((event) => event.kind === 'insert' && event.new.id === 150)).toMatchObject({
      new: { who: ['=r/postgres'] },
    })
    expect(JSON.stringify(log.lines())).toContain('who')
  })
})
