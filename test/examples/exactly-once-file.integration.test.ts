import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Chance, seedFrom } from '../end-to-end/random.ts'
import { Replica } from '../end-to-end/replica.ts'
import { testNodes } from '../package/nodes.ts'
import { outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { endExample, startExample } from './example.ts'
import { openKeyedShop } from './keyed-shop.ts'

vi.setConfig({ testTimeout: 300_000 })

const version = outerVersions().at(-1)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-example-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('killed in the copy and after it, and cut in the middle of a line: the tables in the file equal the source', async () => {
  const seed = seedFrom(process.env.WALWIRE_KILL_SEED)
  console.log(`seed of this run: WALWIRE_KILL_SEED=${seed}`)
  const chance = new Chance(seed)
  await using source = await openKeyedShop(version, chance.fork())
  const output = join(folder, 'events.jsonl')
  const env = { SOURCE: source.url, PUBLICATION: 'keyed', OUTPUT: output, SLOT: 'exactly_once' }

  const size = async () => (await stat(output).catch(() => undefined))?.size ?? 0
  const isFollowing = async () => (await readFile(output, 'utf8').catch(() => '')).includes('"phase":"stream"')
  /** Starts it, and kills it when so many bytes more are in the file. */
  const kill = async (bytes: number) => {
    await using running = startExample('exactly-once-file', env)
    const before = await size()
    await waitUntil(
      'something to be written',
      async () => {
        return running.child.exitCode !== null || Math.abs((await size()) - before) > bytes
      },
      60_000,
    )
    expect(running.child.exitCode, running.stderr).toBe(null)
    running.signal('SIGKILL')
    await running.finished
  }

  await kill(100_000)
  expect(await isFollowing()).toBe(false)
  {
    await using running = startExample('exactly-once-file', env)
    await waitUntil('the copy to be over', isFollowing, 60_000)
    expect(running.child.exitCode, running.stderr).toBe(null)
  }
  await source.truncate('codes')
  for (let times = 0; times < 3; times++) await kill(chance.between(1, 100_000))
  // what a kill in the middle of a write leaves: half a batch, and half of a position that says it were whole
  await appendFile(output, '{"kind":"insert","table":"accounts","new":{"id":"0"}}\n{"position":{"version":1')
  await source.shop.stop()

  await source.addLast()
  await using running = startExample('exactly-once-file', env)
  const isLast = /"new":\{"id":"-1",.*\n(?:.*\n)*\{"position":.*\n$/
  await waitUntil('the last change', async () => isLast.test(await readFile(output, 'utf8')), 120_000)
  await endExample(running)

  const lines = (await readFile(output, 'utf8')).split('\n')
  const events = join(folder, 'events-alone.jsonl')
  await writeFile(events, lines.filter((line) => !line.startsWith('{"position":')).join('\n'))
  const replica = await Replica.of(events)
  await source.isEqualTo((table) => replica.rows(table))
})

test.each(testNodes())('a value with a line separator of Unicode cuts nothing off, on Node $name', async ({ bin }) => {
  const server = await sharedServer(version)
  const source = await server.createDatabase()
  const sql = postgres(source, { max: 1, onnotice: () => {} })
  await sql`CREATE TABLE notes (id int PRIMARY KEY, note text)`
  await sql`CREATE PUBLICATION shop FOR TABLE notes`
  await sql`INSERT INTO notes VALUES (1, ${'a\u2028{"position":1}\u2029b'})`
  const output = join(folder, 'events.jsonl')
  const slot = `example_${process.pid}`
  const text = async () => await readFile(output, 'utf8').catch(() => '')
  const followUntil = async (id: number) => {
    await using running = startExample(
      'exactly-once-file',
      { SOURCE: source, OUTPUT: output, SLOT: slot },
      join(bin, 'node'),
    )
    await waitUntil(`row ${id}`, async () => {
      const lines = (await text()).split('\n')
      const row = lines.findIndex((line) => line.includes(`"new":{"id":"${id}"`))
      return row !== -1 && lines.slice(row).some((line) => line.startsWith('{"position":'))
    })
    await endExample(running)
    return await text()
  }
  const before = await followUntil(1)
  await sql`INSERT INTO notes VALUES (2, 'b')`
  const after = await followUntil(2)
  expect(after.slice(0, before.length)).toBe(before)
  expect(after.match(/"kind":"(snapshot|insert)"/g)).toHaveLength(2)
  await waitUntil(
    'the slot to be free',
    async () =>
      (
        await sql`
    SELECT FROM pg_replication_slots WHERE slot_name = ${slot} AND active`
      ).length === 0,
  )
  await sql`SELECT pg_drop_replication_slot(${slot})`
  await sql.end()
})
