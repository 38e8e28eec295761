import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bootServer, outerVersions, sharedServer, waitUntil } from '../server/index.ts'
import { commandPath, type JsonLine, jsonLines, run, start } from './command.ts'
import { openShop } from './shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-follow-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** The ids of the rows in these lines, by what happened to them. */
const ids = (lines: JsonLine[], kind: string) => lines.filter((line) => line.kind === kind).map((line) => line.new?.id)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe.each(outerVersions())('PostgreSQL %i', (version) => {
  const shop = async (options?: { publication?: string }) => await openShop(await sharedServer(version), options)

  test('snapshot, follow, --stop now; then --start slot goes on where it ended', async () => {
    await using s = await shop()
    await s.insert(1, 3)
    const first = await run([...s.follow, '--stop', 'now'])
    expect(first).toMatchObject({ code: 0 })
    const lines = jsonLines(first.stdout)
    expect(ids(lines, 'snapshot')).toEqual([1, 2, 3])
    expect(lines.filter(({ kind }) => kind.startsWith('snapshot-'))).toMatchObject([
      { kind: 'snapshot-begin', schema: 'public', table: 'orders', mode: 'initial' },
      { kind: 'snapshot-end', rows: 3 },
    ])

    await s.insert(4, 5)
    await s.sql`UPDATE orders SET note = 'changed' WHERE id = 1`
    await s.sql`DELETE FROM orders WHERE id = 2`
    const second = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
    expect(second).toMatchObject({ code: 0 })
    const changes = jsonLines(second.stdout).filter(({ seq }) => seq !== undefined)
    expect(changes).toMatchObject([
      { kind: 'insert', seq: 0, new: { id: 4, note: 'order 4' } },
      { kind: 'insert', seq: 1, new: { id: 5 } },
      { kind: 'update', seq: 0, new: { id: 1, note: 'changed' } },
      { kind: 'delete', seq: 0, key: { id: 2 } },
    ])
    const third = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
    expect(third).toMatchObject({ code: 0, stdout: '' })
  })

  test('--checkpoint with --output: the same command again goes on, without a repetition', async () => {
    await using s = await shop()
    const [checkpoint, output] = [join(folder, 'cp'), join(folder, 'out')]
    const again = [...s.follow, '--checkpoint', checkpoint, '--output', output, '--stop', 'now']
    await s.insert(1, 2)
    expect(await run(again)).toMatchObject({ code: 0, stdout: '' })
    for (const id of [3, 4]) {
      await s.insert(id, id)
      expect(await run(again)).toMatchObject({ code: 0 })
    }
    const lines = jsonLines(await readFile(output, 'utf8'))
    expect([...ids(lines, 'snapshot'), ...ids(lines, 'insert')]).toEqual([1, 2, 3, 4])
    const stored = JSON.parse(await readFile(checkpoint, 'utf8'))
    expect(stored).toMatchObject({
      position: { phase: 'stream', slot: s.slot },
      output: { path: output, length: Buffer.byteLength(await readFile(output)) },
    })
    // acknowledged is what was stored, not less and never more
    expect(await s.slots()).toMatchObject([{ confirmed: stored.position.lsn, active: false }])
  })

  test('what a killed run wrote beyond its checkpoint is cut off and comes again', async () => {
    await using s = await shop()
    const [checkpoint, output] = [join(folder, 'cp'), join(folder, 'out')]
    const again = [...s.follow, '--checkpoint', checkpoint, '--output', output, '--stop', 'now']
    expect(await run(again)).toMatchObject({ code: 0 })
    const before = await readFile(output, 'utf8')
    await writeFile(output, `${before}{"kind":"insert","n`)
    expect(await run(again)).toMatchObject({ code: 0 })
    expect(await readFile(output, 'utf8')).toBe(before)
  })

  test('--checkpoint with stdout keeps the position alone', async () => {
    await using s = await shop()
    const again = [...s.follow, '--checkpoint', join(folder, 'cp'), '--stop', 'now']
    await s.insert(1, 1)
    expect(ids(jsonLines((await run(again)).stdout), 'snapshot')).toEqual([1])
    await s.insert(2, 2)
    expect(ids(jsonLines((await run(again)).stdout), 'insert')).toEqual([2])
    expect(await run([...again, '--output', join(folder, 'out')])).toMatchObject({ code: 3 })
  })

  test('--start slot with a checkpoint, the same command again', async () => {
    await using s = await shop()
    await s.sql`SELECT pg_create_logical_replication_slot(${s.slot}, 'pgoutput')`
    const [checkpoint, output] = [join(folder, 'cp'), join(folder, 'out')]
    const again = [...s.follow, '--start', 'slot', '--checkpoint', checkpoint, '--output', output, '--stop', 'now']
    for (const id of [1, 2]) {
      await s.insert(id, id)
      expect(await run(again)).toMatchObject({ code: 0 })
    }
    expect(ids(jsonLines(await readFile(output, 'utf8')), 'insert')).toEqual([1, 2])
    expect(await run([...s.follow, '--start', '0/1', '--checkpoint', checkpoint, '--output', output])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[checkpoint_start]'),
    })
  })

  test('--output alone appends, also after half a line', async () => {
    await using s = await shop()
    const output = join(folder, 'out')
    await writeFile(output, '{"mine":1}\n{"ha')
    await s.insert(1, 1)
    expect(await run([...s.follow, '--output', output, '--stop', 'now'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('inside a line'),
    })
    const [mine, half, ...ours] = (await readFile(output, 'utf8')).split('\n')
    expect([mine, half]).toEqual(['{"mine":1}', '{"ha'])
    expect(ids(jsonLines(ours.join('\n')), 'snapshot')).toEqual([1])
  })

  test('--stop LSN: exactly what committed before it, and from there the rest', async () => {
    await using s = await shop()
    expect(await run([...s.follow, '--stop', 'now'])).toMatchObject({ code: 0 })
    await s.insert(1, 1)
    await s.insert(2, 2)
    await s.insert(3, 3)
    const all = jsonLines((await run([...s.follow, '--start', 'slot', '--stop', 'now', '--log-level', 'error'])).stdout)
    expect(ids(all, 'insert')).toEqual([1, 2, 3])
    const middle = all.find((line) => line.kind === 'insert' && line.new?.id === 2)?.commitLsn ?? ''

    const other = `${s.slot}_b`
    await s.sql`SELECT pg_copy_logical_replication_slot(${s.slot}, ${other})`
    await s.insert(4, 4)
    await s.insert(5, 5)
    const tail = ['follow', s.url, '--publication', 'shop', '--slot', other]
    const four = jsonLines((await run([...tail, '--start', 'slot', '--stop', 'now'])).stdout)
    expect(ids(four, 'insert')).toEqual([4, 5])
    const five = four.find((line) => line.new?.id === 5)?.commitLsn ?? ''
    expect(middle < five || middle.length < five.length).toBe(true)
    const upTo = await run([...s.follow, '--start', 'slot', '--stop', five])
    expect(ids(jsonLines(upTo.stdout), 'insert')).toEqual([4])
    const rest = await run([...s.follow, '--start', five, '--stop', 'now'])
    expect(ids(jsonLines(rest.stdout), 'insert')).toEqual([5])
  })

  test('--stop now after the log was switched, on a server where nothing more happens', async () => {
    await using s = await shop()
    await s.insert(1, 1)
    await s.sql`SELECT pg_switch_wal()`
    expect(await run([...s.follow, '--stop', 'now'])).toMatchObject({ code: 0 })
    await s.insert(2, 2)
    await s.sql`SELECT pg_switch_wal()`
    const second = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
    expect(ids(jsonLines(second.stdout), 'insert')).toEqual([2])
  })

  test('--stop now has what was committed without waiting for the disk', async () => {
    await using s = await shop()
    expect(await run([...s.follow, '--stop', 'now'])).toMatchObject({ code: 0 })
    for (let id = 1; id <= 5; id++) {
      await s.sql.begin(async (tx) => {
        await tx`SET LOCAL synchronous_commit = off`
        await tx`INSERT INTO orders VALUES (${id}, 'lazy')`
      })
      const { stdout } = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
      expect(ids(jsonLines(stdout), 'insert')).toEqual([id])
    }
  })

  test('--stop now does not wait for a transaction that stays open', async () => {
    await using server = await bootServer({ version })
    await using s = await openShop(server)
    expect(await run([...s.follow, '--stop', 'now'])).toMatchObject({ code: 0 })
    await s.insert(1, 1)
    await s.sql.begin(async (tx) => {
      await tx`INSERT INTO orders VALUES (2, 'open')`
      const { code, stdout } = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
      expect(code).toBe(0)
      expect(ids(jsonLines(stdout), 'insert')).toEqual([1])
    })
    const { stdout } = await run([...s.follow, '--start', 'slot', '--stop', 'now'])
    expect(ids(jsonLines(stdout), 'insert')).toEqual([2])
  })

  test('--snapshot only: a copy, and no slot is left', async () => {
    await using s = await shop()
    await s.insert(1, 3)
    const { code, stdout } = await run(['follow', s.url, '--publication', 'shop', '--snapshot', 'only'])
    expect(code).toBe(0)
    expect(ids(jsonLines(stdout), 'snapshot')).toEqual([1, 2, 3])
    expect(await s.slots()).toEqual([])
  })

  test('--snapshot only with a slot and a checkpoint: again, it has nothing to do', async () => {
    await using s = await shop()
    await s.insert(1, 3)
    const output = join(folder, 'out')
    const again = [...s.follow, '--snapshot', 'only', '--checkpoint', join(folder, 'cp'), '--output', output]
    for (let time = 0; time < 2; time++) {
      expect(await run(again)).toMatchObject({ code: 0 })
      expect(ids(jsonLines(await readFile(output, 'utf8')), 'snapshot')).toEqual([1, 2, 3])
    }
    // and following goes on from there
    await s.insert(4, 4)
    const followed = [...s.follow, '--checkpoint', join(folder, 'cp'), '--output', output, '--stop', 'now']
    expect(await run(followed)).toMatchObject({ code: 0 })
    expect(ids(jsonLines(await readFile(output, 'utf8')), 'insert')).toEqual([4])
  })

  test('--snapshot never: what comes after, and nothing that was there', async () => {
    await using s = await shop()
    await s.insert(1, 3)
    await using running = start([...s.follow, '--snapshot', 'never'])
    await running.says('following')
    await s.insert(4, 4)
    await running.prints('the new row', (line) => line.kind === 'insert')
    running.signal('SIGTERM')
    const { code, stdout } = await running.finished
    expect(code).toBe(0)
    expect([...ids(jsonLines(stdout), 'snapshot'), ...ids(jsonLines(stdout), 'insert')]).toEqual([4])
  })

  test('--temporary: the slot ends with the run', async () => {
    await using s = await shop()
    await s.insert(1, 1)
    await using running = start(['follow', s.url, '--publication', 'shop', '--temporary'])
    await running.says('following')
    expect(await s.slots()).toHaveLength(1)
    running.signal('SIGINT')
    expect(await running.finished).toMatchObject({ code: 0 })
    expect(await s.slots()).toEqual([])
  })

  test("--values text: the server's text for every value", async () => {
    await using s = await shop({ publication: '' })
    await s.sql`CREATE TABLE mixed (id int PRIMARY KEY, b bool, f float8, j jsonb, a int[], n numeric(9,3), t timestamptz)`
    await s.sql`CREATE PUBLICATION mixed FOR TABLE mixed`
    await s.sql`INSERT INTO mixed VALUES (1, true, 'NaN', '{"a": 1}', '{1,NULL}', 1.5, '2024-02-29 12:00:00.000001+02')`
    const line = ['follow', s.url, '--publication', 'mixed', '--slot', s.slot, '--stop', 'now']
    const text = jsonLines((await run([...line, '--values', 'text'])).stdout)
    const asText = {
      id: '1',
      b: 't',
      f: 'NaN',
      j: '{"a": 1}',
      a: '{1,NULL}',
      n: '1.500',
      t: '2024-02-29 10:00:00.000001+00',
    }
    expect(text.find(({ kind }) => kind === 'snapshot')?.new).toEqual(asText)
    await s.sql`UPDATE mixed SET b = NULL`
    const more = [...line, '--start', 'slot']
    const changed = jsonLines((await run([...more, '--values', 'text'])).stdout)
    expect(changed.find(({ kind }) => kind === 'update')?.new).toEqual({ ...asText, b: null })
    await s.sql`UPDATE mixed SET b = false`
    const native = jsonLines((await run(more)).stdout)
    const asNative = { ...asText, id: 1, b: false, j: { a: 1 }, a: [1, null] }
    expect(native.find(({ kind }) => kind === 'update')?.new).toEqual(asNative)
  })

  test('--create-publication: names as in psql, and one that exists is used', async () => {
    await using s = await shop({ publication: '' })
    await s.sql`CREATE SCHEMA "My Schema"`
    await s.sql`CREATE TABLE "My Schema"."Order, ""Lines""" (id int PRIMARY KEY)`
    await s.sql`INSERT INTO "My Schema"."Order, ""Lines""" VALUES (7)`
    await s.insert(1, 1)
    const made = ['follow', s.url, '--publication', 'The Shop', '--create-publication']
    const only = ['--snapshot', 'only']
    const first = await run([...made, 'Orders, "My Schema"."Order, ""Lines"""', ...only])
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('publication made') })
    const copied = jsonLines(first.stdout).filter(({ kind }) => kind === 'snapshot')
    expect(copied.map(({ schema, table }) => `${schema}.${table}`).sort()).toEqual([
      'My Schema.Order, "Lines"',
      'public.orders',
    ])
    const second = await run([...made, 'no_such_table', ...only])
    expect(second).toMatchObject({ code: 0, stderr: expect.stringContaining('the publication exists') })
    const all = await run(['follow', s.url, '--publication', 'all', '--create-publication', 'all', ...only])
    expect(jsonLines(all.stdout).filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
    expect(await s.publications()).toEqual(['The Shop', 'all'])
  })

  test('--create-publication names tables whose rows can no longer be changed, and whose rows come under other names', async () => {
    await using s = await shop()
    await s.sql
      .unsafe(
        `CREATE TABLE keyless (a int); CREATE TABLE whole (a int); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9)`,
      )
      .simple()
    const tables = 'orders,keyless,whole,parted'
    const made = ['follow', s.url, '--publication', 'p', '--create-publication', tables, '--snapshot', 'only']
    const { code, stderr } = await run(made)
    expect(code).toBe(0)
    expect(stderr).toContain(
      'UPDATE and DELETE fail from now on in tables that have no replica identity: public.keyless;',
    )
    expect(stderr).toContain('the rows of partitioned tables come under the names of their partitions: public.parted;')
    // it is said by the run that makes it
    expect((await run(made)).stderr).not.toContain('replica identity')
  })

  test("--create-publication finds a table without a schema in the role's search path", async () => {
    await using s = await shop({ publication: '' })
    await s.sql`CREATE SCHEMA sales`
    await s.sql`CREATE TABLE sales.orders (id int PRIMARY KEY)`
    const [row] = await s.sql`SELECT current_database() AS name`
    await s.sql.unsafe(`ALTER DATABASE "${row?.name}" SET search_path = sales, public`)
    const made = ['follow', s.url, '--publication', 'p', '--create-publication', 'orders', '--snapshot', 'only']
    const { stdout } = await run(made)
    expect(jsonLines(stdout)[0]).toMatchObject({ schema: 'sales', table: 'orders' })
  })

  test('a reader that goes away ends it well, and what it did not take is not acknowledged', async () => {
    await using s = await shop()
    await s.insert(1, 200_000)
    const line = [process.execPath, commandPath, ...s.follow].map((word) => `'${word}'`).join(' ')
    const { stdout } = await promisify(execFile)('bash', ['-c', `${line} | head -n 3; echo "\${PIPESTATUS[0]}"`])
    expect(stdout.trim().split('\n')).toHaveLength(4)
    expect(stdout.trim().split('\n').at(-1)).toBe('0')
    expect(await s.slots()).toEqual([])
  })

  test('the server comes from PG* variables', async () => {
    await using s = await shop()
    await s.insert(1, 1)
    const { hostname, port, username, password, pathname } = new URL(s.url)
    const env = {
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: decodeURIComponent(pathname.slice(1)),
    }
    const { code, stdout } = await run(['follow', '--publication', 'shop', '--snapshot', 'only'], { env })
    expect(code).toBe(0)
    expect(ids(jsonLines(stdout), 'snapshot')).toEqual([1])
  })

  test('--log json: stderr is JSON lines, an error too', async () => {
    await using s = await shop()
    const well = await run([...s.follow, '--stop', 'now', '--log', 'json'])
    expect(well.code).toBe(0)
    const logged: Record<string, unknown>[] = well.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(logged.map(({ msg }) => msg)).toContain('following')
    const failed = await run([...s.follow, '--log', 'json'])
    expect(failed.code).toBe(3)
    const last: Record<string, unknown> = JSON.parse(failed.stderr.trim().split('\n').at(-1) ?? '')
    expect(last).toMatchObject({ level: 50, code: 'slot_exists' })
    expect(Object.keys(last)).toEqual(expect.arrayContaining(['why', 'hint', 'msg']))
  })

  test('it keeps up with a writer, and a signal ends it with everything that was in hand written', async () => {
    await using s = await shop()
    const [checkpoint, output] = [join(folder, 'cp'), join(folder, 'out')]
    const again = [...s.follow, '--checkpoint', checkpoint, '--output', output]
    await using running = start(again)
    await running.says('following')
    let written = 0
    const writer = (async () => {
      while (written < 2000) {
        await s.insert(written + 1, written + 10)
        written += 10
      }
    })()
    await waitUntil('some rows to be there', async () => (await readFile(output, 'utf8')).length > 1000)
    running.signal('SIGTERM')
    expect(await running.finished).toMatchObject({ code: 0 })
    const atSignal = ids(jsonLines(await readFile(output, 'utf8')), 'insert')
    expect(atSignal).toEqual(range(1, atSignal.length))
    await writer
    expect(await run([...again, '--stop', 'now'])).toMatchObject({ code: 0 })
    expect(ids(jsonLines(await readFile(output, 'utf8')), 'insert')).toEqual(range(1, 2000))
  })
})
