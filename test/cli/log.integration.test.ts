import { expect, test } from 'vitest'
import { outerVersions, sharedServer } from '../server/index.ts'
import { run } from './command.ts'
import { openShop } from './shop.ts'

const [version] = outerVersions()

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
