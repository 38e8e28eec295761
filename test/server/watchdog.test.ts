import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testVersions, waitUntil } from './index.ts'
import { queryOnce } from './sql.ts'

const version = testVersions()[0]
let temporary: string

// A temporary folder of their own lets these tests say that nothing is left in it.
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'walwire-watchdog-'))
  await chmod(temporary, 0o755)
})
afterAll(() => rm(temporary, { recursive: true, force: true }))

type Parent = ChildProcessByStdio<null, Readable, null>

function startParent(): Parent {
  const script = fileURLToPath(new URL('dying-parent.mjs', import.meta.url))
  return spawn(process.execPath, [script, String(version)], {
    env: { ...process.env, TMPDIR: temporary, WALWIRE_TEST_SERVER: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // The leader of a process group, as a shell makes of the command at a terminal.
    detached: true,
  })
}

async function runFolders(): Promise<string[]> {
  const [cache] = await readdir(temporary)
  if (cache === undefined) return []
  const names = await readdir(join(temporary, cache))
  return names.filter((name) => name.startsWith('run-')).map((name) => join(temporary, cache, name))
}

/** The server's pid, once the process that will be the server has left it. */
async function serverPid(): Promise<number> {
  return await waitUntil('a server to be started', async () => {
    for (const folder of await runFolders()) {
      const pid = Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => ''))
      if (pid > 0) return pid
    }
    return undefined
  })
}

async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  // An orphan stays a zombie until init reaps it, which in a container may be late or never.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !stat.includes(') Z ')
}

async function nothingIsLeft(pid: number): Promise<void> {
  await waitUntil('the server to end', async () => !(await runs(pid)))
  await waitUntil('its folder to be removed', async () => (await runFolders()).length === 0)
}

test('a server outlives Ctrl-C at the terminal and dies with its parent, even on SIGKILL', async () => {
  const parent = startParent()
  const lines = createInterface(parent.stdout)[Symbol.asyncIterator]()
  const uri: string = (await lines.next()).value
  const pid = await serverPid()

  process.kill(-(parent.pid ?? Number.NaN), 'SIGINT')
  expect((await lines.next()).value).toBe('interrupted')
  expect(await queryOnce(uri, 'SELECT 1')).toBe('1')

  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await nothingIsLeft(pid)
  await expect(queryOnce(uri, 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
})

test('a parent killed while its server starts leaves nothing', async () => {
  const parent = startParent()
  const pid = await serverPid()
  parent.kill('SIGKILL')
  await nothingIsLeft(pid)
})

test('a parent killed while the data is copied leaves nothing', async () => {
  const parent = startParent()
  await waitUntil('the folder of a server', async () => (await runFolders()).length > 0)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await waitUntil('the folder to be removed', async () => (await runFolders()).length === 0)
})
