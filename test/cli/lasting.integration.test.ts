import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, type TestServer, waitUntil } from '../server/index.ts'
import { type Finished, type JsonLine, jsonLines, type Running, run, start } from './command.ts'
import { openShop, type Shop } from './shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-lasting-'))
})
afterEach(() => rm(folder, { recursive: true }))

const files = () => ['--checkpoint', join(folder, 'cp'), '--output', join(folder, 'out')]
const soon = ['--reconnect-max', '300ms']
const goesOn = /Try 1 to go on/

/** Ids of the rows in the output, in its order. */
async function written(): Promise<number[]> {
  const text = await readFile(join(folder, 'out'), 'utf8').catch(() => '')
  const isRow = ({ kind }: JsonLine) => kind === 'snapshot' || kind === 'insert'
  return jsonLines(text)
    .filter(isRow)
    .map((line) => Number(line.new?.id))
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

async function more(rows = 50): Promise<void> {
  const before = (await written()).length
  await waitUntil('more rows in the output', async () => (await written()).length >= before + rows)
}

/** Writes rows with rising ids, over again where the server was away. */
function writer(s: Shop): { stop(): Promise<number> } {
  let writing = true
  const work = async () => {
    let last = 0
    while (writing) {
      try {
        // a commit whose answer was lost may have happened all the same
        await s.sql`INSERT INTO orders VALUES (${last + 1}, 'note') ON CONFLICT DO NOTHING`
        last++
      } catch {
        await delay(20)
      }
    }
    return last
  }
  const done = work()
  return {
    stop() {
      writing = false
      return done
    },
  }
}

/** A second for the end itself, and another for a machine that has other things to do. */
const soonMs = 2000

async function endsSoon(running: Running): Promise<Finished> {
  const begun = performance.now()
  running.signal('SIGTERM')
  const finished = await running.finished
  expect(performance.now() - begun).toBeLessThan(soonMs)
  expect(finished.code).toBe(0)
  return finished
}

describe.each(outerVersions())('a command that lasts, on PostgreSQL %i,', (version) => {
  let server: TestServer
  beforeAll(async () => {
    server = await bootServer({ version })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  test('goes on after its server was restarted, or crashed: each row is in the output once', async () => {
    await using s = await openShop(server)
    await using running = start([...s.follow, ...files(), ...soon])
    await running.says('following')
    const writing = writer(s)
    for (const how of ['fast', 'immediate'] as const) {
      await more()
      await server.restart(how)
      await more()
    }
    const last = await writing.stop()
    await waitUntil('the last row', async () => (await written()).at(-1) === last)
    await endsSoon(running)
    expect(await written()).toEqual(upTo(last))
  })

  test('fails with --reconnect 0 when its server stops, and with --reconnect 2 when that stays away', async () => {
    await using s = await openShop(server)
    await using never = start([...s.follow, ...files(), '--reconnect', '0'])
    await never.says('following')
    await server.stop('fast')
    expect(await never.finished).toMatchObject({ code: 1, stderr: expect.not.stringMatching(/to go on/) })
    await server.start()
    await using twice = start([...s.follow, ...files(), '--reconnect', '2', ...soon])
    await twice.says('following')
    await server.stop('fast')
    const { code, stderr } = await twice.finished
    expect(code).toBe(1)
    expect(stderr).toMatch(/Try 2 to go on/)
    expect(stderr).not.toMatch(/Try 3 to go on/)
    expect(stderr).toMatch(/\[(connect_failed|server_not_ready)\]/)
    await server.start()
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
  })

  test('ends with a signal while its server is away', async () => {
    await using s = await openShop(server)
    await using running = start([...s.follow, ...files()])
    await running.says('following')
    await server.stop('fast')
    await running.says(goesOn)
    await endsSoon(running)
    await server.start()
    await s.insert(1, 3)
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    expect(await written()).toEqual([1, 2, 3])
  })

  test('waits with --wait for a server that starts later, also with --stop now, and fails without', async () => {
    await using s = await openShop(server)
    await s.insert(1, 3)
    await server.stop('fast')
    expect(await run([...s.follow, ...files()])).toMatchObject({ code: 1 })
    await using stopped = start([...s.follow, ...files(), '--wait'])
    await stopped.says(goesOn)
    await endsSoon(stopped)
    await using following = start([...s.follow, ...files(), '--wait', ...soon])
    await following.says(goesOn)
    await server.start()
    await waitUntil('its rows', async () => (await written()).length === 3)
    await endsSoon(following)
    await server.stop('fast')
    await using toNow = start([...s.follow, ...files(), '--wait', '--stop', 'now', ...soon])
    await toNow.says('is waited for')
    await server.start()
    expect(await toNow.finished).toMatchObject({ code: 0 })
    expect(await written()).toEqual([1, 2, 3])
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'takes over with --wait from a run that gets %s under load: each row is in the output of the two once',
    async (name) => {
      await using s = await openShop(server)
      await using first = start([...s.follow, ...files()])
      await first.says('following')
      const writing = writer(s)
      await using second = start([...s.follow, ...files(), '--wait'])
      await second.says('waiting for its end')
      await more()
      first.signal(name)
      const { code } = await first.finished
      expect(code).toBe(name === 'SIGTERM' ? 0 : null)
      await second.says('following')
      await more()
      const last = await writing.stop()
      await waitUntil('the last row', async () => (await written()).at(-1) === last)
      const { stderr } = await endsSoon(second)
      expect(await written()).toEqual(upTo(last))
      expect(stderr).toContain(`process ${first.child.pid} on `)
      expect(stderr.split('waiting for its end')).toHaveLength(2)
    },
  )

  test('without --wait says that the checkpoint is another run’s, and with it ends with a signal', async () => {
    await using s = await openShop(server)
    await using first = start([...s.follow, ...files()])
    await first.says('following')
    const refused = await run([...s.follow, ...files()])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[checkpoint_locked]') })
    await using second = start([...s.follow, ...files(), '--wait'])
    await second.says('waiting for its end')
    await endsSoon(second)
    await s.insert(1, 1)
    await waitUntil('the first to go on', async () => (await written()).length === 1)
    await endsSoon(first)
  })

  test('waits with --wait for another run over its slot, and ends with a signal', async () => {
    await using s = await openShop(server)
    await using first = start([...s.follow, ...files()])
    await first.says('following')
    await using second = start([...s.follow, '--start', 'slot', '--wait'])
    await second.says(`slot ${s.slot} is another run's`)
    await endsSoon(second)
    await using third = start([...s.follow, '--start', 'slot', '--wait'])
    await third.says(`slot ${s.slot} is another run's`)
    await endsSoon(first)
    await third.says('following')
    await s.insert(1, 1)
    await third.prints('the row', (line) => line.kind === 'insert')
    await endsSoon(third)
  })
})
