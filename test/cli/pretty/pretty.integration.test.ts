import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { outerVersions, sharedServer } from '../../server/index.ts'
import { run } from '../command.ts'
import { openShop } from '../shop.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-pretty-'))
})
afterEach(() => rm(folder, { recursive: true }))

const plain = { FORCE_COLOR: undefined, NO_COLOR: undefined, TZ: 'UTC' }

describe.each(outerVersions())('walwire follow --format pretty, PostgreSQL %i', (version) => {
  test('in a pipe: the copy, brackets, values that cannot do anything, and no colour', async () => {
    await using s = await openShop(await sharedServer(version))
    await s.insert(1, 3)
    const follow = [...s.follow, '--format', 'pretty', '--stop', 'now']
    const copied = await run(follow, { env: plain })
    expect(copied).toMatchObject({ code: 0, stderr: '' })
    expect(copied.stdout).toMatch(
      /^copied {3}orders {2}3 rows in \d+ m?s.*\ncopied {3}1 table, 3 rows in \d+ m?s; from here on .*\n$/,
    )

    await s.sql`ALTER TABLE orders REPLICA IDENTITY FULL`
    await s.sql`UPDATE orders SET note = ${'a\u001b[2J\nb'} WHERE id = 2`
    await s.sql`DELETE FROM orders WHERE id = 3`
    const { code, stdout, stderr } = await run([...follow, '--start', 'slot'], { env: plain })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.replace(/\d\d:\d\d:\d\d\.\d{3}|[\d.]+ m?s ago|[\dA-F]+\/[\dA-F]+|(?<=begin )\d+/g, '…')).toBe(
      [
        '┌ …  begin …',
        "│ update   orders  id: 2  note: 'order 2' → 'a\\u001b[2J\\nb'",
        '└ commit   …  1 change, …',
        '┌ …  begin …',
        "│ delete   orders  id: 3  note: 'order 3'",
        '└ commit   …  1 change, …',
        '',
      ].join('\n'),
    )
  })

  test('in a file: without colours, unless they are forced', async () => {
    await using s = await openShop(await sharedServer(version))
    const output = join(folder, 'out')
    const follow = [...s.follow, '--format', 'pretty', '--stop', 'now', '--output', output]
    expect(await run(follow, { env: plain })).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(await readFile(output, 'utf8')).not.toContain('\u001b')
    await s.insert(1, 1)
    await run([...follow, '--start', 'slot'], { env: { ...plain, FORCE_COLOR: '1' } })
    expect(await readFile(output, 'utf8')).toContain('\u001b[32minsert\u001b[0m')
  })
})
