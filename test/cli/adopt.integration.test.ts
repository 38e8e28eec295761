import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { adoptPosition } from '../../src/index.ts'
import { bootServer, outerVersions } from '../server/index.ts'
import { jsonLines, run } from './command.ts'
import { openShop, type Shop } from './shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-adopt-'))
})
afterEach(() => rm(folder, { recursive: true }))

const files = () => ({ checkpoint: join(folder, 'cp'), output: join(folder, 'out') })
const stored = async () => JSON.parse(await readFile(files().checkpoint, 'utf8'))
const inserted = async () =>
  jsonLines(await readFile(files().output, 'utf8')).flatMap(({ kind, new: row }) =>
    kind === 'insert' ? [row?.id] : [],
  )

/** Follows a shop, at this URL, into the files, up to now. */
function followed({ follow: [command = '', , ...options] }: Shop, url: string) {
  const { checkpoint, output } = files()
  return run([command, url, ...options, '--checkpoint', checkpoint, '--output', output, '--stop', 'now'])
}

function adopted({ slot }: Shop, url: string, ...more: string[]) {
  return run(['adopt', url, '--slot', slot, '--checkpoint', files().checkpoint, ...more])
}

async function execute(url: string, ...statements: string[]): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  for (const statement of statements) await sql.unsafe(statement)
  await sql.end({ timeout: 1 })
}

describe.each(outerVersions())('walwire adopt, on PostgreSQL %i,', (version) => {
  test('after a dump was restored into a new system, goes on there where the slot stands, once somebody says so', async () => {
    await using server = await bootServer({ version })
    // servers of one superuser begin as copies of one data folder, and so as one system
    await using other = await bootServer({ version, superuser: 'mover' })
    await using shop = await openShop(server)
    await shop.insert(1, 2)
    expect(await followed(shop, shop.url)).toMatchObject({ code: 0 })
    await shop.insert(3, 3)
    expect(await followed(shop, shop.url)).toMatchObject({ code: 0 })
    const before = await stored()

    const name = new URL(shop.url).pathname.slice(1)
    await execute(other.uri('postgres'), `CREATE DATABASE ${name}`)
    const url = other.uri(name)
    await execute(
      url,
      'CREATE TABLE orders (id int PRIMARY KEY, note text)',
      'CREATE PUBLICATION shop FOR TABLE orders',
    )
    for (const { id, note } of await shop.sql`SELECT * FROM orders`) {
      await execute(url, `INSERT INTO orders VALUES (${id}, '${note}')`)
    }
    expect(await followed(shop, url)).toMatchObject({ code: 3 })
    const without = await adopted(shop, url, '--yes')
    expect(without).toMatchObject({ code: 3 })
    expect(without.stderr).toContain('there is no such slot')
    await execute(url, `SELECT pg_create_logical_replication_slot('${shop.slot}', 'pgoutput')`)
    await execute(url, "INSERT INTO orders VALUES (4, 'order 4')")

    const looked = await adopted(shop, url)
    expect(looked).toMatchObject({ code: 2 })
    expect(looked.stderr).toContain('nothing was written')
    expect(await stored()).toEqual(before)
    const done = await adopted(shop, url, '--yes')
    expect(done).toMatchObject({ code: 0 })
    for (const said of [before.position.systemId, name, shop.slot, 'What cannot be known', 'LSNs of two systems']) {
      expect(done.stdout).toContain(said)
    }
    const after = await stored()
    expect(after.position).toMatchObject({ phase: 'stream', slot: shop.slot, copied: before.position.copied })
    expect(after.position.systemId).not.toBe(before.position.systemId)
    expect(after.output).toEqual(before.output)
    const kept = (await readdir(folder)).filter((file) =>
      file.startsWith(`cp.of-system-${before.position.systemId}-at-`),
    )
    expect(kept).toHaveLength(1)
    expect(JSON.parse(await readFile(join(folder, kept[0] ?? ''), 'utf8'))).toEqual(before)
    expect(await followed(shop, url)).toMatchObject({ code: 0 })
    expect(await inserted()).toEqual([3, 4])
  }, 60_000)

  test('after a backup was restored, goes back to where its slot stands, and says that nobody knows the rest', async () => {
    await using server = await bootServer({ version })
    await using shop = await openShop(server)
    expect(await followed(shop, shop.url)).toMatchObject({ code: 0 })
    const backup = `${server.dataDir}.backup`
    await server.stop('fast')
    await promisify(execFile)('cp', ['-a', server.dataDir, backup])
    await server.start()
    await shop.insert(1, 2)
    expect(await followed(shop, shop.url)).toMatchObject({ code: 0 })
    const before = await stored()
    await server.stop('immediate')
    await rm(server.dataDir, { recursive: true })
    await promisify(execFile)('mv', [backup, server.dataDir])
    await server.start()

    const refused = await followed(shop, shop.url)
    expect(refused).toMatchObject({ code: 3 })
    const { position, unknown } = await adoptPosition(before.position, shop.url)
    expect(unknown.join()).toContain(`to ${before.position.lsn} is part of this server's history`)
    expect(position).toMatchObject({ systemId: before.position.systemId, members: before.position.members })
    expect(await adopted(shop, shop.url, '--yes')).toMatchObject({ code: 0 })
    expect((await stored()).position).toEqual(position)
    await shop.insert(5, 5)
    expect(await followed(shop, shop.url)).toMatchObject({ code: 0 })
    expect(await inserted()).toEqual([1, 2, 5])
  }, 60_000)

  test('refuses what is wrong with its arguments, and a checkpoint that is not there', async () => {
    for (const argv of [[], ['--slot', 's'], ['--slot', 's', '--checkpoint', join(folder, 'none')]]) {
      expect(await run(['adopt', ...argv, '--url', 'postgres://127.0.0.1:1/x'])).toMatchObject({ code: 2 })
    }
    expect(await run(['adopt', '--help'])).toMatchObject({ code: 0 })
  })
})
