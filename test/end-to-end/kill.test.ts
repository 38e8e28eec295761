import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { run, start } from '../cli/command.ts'
import { bootServer, outerVersions } from '../server/index.ts'
import { furnish, openBusyShop, publishedTables } from './busy-shop.ts'
import { Chance, seedFrom } from './random.ts'
import { Replica } from './replica.ts'
import { sourceRows } from './source-rows.ts'

/** Least time of killing: `WALWIRE_KILL_SECONDS=600` for a long run, `WALWIRE_KILL_SEED=…` to do again what a run did. */
const seconds = Number(process.env.WALWIRE_KILL_SECONDS ?? 6)
/** How often it is killed at least: inside the snapshot, and after it. */
const least = { snapshot: 3, stream: 5 }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-kill-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  test('killed again and again while sessions write, in the snapshot too: the rebuilt tables equal the source', {
    timeout: 300_000 + seconds * 4000,
  }, async () => {
    const seed = seedFrom(process.env.WALWIRE_KILL_SEED)
    console.log(`seed of this run: WALWIRE_KILL_SEED=${seed}`)
    const chance = new Chance(seed)
    await using server = await bootServer({ version })
    const url = await server.createDatabase()
    await furnish(url, 20_000)
    const [checkpoint, output] = [join(folder, 'checkpoint'), join(folder, 'output')]
    const files = ['--checkpoint', checkpoint, '--output', output]
    const command = ['follow', url, '--publication', 'shop', '--slot', 'kill', '--values', 'text', ...files]

    const written = () => (existsSync(output) ? statSync(output).size : 0)
    const phase = async (): Promise<string> =>
      existsSync(checkpoint) ? JSON.parse(await readFile(checkpoint, 'utf8')).position.phase : 'new'
    /** What is waited for before the kill: each is another place in the code where it may strike. */
    const moments: readonly [string, (pid: number) => () => boolean][] = [
      [
        'the checkpoint is locked',
        (pid) => () =>
          existsSync(`${checkpoint}.lock`) && readFileSync(`${checkpoint}.lock`, 'utf8').includes(`:${pid},`),
      ],
      ['a checkpoint is being written', () => () => existsSync(`${checkpoint}.tmp`)],
      [
        'some checkpoints were written',
        () => {
          let last = 0
          let left = chance.between(2, 5)
          return () => {
            const now = existsSync(checkpoint) ? statSync(checkpoint).mtimeMs : 0
            if (now !== last) left--
            last = now
            return left === 0
          }
        },
      ],
      [
        'something was written',
        () => {
          const before = written()
          const more = chance.between(1, 400_000)
          return () => Math.abs(written() - before) >= more
        },
      ],
    ]

    const killed = { before: 0, snapshot: 0, stream: 0 }
    /** Starts it and kills it when the moment has come, or when it has caught up so that the moment does not. */
    const kill = async (
      what: string,
      hasCome: (pid: number) => () => boolean | Promise<boolean>,
      patienceMs: number = 4000,
    ) => {
      await using running = start(command)
      let over = false
      void running.finished.then(() => {
        over = true
      })
      const isNow = hasCome(running.child.pid ?? 0)
      const deadline = performance.now() + patienceMs
      while (!over && !(await isNow()) && performance.now() < deadline) await delay(1)
      const byItself = over
      running.child.kill('SIGKILL')
      const { stderr } = await running.finished
      // truncated once too often while it was copied: that is said, and the same command begins again
      if (byItself && !stderr.includes('[snapshot_unstable]')) throw new Error(`it ended before ${what}:\n${stderr}`)
      const isStream = (await phase()) === 'stream'
      const where = isStream ? 'stream' : stderr.includes('snapshot of a table begins') ? 'snapshot' : 'before'
      killed[where]++
    }

    const begun = performance.now()
    const shop = openBusyShop(url, chance.fork())
    while (
      killed.snapshot < least.snapshot ||
      killed.stream < least.stream ||
      performance.now() - begun < seconds * 1000
    ) {
      const letGo = killed.snapshot >= least.snapshot && killed.stream === 0
      shop.mayTruncate = !letGo
      // killed any earlier, on a busy machine it would begin again and again
      if (letGo) await kill('the snapshot is over', () => async () => (await phase()) === 'stream', 60_000)
      else await kill(...(moments[chance.between(0, moments.length - 1)] ?? moments[0]!))
      expect(shop.committed).toBeGreaterThan(0)
    }
    await shop.stop()
    const last = await run([...command, '--stop', 'now'])
    expect(last, last.stderr).toMatchObject({ code: 0 })

    const replica = await Replica.of(output)
    console.log(`killed ${JSON.stringify(killed)}, ${shop.committed} commits, lines ${JSON.stringify(replica.kinds)}`)
    for (const table of publishedTables) {
      const [rebuilt, source] = [replica.rows(table), await sourceRows(url, table)]
      expect(rebuilt.length, table).toBe(source.length)
      // a difference of megabytes is not to be printed
      const differing = source.findIndex((row, index) => row !== rebuilt[index])
      expect(
        differing === -1 ? '' : `${rebuilt[differing]?.slice(0, 500)} is ${source[differing]?.slice(0, 500)}`,
      ).toBe('')
    }
    expect(killed.stream).toBeGreaterThanOrEqual(least.stream)
    for (const kind of ['insert', 'update', 'delete', 'truncate', 'message'])
      expect(replica.kinds[kind], kind).toBeGreaterThan(0)
  })
})
