import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseLsn } from '../../src/index.ts'
import { outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { commandPath, jsonLines, run, start } from './command.ts'
import { openShop } from './shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-rotate-'))
})
afterEach(() => rm(folder, { recursive: true }))

const names = async () => (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort()

/** The parts that are there, in the order of their names, with what is in them. */
async function parts(): Promise<Map<string, string>> {
  return new Map(
    await Promise.all((await names()).map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)),
  )
}

/** What of it cannot change any more. */
const complete = (all: ReadonlyMap<string, string>) => new Map([...all].slice(0, -1))

const insertedIds = (all: ReadonlyMap<string, string>) =>
  [...all.values()].flatMap((text) => jsonLines(text).flatMap((line) => (line.kind === 'insert' ? [line.new?.id] : [])))
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  const shop = async () => await openShop(await sharedServer(version))
  const files = () => ['--checkpoint', join(folder, 'cp'), '--output', join(folder, 'shop.jsonl')]

  test('--rotate: killed again and again, each change is once in the parts, which are whole, and a complete one is never touched', async () => {
    await using s = await shop()
    const again = [...s.follow, ...files(), '--rotate', '20kB', '--rotate', '1h']
    // with nothing to copy: all that is written comes as a change
    expect(await run([...again, '--stop', 'now'])).toMatchObject({ code: 0 })
    let written = 0
    let stopped = false
    const writer = (async () => {
      while (!stopped) {
        await s.insert(written + 1, written + 7)
        written += 7
      }
    })()
    try {
      const seen = new Map<string, string>()
      for (let kills = 0; kills < 6; kills++) {
        await using running = start(again)
        const before = (await parts()).size
        const more = 1 + (kills % 3)
        await waitUntil('more parts', async () => (await names()).length > before + more)
        running.signal('SIGKILL')
        expect(await running.finished).toMatchObject({ signal: 'SIGKILL' })
        const now = await parts()
        for (const [name, content] of seen) expect(now.get(name), name).toBe(content)
        for (const [name, content] of complete(now)) seen.set(name, content)
      }
      stopped = true
      await writer
      const last = await run([...again, '--stop', 'now'])
      expect(last, last.stderr).toMatchObject({ code: 0 })
      const all = await parts()
      for (const [name, content] of seen) expect(all.get(name), name).toBe(content)
      expect(insertedIds(all)).toEqual(range(1, written))
      expect([...all.keys()]).toEqual(range(1, all.size).map((n) => `shop.${String(n).padStart(6, '0')}.jsonl`))
      for (const [name, content] of complete(all)) {
        expect(content.length, name).toBeGreaterThanOrEqual(20 * 1024)
        const lines = jsonLines(content)
        expect(content.endsWith('\n'), name).toBe(true)
        expect(lines.filter(({ kind }) => kind === 'begin').length, name).toBe(
          lines.filter(({ kind }) => kind === 'commit').length,
        )
      }
    } finally {
      stopped = true
      await writer
    }
  }, 60_000)

  test('--rotate over a file that was begun without it; and the other way round is refused', async () => {
    await using s = await shop()
    const again = [...s.follow, ...files(), '--stop', 'now']
    await s.insert(1, 3)
    expect(await run(again)).toMatchObject({ code: 0 })
    const before = await readFile(join(folder, 'shop.jsonl'), 'utf8')
    for (const id of [4, 5]) {
      await s.insert(id, id)
      const { code, stderr } = await run([...again, '--rotate', '1B'])
      expect(code, stderr).toBe(0)
      expect(stderr).toContain('a part of the output is complete')
    }
    const all = await parts()
    expect(all.get('shop.jsonl')).toBe(before)
    expect(insertedIds(all)).toEqual([4, 5])
    expect(await run(again)).toMatchObject({ code: 3, stderr: expect.stringContaining('give --rotate as before') })
    expect(await parts()).toEqual(all)
  })

  test.each([
    ['the output', []],
    ['a part of it', ['--rotate', '20kB']],
  ])(
    'no room for %s: said, what was acknowledged is on the disk, and with room it goes on exactly',
    async (_what, rotate) => {
      await using s = await shop()
      const again = [...s.follow, ...files(), ...rotate]
      expect(await run([...again, '--stop', 'now'])).toMatchObject({ code: 0 })
      // in pieces, so that some of it is acknowledged before there is no room
      for (let from = 1; from <= 2000; from += 50) await s.insert(from, from + 49)
      // files of this process may have 16 blocks of a kilobyte
      const line = [process.execPath, commandPath, ...again].map((word) => `'${word}'`).join(' ')
      const limited = await promisify(execFile)('bash', ['-c', `ulimit -f 16; ${line}`]).then(
        () => undefined,
        (error: { code: number; stderr: string }) => error,
      )
      expect(limited).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/\[output_failed\]\nwhy: +EFBIG: file too large/),
      })
      const stored: { position: { lsn: string } } = JSON.parse(await readFile(join(folder, 'cp'), 'utf8'))
      const [slot] = await s.slots()
      expect(parseLsn(slot?.confirmed ?? '')).toBeLessThanOrEqual(parseLsn(stored.position.lsn))
      expect(await run([...again, '--stop', 'now'])).toMatchObject({ code: 0 })
      expect(insertedIds(await parts())).toEqual(range(1, 2000))
    },
  )
})
