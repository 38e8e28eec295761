import { expect, test } from 'vitest'
import {
  type Checkpoint,
  loadCheckpoint,
  parseCheckpoint,
  storeCheckpoint,
} from '../../../src/delivery/file/checkpoint.ts'
import { positionAt } from '../scripted-feed.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const path = '/data/shop.checkpoint'
const checkpoint: Checkpoint = {
  version: 2,
  start: null,
  position: positionAt(5),
  output: { path: '/data/out', length: 100 },
}

const text = (changes: object) => JSON.stringify({ ...checkpoint, ...changes })

test('what is stored is loaded', async () => {
  const disk = new SimulatedDisk()
  expect(await loadCheckpoint(disk, path)).toBeUndefined()
  for (const each of [
    checkpoint,
    { ...checkpoint, output: null },
    { ...checkpoint, output: { path: '/data/out', part: 3, begun: '2026-11-28T04:00:00.000Z', length: 0 } },
    { ...checkpoint, start: 'slot', position: null },
    { ...checkpoint, start: '0/5', position: null },
  ]) {
    await storeCheckpoint(disk, path, each)
    expect(await loadCheckpoint(disk, path)).toEqual(each)
  }
})

test('one of before, which knew no parts, is read', () => {
  expect(parseCheckpoint(text({ version: 1 }), path)).toEqual(checkpoint)
})

test('a crash at any step while storing leaves the one before or the new one, whole', async () => {
  const next = { ...checkpoint, position: positionAt(6) }
  for (const power of ['kept', 'lost'] as const) {
    for (let step = 0; step < 10; step++) {
      const disk = new SimulatedDisk()
      await storeCheckpoint(disk, path, checkpoint)
      disk.crashAt(step)
      const stored = await storeCheckpoint(disk, path, next).then(
        () => true,
        () => false,
      )
      disk.restart(power)
      const found = await loadCheckpoint(disk, path)
      if (stored) expect(found).toEqual(next)
      else expect([checkpoint, next]).toContainEqual(found)
    }
  }
})

test.each([
  ['an empty file', '', 'the file is empty'],
  ['half of one', text({}).slice(0, 40), 'it is not JSON'],
  ['JSON of another kind', '[]', 'it is not a JSON object'],
  ['JSON of something else', '{"name":"walwire"}', 'it has no version'],
  ['a later format', text({ version: 3 }), 'it has format version 3, and this release knows 2'],
  ['no position', text({ position: undefined }), 'it is not an object'],
  ['a position of a later format', text({ position: { ...positionAt(5), version: 99 } }), 'format version 99'],
  ['a damaged position', text({ position: { ...positionAt(5), lsn: 'x' } }), 'field lsn is "x"'],
  ['neither position nor start', text({ position: null }), 'neither a position nor a start'],
  ['a damaged start', text({ start: 'yesterday' }), 'its start is "yesterday"'],
  ['no start', text({ start: undefined }), 'its start is missing'],
  ['no output', text({ output: undefined }), 'its output is missing'],
  ['a part that is none', text({ output: { path: '/data/out', part: 0, length: 1 } }), 'its output is'],
  [
    'a beginning that is no time',
    text({ output: { path: '/data/out', part: 1, begun: 'now', length: 1 } }),
    'its output is',
  ],
  ['a negative length', text({ output: { path: '/data/out', length: -1 } }), 'its output is'],
  ['a length that is no number', text({ output: { path: '/data/out', length: '1' } }), 'its output is'],
])('%s is refused', (_, content, why) => {
  const refused = () => parseCheckpoint(content, path)
  expect(refused).toThrow(expect.objectContaining({ code: 'checkpoint_malformed' }))
  expect(refused).toThrow(why)
})
