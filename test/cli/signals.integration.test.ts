import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { type Finished, jsonLines, type Running, run, start } from './command.ts'
import { openShop } from './shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-signals-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Sends a signal, and says how the run ended and how long that took. */
async function ended(running: Running, name: NodeJS.Signals): Promise<Finished & { ms: number }> {
  const begun = performance.now()
  running.signal(name)
  const finished = await running.finished
  return { ...finished, ms: performance.now() - begun }
}

/** A second for the end itself, and another for a machine that has other things to do. */
const soonMs = 2000

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  const shop = async () => await openShop(await sharedServer(version))
  const files = () => ['--checkpoint', join(folder, 'cp'), '--output', join(folder, 'out')]
  const output = () => readFile(join(folder, 'out'), 'utf8')

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s while nothing happens', async (name) => {
    await using s = await shop()
    await using running = start(s.follow)
    await running.says('following')
    const { code, ms, stderr } = await ended(running, name)
    expect(code).toBe(0)
    expect(ms).toBeLessThan(soonMs)
    expect(stderr).toContain(`stopped by ${name}`)
  })

  test('in the middle of a snapshot: the same command begins it again, and nothing is there twice', async () => {
    await using s = await shop()
    await s.insert(1, 100_000)
    await using running = start([...s.follow, ...files()])
    await running.says('snapshot of a table begins')
    const { code, ms } = await ended(running, 'SIGTERM')
    expect(code).toBe(0)
    expect(ms).toBeLessThan(soonMs)
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    const copied = jsonLines(await output()).filter(({ kind }) => kind === 'snapshot')
    expect(copied).toHaveLength(100_000)
    expect(new Set(copied.map((line) => line.new?.id)).size).toBe(100_000)
  })

  test('in the middle of a transaction of 100,000 rows: the same command goes on inside it', async () => {
    await using s = await shop()
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    await s.insert(1, 100_000)
    let inside = 0
    for (let signals = 0; signals < 3; signals++) {
      await using running = start([...s.follow, ...files()])
      const before = (await output()).length
      await waitUntil('some more to be written', async () => (await output()).length > before)
      const { code, ms } = await ended(running, 'SIGINT')
      expect(code).toBe(0)
      expect(ms).toBeLessThan(soonMs)
      const stored = JSON.parse(await readFile(join(folder, 'cp'), 'utf8'))
      if (stored.position.tx !== undefined) inside++
    }
    expect(inside).toBeGreaterThan(0)
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    const inserted = jsonLines(await output()).filter(({ kind }) => kind === 'insert')
    expect(inserted.map(({ seq }) => seq)).toEqual(Array.from({ length: 100_000 }, (_, seq) => seq))
  })

  test('while the reader of stdout takes nothing: it says that not everything was written, and ends', async () => {
    await using s = await shop()
    await s.insert(1, 100_000)
    await using running = start(s.follow)
    running.child.stdout?.pause()
    await running.says('snapshot of a table begins')
    const { code, ms, stderr } = await ended(running, 'SIGTERM')
    expect(code).toBe(1)
    expect(ms).toBeLessThan(2 * soonMs)
    expect(stderr).toContain('[drain_timeout]')
  })

  test('the reader takes nothing for longer than the server waits for a sign of life, and then goes on', async () => {
    await using server = await bootServer({ version, settings: { wal_sender_timeout: '1500ms' } })
    await using s = await openShop(server)
    await using running = start(s.follow)
    await running.says('following')
    running.child.stdout?.pause()
    await s.insert(1, 100_000)
    await new Promise((done) => setTimeout(done, 4000))
    running.child.stdout?.resume()
    await waitUntil('the last row', () => running.stdout.includes('"id":100000,'))
    expect(await ended(running, 'SIGTERM')).toMatchObject({ code: 0 })
  })

  test('a second signal ends it at once', async () => {
    await using s = await shop()
    await s.insert(1, 100_000)
    await using running = start(s.follow)
    running.child.stdout?.pause()
    await running.says('snapshot of a table begins')
    running.signal('SIGINT')
    await new Promise((done) => setTimeout(done, 100))
    const { code, ms } = await ended(running, 'SIGTERM')
    expect(code).toBe(143)
    expect(ms).toBeLessThan(800)
  })

  test('while making the slot waits for an open transaction: no slot is left', async () => {
    await using server = await bootServer({ version })
    await using s = await openShop(server)
    await s.sql.begin(async (tx) => {
      await tx`INSERT INTO orders VALUES (1, 'open')`
      await using running = start([...s.follow, ...files()])
      await running.says(/pid/)
      const { code, ms } = await ended(running, 'SIGINT')
      expect(code).toBe(0)
      expect(ms).toBeLessThan(soonMs)
    })
    expect(await s.slots()).toEqual([])
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
  })

  test('while --stop now waits for a server that says nothing', async () => {
    const mute = createServer((socket) => socket.on('error', () => {}))
    await new Promise<void>((done) => mute.listen(0, '127.0.0.1', done))
    const address = mute.address()
    const url = `postgres://u@127.0.0.1:${typeof address === 'object' ? address?.port : 0}/x`
    const connected = once(mute, 'connection')
    await using running = start(['follow', url, '--publication', 'p', '--slot', 's', '--stop', 'now'])
    await connected
    const { code, ms } = await ended(running, 'SIGINT')
    expect(code).toBe(0)
    expect(ms).toBeLessThan(soonMs)
    mute.close()
  })

  test('a server that stops is not held up, and the same command goes on when it is back', async () => {
    await using server = await bootServer({ version })
    await using s = await openShop(server)
    await s.insert(1, 1)
    await using running = start([...s.follow, ...files(), '--reconnect', '0'])
    await running.says('following')
    const begun = performance.now()
    await server.stop('fast')
    expect(performance.now() - begun).toBeLessThan(5000)
    expect(await running.finished).toMatchObject({ code: 1 })
    await server.start()
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    expect(jsonLines(await output()).filter(({ kind }) => kind === 'snapshot')).toHaveLength(1)
  })
})
