import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { deliver } from '../../src/delivery/deliver.ts'
import type { Destination, Standing } from '../../src/delivery/destination.ts'
import { fileDestination } from '../../src/delivery/file/file-destination.ts'
import type { Batch } from '../../src/replication/batch.ts'
import type { Position } from '../../src/replication/position.ts'
import { jsonLines } from '../cli/command.ts'
import { openShop, type Shop } from '../cli/shop.ts'
import { outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { Passing } from './model-destination.ts'

const copied = 100
const written = 300

/** Which calls are refused, each kind counted by itself: of the writes there are enough, however fast the machine is. */
const refused = { copy: [3], write: [5, 12], commit: [4, 11], committed: [7, 16] } as const

/** Keeps ids and the position in memory, together, and refuses now and then, before or after it did what it was asked. */
class FickleDestination implements Destination {
  ids: number[] = []
  position: Position | undefined
  opened = 0
  readonly #calls = { copy: 0, write: 0, commit: 0, committed: 0 }
  #written: number[] = []

  async open(): Promise<Standing | undefined> {
    this.opened++
    this.#written = []
    if (this.position?.phase !== 'stream') this.ids = []
    return this.position && { start: this.position }
  }

  async write({ events }: Batch): Promise<void> {
    this.#refuse(this.position?.phase === 'stream' ? 'write' : 'copy')
    await new Promise(setImmediate)
    for (const event of events) {
      if (event.kind === 'snapshot' || event.kind === 'insert') this.#written.push(Number(event.new.id))
    }
  }

  async commit(position: Position): Promise<void> {
    this.#refuse('commit')
    const covered = this.#written.splice(0)
    await new Promise((done) => setTimeout(done, 2))
    this.ids.push(...covered)
    this.position = position
    this.#refuse('committed')
  }

  async close(): Promise<void> {}

  /** Nothing once it has everything: the test stops it then, and a failure that comes with the stop is not tried again. */
  #refuse(moment: keyof typeof refused): void {
    if (this.ids.length === copied + written) return
    const call = ++this.#calls[moment]
    if (refused[moment].some((number) => number === call)) throw new Passing('not now')
  }
}

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  async function shop(): Promise<Shop> {
    return await openShop(await sharedServer(version))
  }

  /** Writes in small transactions, so that there is always more to come. */
  async function write(s: Shop): Promise<void> {
    for (let id = copied + 1; id <= copied + written; id += 5) await s.insert(id, id + 4)
  }

  const everything = Array.from({ length: copied + written }, (_, index) => index + 1)

  test('a destination that refuses again and again has each row once, in order, and the slot follows it', async () => {
    await using s = await shop()
    await s.insert(1, copied)
    const destination = new FickleDestination()
    const stop = new AbortController()
    const delivering = deliver({
      ...{ connection: s.url, publication: 'shop', slot: s.slot, destination, signal: stop.signal },
      retry: { firstDelayMs: 1, maxDelayMs: 10 },
      commit: { intervalMs: 1 },
      maxBatchRows: 20,
    })
    await waitUntil('the copy', () => destination.position?.phase === 'stream')
    await write(s)
    await waitUntil('everything', () => destination.ids.length === everything.length)
    stop.abort()
    expect(await delivering).toEqual({ reason: 'stopped', position: destination.position })
    expect(destination.ids).toEqual(everything)
    expect(destination.opened).toBeGreaterThan(2)
    const [slot] = await s.slots()
    expect(slot?.confirmed).toBe(destination.position?.lsn)
  })

  test('a start that is a function is asked where the destination holds nothing, and refused beside a checkpoint', async () => {
    await using s = await shop()
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'pgoutput')`
    await s.insert(1, 3)
    let asked = 0
    const start = async () => {
      asked++
      return 'slot'
    }
    const options = { connection: s.url, publication: 'shop', slot: s.slot, start }
    const destination = new FickleDestination()
    const stop = new AbortController()
    const delivering = deliver({ ...options, destination, signal: stop.signal, retry: { firstDelayMs: 1 } })
    await waitUntil('the rows', () => destination.ids.length === 3)
    stop.abort()
    await delivering
    expect(destination.ids).toEqual([1, 2, 3])
    expect(asked).toBe(1)
    const file = fileDestination({ path: join(tmpdir(), 'never-made'), checkpoint: join(tmpdir(), 'never-made.cp') })
    await expect(deliver({ ...options, destination: file })).rejects.toMatchObject({ code: 'bad_option' })
  })

  test('a file is gone on with by the next delivery, however often one is stopped', async () => {
    await using s = await shop()
    const folder = await mkdtemp(join(tmpdir(), 'walwire-deliver-'))
    const [path, checkpoint] = [join(folder, 'out.jsonl'), join(folder, 'cp')]
    const ids = async () => {
      const lines = jsonLines(await readFile(path, 'utf8').catch(() => ''))
      return lines.flatMap(({ kind, new: row }) => (kind === 'snapshot' || kind === 'insert' ? [row?.id] : []))
    }
    await s.insert(1, copied)
    const options = { connection: s.url, publication: 'shop', slot: s.slot }
    const writing = write(s)
    for (let seen = 0; seen < everything.length; ) {
      const stop = new AbortController()
      const delivering = deliver({
        ...options,
        destination: fileDestination({ path, checkpoint }),
        signal: stop.signal,
      })
      await waitUntil('some more', async () => (await ids()).length >= Math.min(seen + 100, everything.length))
      stop.abort()
      expect((await delivering).reason).toBe('stopped')
      seen = (await ids()).length
    }
    await writing
    expect(await ids()).toEqual(everything)
    await rm(folder, { recursive: true })
  })
})
