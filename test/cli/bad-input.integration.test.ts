import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, sharedServer } from '../server/index.ts'
import { type Finished, run, start } from './command.ts'
import { openShop, type Shop } from './shop.ts'

let folder: string
let checkpoint: string
let output: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-bad-input-'))
  checkpoint = join(folder, 'cp')
  output = join(folder, 'out')
})
afterEach(() => rm(folder, { recursive: true }))

/** Everything that a refused run must leave as it was. */
async function everything(shop: Shop | undefined) {
  const files: Record<string, string> = {}
  for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name), 'utf8')
  return { files, slots: await shop?.slots(), publications: await shop?.publications() }
}

/** Runs what must be refused: the exit code, three lines with the error's name, no data, and nothing lost or made. */
async function refused(code: number, name: string, argv: readonly string[], shop?: Shop): Promise<Finished> {
  const before = await everything(shop)
  const finished = await run([...argv, '--log-level', 'error'])
  expect(finished).toMatchObject({ code, stdout: '' })
  const lines = finished.stderr.split('\n')
  expect(lines, finished.stderr).toHaveLength(4)
  expect(lines[0]).toMatch(new RegExp(`^error: .+ \\[${name}\\]$`))
  expect(lines[1]).toMatch(/^why: {3}.+/)
  expect(lines[2]).toMatch(/^hint: {2}.+/)
  expect(finished.stderr).not.toMatch(/^\s+at /m)
  // in the command's words, not in the library's
  expect(finished.stderr).not.toMatch(/\w+: '|follow\(\)|TimeoutMs|the position that was stored|without a position/)
  expect(await everything(shop)).toEqual(before)
  return finished
}

describe('without a server', () => {
  const followed = ['--publication', 'shop', '--slot', 's']

  test.each([
    ['what is no URI', 'nonsense'],
    ['a URI of another kind', 'mysql://root@localhost/shop'],
    ['a port that is none', 'postgres://localhost:99999/shop'],
    ['an sslmode that there is not', 'postgres://localhost/shop?sslmode=maybe'],
    ['a parameter that there is not', 'postgres://localhost/shop?speed=high'],
  ])('%s is wrong usage', async (_, url) => {
    await refused(2, 'bad_connection', ['follow', url, ...followed])
  })

  test('a keyword that libpq has and walwire has not is wrong usage, and not ignored', async () => {
    await refused(2, 'unsupported_option', ['follow', 'postgres://localhost/shop?service=shop', ...followed])
  })

  test('a password in the URI is in no error', async () => {
    const { stderr } = await run(['follow', 'postgres://u:s3cret@localhost:99999/shop', ...followed])
    expect(stderr).not.toContain('s3cret')
  })

  test('nobody answers', async () => {
    const free = createServer()
    await new Promise<void>((done) => free.listen(0, '127.0.0.1', done))
    const address = free.address()
    const port = typeof address === 'object' ? address?.port : 0
    await new Promise((done) => free.close(done))
    await refused(1, 'connect_failed', ['follow', `postgres://127.0.0.1:${port}/shop`, ...followed])
  })

  test('somebody answers who is not Postgres', async () => {
    const web = createServer((socket) => {
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done))
    const address = web.address()
    const port = typeof address === 'object' ? address?.port : 0
    await refused(1, 'not_postgres', ['follow', `postgres://127.0.0.1:${port}/shop`, ...followed])
    web.close()
  })

  test.each([
    ['no command', []],
    ['a command that there is not', ['folow']],
    ['an option that there is not', ['follow', '--sloot', 's']],
    ['a contradiction', ['follow', ...followed, '--temporary', '--checkpoint', 'cp']],
    ['a format that there is not', ['follow', ...followed, '--format', 'xml']],
    ['an LSN that is none', ['follow', ...followed, '--start', 'yesterday']],
  ])('%s', async (_, argv) => {
    const { code, stdout, stderr } = await run(argv)
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 3 })
    expect(stderr).toContain('[usage]')
  })

  test('a slot name that cannot be one', async () => {
    await refused(2, 'bad_option', ['follow', 'postgres://localhost/shop', '--publication', 'shop', '--slot', 'Shop!'])
  })

  test('--log json without pino says how to install it', async () => {
    const hook = `export async function resolve(name, context, next) {
      if (name === 'pino') throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(name, context)
    }`
    await writeFile(join(folder, 'hook.mjs'), hook)
    const register = join(folder, 'register.mjs')
    await writeFile(register, `import { register } from 'node:module'; register('./hook.mjs', import.meta.url)`)
    const NODE_OPTIONS = `--import=${register}`
    const { code, stderr } = await run(['follow', ...followed, '--log', 'json'], { env: { NODE_OPTIONS } })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^hint: {2}npm install pino$/m)
  })
})

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  const shop = async () => await openShop(await sharedServer(version))
  const files = () => ['--checkpoint', checkpoint, '--output', output]
  /** A checkpoint as a run leaves it, with one row copied. */
  const checkpointed = async (s: Shop): Promise<Record<string, object>> => {
    await s.insert(1, 1)
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    return JSON.parse(await readFile(checkpoint, 'utf8'))
  }

  test('a database, a user and a password that are wrong', async () => {
    await using s = await shop()
    const at = (change: (url: URL) => void) => {
      const url = new URL(s.url)
      change(url)
      return ['follow', url.href, '--publication', 'shop', '--slot', s.slot]
    }
    await refused(
      1,
      'database_missing',
      at((url) => (url.pathname = '/no_such_database')),
      s,
    )
    await refused(
      1,
      'auth_failed',
      at((url) => (url.username = 'no_such_user')),
      s,
    )
    await refused(
      1,
      'auth_failed',
      at((url) => (url.password = 'wrong')),
      s,
    )
  })

  test('a publication that there is not', async () => {
    await using s = await shop()
    const other = ['follow', s.url, '--publication', 'no_such', '--slot', s.slot]
    await refused(1, 'publication_missing', other, s)
    await refused(1, 'publication_missing', [...s.follow, '--publication', 'no_such'], s)
    await refused(1, 'publication_missing', [...other, ...files()], s)
  })

  test('a publication to be made of a table that there is not', async () => {
    await using s = await shop()
    const made = ['follow', s.url, '--publication', 'p', '--slot', s.slot, '--create-publication', 'no_such_table']
    const { stderr } = await refused(1, 'server_error', made, s)
    expect(stderr).toContain('publication p could not be made')
    expect(stderr).toContain('no_such_table')
    expect(stderr).toContain('check the tables of --create-publication')
  })

  test('a slot that exists, and no position', async () => {
    await using s = await shop()
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'pgoutput')`
    const { stderr } = await refused(3, 'slot_exists', s.follow, s)
    expect(stderr).toContain('--start slot')
    await refused(3, 'slot_exists', [...s.follow, ...files()], s)
  })

  test('a slot that there is not', async () => {
    await using s = await shop()
    await refused(3, 'slot_lost', [...s.follow, '--start', 'slot'], s)
    await refused(3, 'slot_lost', [...s.follow, '--start', '0/1', ...files()], s)
  })

  test('a physical slot, and slots of another plugin and database', async () => {
    await using s = await shop()
    await using other = await shop()
    const physical = `${s.slot}_p`
    await s.sql`SELECT pg_create_physical_replication_slot(${physical})`
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'test_decoding')`
    await other.sql`SELECT pg_create_logical_replication_slot(${other.slot}, 'pgoutput')`
    const at = (slot: string) => ['follow', s.url, '--publication', 'shop', '--start', 'slot', '--slot', slot]
    await refused(3, 'slot_physical', at(physical), s)
    await refused(3, 'slot_plugin', at(s.slot), s)
    await refused(3, 'slot_database', at(other.slot), s)
    await s.sql`SELECT pg_drop_replication_slot(${physical})`
  })

  test('an LSN that the slot is past, and one that the server has not reached', async () => {
    await using s = await shop()
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'pgoutput')`
    await refused(3, 'gap', [...s.follow, '--start', '0/1'], s)
    await refused(3, 'position_ahead', [...s.follow, '--start', 'FFFF/0'], s)
  })

  test('a checkpoint that is none', async () => {
    await using s = await shop()
    for (const content of [
      '',
      '{"version":1',
      '[]',
      '{}',
      '{"version":2}',
      '{"version":1,"start":null,"position":{}}',
    ]) {
      await writeFile(checkpoint, content)
      await refused(3, 'checkpoint_malformed', [...s.follow, ...files()], s)
    }
  })

  test('a checkpoint of another system, database, slot or publication set', async () => {
    await using s = await shop()
    await using other = await shop()
    const content = await checkpointed(s)
    const { position } = content
    await s.insert(2, 2)
    await refused(3, 'checkpoint_publications', [...s.follow, '--publication', 'more', ...files()], s)
    await refused(3, 'other_database', ['follow', other.url, ...s.follow.slice(2), ...files()], s)
    await refused(3, 'other_slot', [...s.follow.slice(0, -1), 'another', ...files()], s)
    await writeFile(checkpoint, JSON.stringify({ ...content, position: { ...position, systemId: '1' } }))
    await refused(3, 'other_system', [...s.follow, ...files()], s)
    // and after all that, nothing is lost
    await writeFile(checkpoint, JSON.stringify(content))
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    expect(await readFile(output, 'utf8')).toContain('"order 2"')
  })

  test('a checkpoint whose slot was dropped, made again, or moved on', async () => {
    await using s = await shop()
    const content = await checkpointed(s)
    await s.insert(2, 2)
    await s.sql`SELECT pg_replication_slot_advance(${s.slot}, pg_current_wal_lsn())`
    await refused(3, 'gap', [...s.follow, ...files()], s)
    await s.sql`SELECT pg_drop_replication_slot(${s.slot})`
    await refused(3, 'slot_lost', [...s.follow, ...files()], s)
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'pgoutput')`
    await refused(3, 'slot_recreated|gap', [...s.follow, ...files()], s)
    expect(JSON.parse(await readFile(checkpoint, 'utf8'))).toEqual(content)
  })

  test('an output that is another, shorter, gone, or without its checkpoint', async () => {
    await using s = await shop()
    await checkpointed(s)
    await refused(3, 'checkpoint_output', [...s.follow, '--checkpoint', checkpoint, '--output', `${output}2`], s)
    await refused(3, 'checkpoint_output', [...s.follow, '--checkpoint', checkpoint], s)
    const lines = await readFile(output, 'utf8')
    await writeFile(output, lines.slice(0, -1))
    await refused(3, 'output_shorter', [...s.follow, ...files()], s)
    await rm(output)
    await refused(3, 'output_shorter', [...s.follow, ...files()], s)
    await writeFile(output, lines)
    await rm(checkpoint)
    await refused(3, 'output_not_empty', [...s.follow, ...files()], s)
  })

  test('an output and a checkpoint that cannot be written', async () => {
    await using s = await shop()
    const nowhere = join(folder, 'none', 'x')
    await refused(1, 'output_failed', [...s.follow, '--output', nowhere], s)
    await refused(1, 'output_failed', [...s.follow, '--output', folder], s)
    await refused(1, 'output_failed', [...s.follow, '--output', nowhere, '--checkpoint', checkpoint], s)
    await refused(1, 'checkpoint_failed', [...s.follow, '--output', output, '--checkpoint', nowhere], s)
    await refused(2, 'bad_option', [...s.follow, '--output', '/dev/null', '--checkpoint', checkpoint], s)
  })

  test.runIf(existsSync('/dev/full'))('a disk that is full: the slot that this run made goes with it', async () => {
    await using s = await shop()
    await s.insert(1, 10_000)
    const { stderr } = await refused(1, 'output_failed', [...s.follow, '--output', '/dev/full'], s)
    expect(stderr).toContain('ENOSPC')
    const full = openSync('/dev/full', 'w')
    const toStdout = await run([...s.follow, '--log-level', 'error'], { stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    expect(toStdout).toMatchObject({ code: 1, stderr: expect.stringContaining('[output_failed]') })
    expect(await s.slots()).toEqual([])
  })

  test('a role that may not replicate, and one that may not read', async () => {
    await using s = await shop()
    const role = `${s.slot}_role`
    await s.sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'p'`)
    const url = new URL(s.url)
    url.username = role
    url.password = 'p'
    const as = ['follow', url.href, '--publication', 'shop', '--slot', s.slot]
    await refused(1, 'not_permitted', as, s)
    await s.sql.unsafe(`ALTER ROLE ${role} REPLICATION`)
    await refused(1, 'not_permitted', as, s)
    await s.sql.unsafe(`DROP ROLE ${role}`)
  })

  test('a server whose wal_level is replica', async () => {
    await using server = await bootServer({ version, settings: { wal_level: 'replica' } })
    await using s = await openShop(server)
    const { stderr } = await refused(1, 'wal_level', s.follow, s)
    expect(stderr).toContain('logical')
  })

  test('a slot that waits for an open transaction gives up, and names who holds it up', async () => {
    await using server = await bootServer({ version })
    await using s = await openShop(server)
    await s.sql.begin(async (tx) => {
      await tx`INSERT INTO orders VALUES (1, 'open')`
      const finished = await run([...s.follow, '--slot-timeout', '1'])
      expect(finished.code).toBe(1)
      expect(finished.stderr).toContain('[slot_creation_timeout]')
      expect(finished.stderr).toMatch(/pid/)
    })
    expect(await s.slots()).toEqual([])
  })

  test('a checkpoint in use', async () => {
    await using s = await shop()
    await using running = start([...s.follow, ...files()])
    await running.says('following')
    const second = await run([...s.follow, ...files()])
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining(`process ${running.child.pid} `) })
    expect(second.stderr).toContain('[checkpoint_locked]')
    running.child.kill('SIGKILL')
    await running.finished
    expect(await run([...s.follow, ...files(), '--stop', 'now'])).toMatchObject({ code: 0 })
    expect(await readdir(folder)).toEqual(['cp', 'out'])
  })
})
