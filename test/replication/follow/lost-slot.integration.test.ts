import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deliver, fileDestination } from '../../../src/delivery/index.ts'
import type { Event, Position } from '../../../src/index.ts'
import { jsonLines } from '../../cli/command.ts'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../../server/index.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Replica } from './helpers/replica.ts'
import { Source } from './helpers/source.ts'

const oneTable = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')"
const renewing = { onLostSlot: 'resnapshot', reconnect: { minDelayMs: 20, maxDelayMs: 500 } } as const

/** Whoever reads it is ended, and it is dropped. */
async function dropSlot(source: Source): Promise<void> {
  const own = `FROM pg_replication_slots WHERE slot_name = '${source.slot}'`
  await source.write(`DO $$ BEGIN
    PERFORM pg_terminate_backend(active_pid) ${own} AND active;
    FOR i IN 1..200 LOOP
      BEGIN
        PERFORM pg_drop_replication_slot(slot_name) ${own};
        RETURN;
      EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01);
      END;
    END LOOP;
  END $$`)
}

const modes = (events: readonly Event[]) =>
  events.flatMap((event) => (event.kind === 'snapshot-begin' ? [`${event.table} ${event.mode}`] : []))

describe.each(outerVersions())('a feed whose slot is lost, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({
      version,
      settings: {
        max_slot_wal_keep_size: '1MB',
        min_wal_size: '32MB',
        max_wal_size: '32MB',
      },
    })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** Writes until the server gives the slot up. */
  async function giveUp(source: Source): Promise<void> {
    await waitUntil(
      'the slot to be given up',
      async () => {
        await source.write("UPDATE t SET v = v || 'x'", 'SELECT pg_switch_wal()', 'CHECKPOINT')
        return (await source.slotRow())?.wal_status === 'lost'
      },
      60_000,
    )
  }

  /** A feed that has copied and followed, and ended: its position. */
  async function followed(source: Source, replica: Replica): Promise<Position> {
    const reader = source.follow()
    await reader.untilCopied()
    await source.write("INSERT INTO t VALUES (3, 'c')")
    await reader.untilMark(await source.mark())
    replica.apply(reader.events)
    await reader.close()
    return reader.stored
  }

  const losses: [string, string, (source: Source) => Promise<void>, RegExp][] = [
    ['dropped', 'slot_lost', dropSlot, /no such slot/],
    ['given up for its WAL', 'slot_invalidated', giveUp, /wal_removed: .*max_slot_wal_keep_size/],
  ]

  test.each(losses)(
    '%s while nobody followed, is refused, and begins anew where it is told to',
    async (...given) => {
      const [, code, lose, why] = given
      await using source = await Source.make(server, oneTable)
      const replica = new Replica()
      const start = await followed(source, replica)
      await lose(source)
      await source.write('DELETE FROM t WHERE id = 1', "INSERT INTO t VALUES (4, 'd')")
      const refused = await source.follow({ start }).failure()
      expect(refused).toMatchObject({ code, retryable: false })
      expect(refused.why).toMatch(why)
      expect(refused.hint).toContain("onLostSlot: 'resnapshot'")

      const logger = recordingLogger()
      const reader = source.follow({ start, ...renewing, logger })
      await reader.next()
      expect(reader.batches).toMatchObject([{ events: [], position: { phase: 'new' } }])
      const copied = await reader.untilCopied()
      expect(modes(copied)).toEqual(['public.t replace'])
      expect(copied.filter(({ kind }) => kind === 'table-left')).toEqual([])
      await source.write("INSERT INTO t VALUES (5, 'e')")
      await reader.untilMark(await source.mark())
      expect(logger.lines('warn').filter(({ message }) => message.includes('begins anew'))).toHaveLength(1)
      replica.apply(reader.events)
      expect(replica.rows('public.t').map(({ id }) => id)).toEqual([2, 3, 4, 5])
      await reader.close()
      // and from there as ever
      const again = source.follow({ start: reader.stored })
      await source.write("INSERT INTO t VALUES (6, 'f')")
      expect((await again.untilMark(await source.mark())).map(({ kind }) => kind)).toContain('insert')
    },
    90_000,
  )

  test.each(losses)(
    '%s while it followed, begins anew in the same process',
    async (_how, _code, lose) => {
      await using source = await Source.make(server, oneTable)
      const replica = new Replica()
      const reader = source.follow(renewing)
      await reader.untilCopied()
      await source.write("INSERT INTO t VALUES (3, 'c')")
      await reader.untilMark(await source.mark())
      const before = reader.events.length
      const [begun] = await Promise.all([
        reader.until('the copy', ({ events }) => modes(events.slice(before)).length > 0, 60_000),
        lose(source),
      ])
      expect(modes(begun.events)).toEqual(['public.t initial', 'public.t replace'])
      await source.write("INSERT INTO t VALUES (5, 'e')", 'DELETE FROM t WHERE id = 1')
      await reader.until('the rows', ({ events }) => events.some((event) => event.kind === 'delete'))
      replica.apply(reader.events)
      expect(replica.rows('public.t').map(({ id }) => id)).toEqual([2, 3, 5])
    },
    90_000,
  )

  test('ended between its first position and its slot, or in the copy, begins anew at what was stored', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await followed(source, new Replica())
    await dropSlot(source)
    const first = source.follow({ start, ...renewing })
    await first.next()
    await first.close()
    const second = source.follow({ start: first.stored, ...renewing, maxBatchRows: 1 })
    await second.next()
    expect(second.position?.phase).toBe('snapshot')
    await second.abandon()
    const third = source.follow({ start: second.stored })
    expect(modes(await third.untilCopied())).toEqual(['public.t replace'])
  })

  test('moved, or made anew by somebody else, is refused all the same', async () => {
    await using source = await Source.make(server, oneTable)
    const start = await followed(source, new Replica())
    await source.write(
      "INSERT INTO t VALUES (7, 'g')",
      `SELECT pg_replication_slot_advance('${source.slot}', pg_current_wal_lsn())`,
    )
    expect(await source.follow({ start, ...renewing }).failure()).toMatchObject({ code: 'gap' })
    await dropSlot(source)
    await source.write(`SELECT pg_create_logical_replication_slot('${source.slot}', 'pgoutput')`)
    expect(await source.follow({ start, ...renewing }).failure()).toMatchObject({ code: 'gap' })
    expect(await source.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = '${source.slot}'`)).toBe('1')
  })

  test('and which is written into a file, leaves what was written and copies behind it, also where its copy is cut off', async () => {
    await using source = await Source.make(server, oneTable)
    const folder = await mkdtemp(join(tmpdir(), 'walwire-lost-'))
    try {
      const [path, checkpoint] = [join(folder, 'out'), join(folder, 'cp')]
      const { url: connection, publication, slot } = source
      const written = async () => jsonLines(await readFile(path, 'utf8'))
      const run = async (until: (text: string) => boolean) => {
        const stop = new AbortController()
        const running = deliver({
          ...{ connection, publication, slot, ...renewing, signal: stop.signal, maxBatchRows: 1 },
          destination: fileDestination({ path, checkpoint }),
          commit: { maxEvents: 1 },
        })
        running.catch(() => {})
        await waitUntil('the output', async () => until(await readFile(checkpoint, 'utf8').catch(() => '')))
        stop.abort()
        await running
      }
      await run((text) => text.includes('"phase": "stream"'))
      const before = await written()
      await dropSlot(source)
      await run((text) => text.includes('"phase": "snapshot"'))
      await run((text) => text.includes('"phase": "stream"'))
      const lines = await written()
      expect(lines.slice(0, before.length)).toEqual(before)
      const rest = lines.slice(before.length)
      expect(rest.map(({ kind, mode }) => mode ?? kind)).toEqual([
        'relation',
        'replace',
        'snapshot',
        'snapshot',
        'snapshot-end',
      ])
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 60_000)
})

describe.each(outerVersions().filter((version) => version >= 18))(
  'a slot that nobody reads, on PostgreSQL %i,',
  (version) => {
    test('is given up for that, and its feed is refused, or begins anew where it is told to', async () => {
      await using server = await bootServer({ version, settings: { idle_replication_slot_timeout: '1s' } })
      await using source = await Source.make(server, oneTable)
      const first = source.follow()
      await first.untilCopied()
      await first.close()
      const start = first.stored
      const reason = async () => {
        await source.write('CHECKPOINT')
        return (await source.slotRow())?.invalidation_reason
      }
      await waitUntil('the slot to be given up', async () => (await reason()) === 'idle_timeout', 20_000)
      const refused = await source.follow({ start }).failure()
      expect(refused).toMatchObject({ code: 'slot_invalidated' })
      expect(refused.why).toContain('idle_timeout: nobody read it')
      expect(refused.hint).toContain('raise idle_replication_slot_timeout')
      const reader = source.follow({ start, ...renewing })
      expect(modes(await reader.untilCopied())).toEqual(['public.t replace'])
    }, 60_000)
  },
)
