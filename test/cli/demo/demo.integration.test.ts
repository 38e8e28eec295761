import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { waitUntil } from '../../server/index.ts'
import { queryOnce } from '../../server/sql.ts'
import { commandPath, type Running, run, start } from '../command.ts'

// each boots a server without the tests' cache, and makes its shop
vi.setConfig({ testTimeout: 120_000 })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-demo-test-'))
  // as root the server runs as somebody else
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true }))

const plain = () => ({ TMPDIR: folder, FORCE_COLOR: undefined, NO_COLOR: undefined })

/** Where the shop is, once it says so. */
async function uriOf(running: Running): Promise<string> {
  return await waitUntil('the shop to open', () => /psql (postgres:\S+)/.exec(running.stdout)?.[1], 60_000)
}

/** Processes whose command line names the demo's folder. */
async function processes(): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(folder))
}

async function nothingIsLeft(uri: string): Promise<void> {
  await waitUntil('the folder to go', async () => (await readdir(folder)).length === 0)
  await waitUntil('the processes to end', async () => (await processes()).length === 0)
  await expect(queryOnce(uri, 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
}

test('npm start -- --duration ends by itself', async () => {
  const script = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url))
  const { code, stdout, stderr } = await run(['--duration', '1s', '--rate', '20'], { script, env: plain() })
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).not.toContain('\u001b')
  expect(stdout).toMatch(/^Ended after 1.0 s.\n {2}copied {4}/m)
  expect(await readdir(folder)).toEqual([])
  expect(await processes()).toEqual([])
})

/** What is seen of a shop sooner or later. */
const sights = [
  /^copied {3}order_items {2}7\d,\d{3} rows in .*\/s$/m,
  /^copied {3}6 tables, 118,\d{3} rows in /m,
  /^┌ \d\d:\d\d:\d\d\.\d{3} {2}begin \d+$/m,
  /^│ insert {3}order_items {2}number: \d+ {2}line: 1 {2}sku: SKU-\d{4} {2}quantity: \d+ {2}price: [\d.]+$/m,
  /^│ update {3}stock {8}sku: SKU-\d{4} {2}quantity: \d+ → \d+$/m,
  /^│ update {3}orders {7}number: \d+ {2}status: new → paid {2}payment: null → [\da-f-]{36}$/m,
  /^│ update {3}products .* description: \(unchanged\)$/m,
  /^│ update {3}products .* description: '.*…' \([\d,]+ characters\)/m,
  /^│ delete {3}order_items {2}number: \d+ {2}line: 1$/m,
  /^│ truncate carts$/m,
  /^│ message {2}till: 'orders open: \d+'$/m,
  /^│ schema {3}customers {4}\+ birthday date$/m,
  /^└ commit {3}[\dA-F]+\/[\dA-F]+ {2}\d+ changes?, [\d.]+ m?s ago$/m,
]

test('everything is seen; others follow it as it says; Ctrl-C ends it within a second, with a summary', async () => {
  await using running = start(['demo', '--rate', '40', '--seed', '2'], { env: { ...plain(), FORCE_COLOR: '1' } })
  const uri = await uriOf(running)
  for (const sight of sights) {
    await waitUntil(String(sight), () => sight.test(stripVTControlCharacters(running.stdout)), 60_000)
  }
  expect(running.stdout).toContain('\u001b[32minsert\u001b[0m')
  const [, options = ''] = / follow postgres:\S+ (.*)$/m.exec(running.stdout) ?? []
  expect(options).toContain('--create-publication')
  const other = await run(['follow', uri, ...options.split(' '), '--snapshot', 'only'], { env: plain() })
  expect(other).toMatchObject({ code: 0, stderr: '' })
  expect(other.stdout).toMatch(/^copied {3}orders {7}30,\d{3} rows in /m)

  const pressed = performance.now()
  running.signal('SIGINT')
  // npm hands it on once more
  running.signal('SIGINT')
  const { code, stdout, stderr } = await running.finished
  expect(performance.now() - pressed).toBeLessThan(3000)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = stripVTControlCharacters(stdout)
  expect(lines).toMatch(/^Ended by SIGINT\.\n {2}copied {4}.*\n {2}followed {2}.*\n {2}position {2}.*\n {2}lag {7}/m)
  const shown = (kind: string) => lines.match(new RegExp(`^│ ${kind} `, 'gm'))?.length
  const [, inserts, updates, deletes] =
    /^ {2}followed {2}\d+ transactions: (\d+) inserts, (\d+) updates, (\d+) deletes?, /m.exec(lines) ?? []
  expect([inserts, updates, deletes].map(Number)).toEqual(['insert', 'update', 'delete'].map(shown))
  await nothingIsLeft(uri)
})

test('a port that is taken is said to be; killed, the demo leaves nothing', async () => {
  await using running = start(['demo', '--rate', '0'], { env: plain() })
  const uri = await uriOf(running)
  const second = await run(['demo', '--port', new URL(uri).port], { env: plain() })
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('error: the server of the demo was not started [server_failed]')
  expect(second.stderr).toContain('give another --port')
  running.signal('SIGKILL')
  await running.finished
  await nothingIsLeft(uri)
})

test('interrupted or killed before the shop is open, it leaves nothing', async () => {
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    await using running = start(['demo'], { env: plain() })
    await waitUntil('initdb to work', async () => (await readdir(folder)).length > 0)
    running.signal(signal)
    expect((await running.finished).code).toBe(signal === 'SIGINT' ? 0 : null)
    await waitUntil('the folder to go', async () => (await readdir(folder)).length === 0)
    await waitUntil('the processes to end', async () => (await processes()).length === 0)
  }
})

test('it ends by itself when whoever started it is gone: npm, killed, would leave it behind', async () => {
  const starter = `require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' })`
  await using running = start([starter, commandPath, 'demo', '--rate', '0'], { script: '-e', env: plain() })
  const uri = await uriOf(running)
  running.signal('SIGKILL')
  // when the demo, too, has let go of stdout
  const { stdout } = await running.finished
  expect(stdout).toContain('\nEnded by the end of the process that started it.\n  copied    ')
  await nothingIsLeft(uri)
})
