import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { CommitPolicy } from '../../../src/delivery/commit-policy.ts'
import { partNumber, partPath } from '../../../src/delivery/file/parts.ts'
import { completeInMs } from '../../../src/delivery/file/rotate-policy.ts'
import { batchOf, positionAt } from '../scripted-feed.ts'
import { SimulatedServer } from '../simulated-server.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { checkpointPath, diesOfCrash, fileOn, outputPath, runOnce } from './simulated-run.ts'

const copied = ['row 1', 'row 2', 'row 3']
const transactions = ['tx 1', 'tx 2', 'tx 3', 'tx 4', 'tx 5']
const shop = (rows: readonly string[] = []) =>
  new SimulatedServer(
    rows,
    transactions.map((name) => [name]),
  )
const eachBatch: CommitPolicy = { intervalMs: 0, maxEvents: 0 }
const policies: readonly CommitPolicy[] = [
  eachBatch,
  { intervalMs: 60_000, maxEvents: 1e9 },
  { intervalMs: 60_000, maxEvents: 2 },
]
/** One batch a part, and two. */
const sizes = [{ maxBytes: 1 }, { maxBytes: 10 }]
const part = (number: number) => partPath(outputPath, number)
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

/** The parts that are there, in the order of their numbers, the output's own file first. */
function partsOn(disk: SimulatedDisk): number[] {
  return disk.paths.flatMap((path) => (path === outputPath ? [0] : (partNumber(outputPath, path) ?? []))).sort()
}

const joined = (disk: SimulatedDisk) =>
  partsOn(disk)
    .map((number) => disk.text(part(number)))
    .join('')

/** What is in the parts that others follow. */
function complete(disk: SimulatedDisk): Map<number, string | undefined> {
  return new Map(
    partsOn(disk)
      .slice(0, -1)
      .map((number) => [number, disk.text(part(number))]),
  )
}

/** Parts that were seen to be complete have what they had. */
function expectUntouched(disk: SimulatedDisk, before: ReadonlyMap<number, string | undefined>): void {
  for (const [number, content] of before) expect(disk.text(part(number)), part(number)).toBe(content)
}

describe('names', () => {
  test('of parts sort as their numbers do, and are read back', () => {
    expect(part(1)).toBe('/lines/shop.000001.jsonl')
    expect(partPath('/lines/a.b/shop', 12)).toBe('/lines/a.b/shop.000012')
    expect(partPath('/lines/.hidden', 1)).toBe('/lines/.hidden.000001')
    expect(part(1_234_567)).toBe('/lines/shop.1234567.jsonl')
    const number = fc.integer({ min: 1, max: 999_999 })
    const name = fc.constantFrom('/a/shop.jsonl', '/a/shop', '/a/.shop', '/shop.000001.jsonl', '/a/shop.tar.gz')
    fc.assert(
      fc.property(name, number, number, (output, a, b) => {
        expect(partNumber(output, partPath(output, a))).toBe(a)
        expect(partPath(output, a) < partPath(output, b)).toBe(a < b)
      }),
    )
  })

  test('of other files are none of a part', () => {
    const others = ['shop.jsonl', 'shop.1.jsonl', 'shop.0000001.jsonl', 'shop.000001.json', 'shop.000000.jsonl']
    for (const other of [...others, 'other.000001.jsonl'])
      expect(partNumber(outputPath, `/lines/${other}`)).toBeUndefined()
    expect(partNumber(outputPath, '/elsewhere/shop.000001.jsonl')).toBeUndefined()
  })
})

test('a part is complete by its bytes or its age, whichever comes first, and never without a line', () => {
  const both = { maxBytes: 100, maxAgeMs: 60_000 }
  expect(completeInMs(both, { length: 0, begunMs: undefined }, 1e12)).toBe(Number.POSITIVE_INFINITY)
  expect(completeInMs(both, { length: 99, begunMs: 1e12 }, 1e12 + 59_999)).toBe(1)
  expect(completeInMs(both, { length: 99, begunMs: 1e12 }, 1e12 + 70_000)).toBe(0)
  expect(completeInMs(both, { length: 100, begunMs: 1e12 }, 1e12)).toBe(0)
  expect(completeInMs({ maxBytes: 100 }, { length: 99, begunMs: 0 }, 1e12)).toBe(Number.POSITIVE_INFINITY)
})

test.each(sizes)('parts of $maxBytes bytes have everything once, and each ends at a commit', async (rotate) => {
  const disk = new SimulatedDisk()
  await runOnce(disk, shop(), { policy: eachBatch, rotate })
  expect(joined(disk)).toBe(text(transactions))
  const perPart = rotate.maxBytes === 1 ? 1 : 2
  for (const content of complete(disk).values()) expect(content?.split('\n')).toHaveLength(perPart + 1)
  expect(disk.text(outputPath)).toBeUndefined()
})

test.each(['kept', 'lost'] as const)(
  'a crash at any one step, power %s: exactly once over all parts, and one that another follows is never touched',
  async (power) => {
    for (const policy of policies) {
      for (const rotate of sizes) {
        for (let step = 0; ; step++) {
          const disk = new SimulatedDisk()
          const server = shop()
          disk.crashAt(step)
          const crashed = await diesOfCrash(runOnce(disk, server, { policy, rotate }))
          const seen = complete(disk)
          disk.restart(power)
          if (!crashed) break
          expectUntouched(disk, seen)
          await runOnce(disk, server, { policy, rotate })
          expectUntouched(disk, seen)
          expect(joined(disk)).toBe(text(transactions))
        }
      }
    }
  },
)

test('crashes at many steps, of process and power, one after another: exactly once over all parts', async () => {
  const crash = fc.record({
    step: fc.nat(60),
    power: fc.constantFrom('kept' as const, 'lost' as const),
    survival: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }),
    policy: fc.constantFrom(...policies),
    rotate: fc.constantFrom(...sizes),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(crash, { maxLength: 12 }), fc.constantFrom(undefined, 'slot'), async (crashes, start) => {
      const disk = new SimulatedDisk()
      const server = shop()
      if (start === 'slot') server.slot = { confirmed: 1 }
      for (const { step, power, survival, policy, rotate } of crashes) {
        let taken = 0
        disk.crashAt(step)
        const crashed = await diesOfCrash(runOnce(disk, server, { policy, start, rotate }))
        const seen = complete(disk)
        disk.restart(crashed ? power : 'kept', (n) => Math.round((survival[taken++ % survival.length] ?? 0) * n))
        expectUntouched(disk, seen)
        if (!crashed) break
      }
      await runOnce(disk, server, { policy: eachBatch, start, rotate: { maxBytes: 1 } })
      expect(joined(disk)).toBe(text(start === 'slot' ? transactions.slice(1) : transactions))
    }),
    { numRuns: 500 },
  )
})

test('a disk that is full at any step, and has room again: exactly once over all parts', async () => {
  for (const policy of policies) {
    for (let step = 0; ; step++) {
      const disk = new SimulatedDisk()
      disk.fullAt(step, 3)
      const server = shop()
      const options = { policy, rotate: { maxBytes: 1 } }
      const ended = await runOnce(disk, server, { ...options, retries: true }).then(
        () => true,
        () => false,
      )
      const seen = complete(disk)
      // it goes on by itself, unless it was told to end
      disk.fullAt(Number.POSITIVE_INFINITY, 0)
      if (!ended) await runOnce(disk, server, options)
      expectUntouched(disk, seen)
      expect(joined(disk)).toBe(text(transactions))
      if (disk.steps < step) break
    }
  }
})

test('inside a copy a part ends between rows; one that is complete stays when the copy begins again, which replaces', async () => {
  for (let step = 0; ; step++) {
    const disk = new SimulatedDisk()
    const server = shop(copied)
    disk.crashAt(step)
    const crashed = await diesOfCrash(runOnce(disk, server, { policy: eachBatch, rotate: { maxBytes: 1 } }))
    const seen = complete(disk)
    disk.restart('kept')
    if (!crashed) {
      expect(partsOn(disk).length).toBeGreaterThan(transactions.length + 1)
      break
    }
    await runOnce(disk, server, { policy: eachBatch, rotate: { maxBytes: 1 } })
    expectUntouched(disk, seen)
    const all = text([...copied, ...transactions])
    expect(joined(disk).endsWith(all)).toBe(true)
    // what is before is of the copy that came to nothing
    expect(text(copied).startsWith(joined(disk).slice(0, -all.length))).toBe(true)
  }
})

describe('an output that was begun otherwise', () => {
  const nothingMore = (server: SimulatedServer, disk: SimulatedDisk, rotate?: { maxBytes: number }) =>
    runOnce(disk, server, { policy: eachBatch, rotate })

  test('in one file is complete before the first part, and a checkpoint of before is read', async () => {
    const disk = new SimulatedDisk()
    const server = shop()
    const [first = ''] = transactions
    const destination = fileOn(disk)
    await destination.open({
      publications: ['shop'],
      slot: 'shop_feed',
      snapshot: 'never',
      start: 'slot',
      signal: never,
    })
    await destination.write(batchOf(positionAt(1), first))
    await destination.commit(positionAt(1))
    await destination.close()
    const before = disk.text(checkpointPath) ?? ''
    const stored = await disk.replace(checkpointPath)
    await stored.write(Buffer.from(JSON.stringify({ ...JSON.parse(before), version: 1 })))
    server.slot = { confirmed: 1 }
    await nothingMore(server, disk, { maxBytes: 1 })
    expect(disk.text(outputPath)).toBe('tx 1\n')
    expect(partsOn(disk)).toEqual([0, 1, 2, 3, 4, 5])
    expect(joined(disk)).toBe(text(transactions))
  })

  test('in parts is refused for one file, by name', async () => {
    const disk = new SimulatedDisk()
    const server = shop()
    await nothingMore(server, disk, { maxBytes: 1 })
    await expect(nothingMore(server, disk)).rejects.toMatchObject({
      code: 'checkpoint_output',
      why: expect.stringContaining('/lines/shop.000006.jsonl'),
    })
    await nothingMore(server, disk, { maxBytes: 1000 })
    expect(joined(disk)).toBe(text(transactions))
  })

  test('by somebody, without a checkpoint, is refused, whichever part is left of it', async () => {
    const disk = new SimulatedDisk()
    const file = await disk.append(part(7))
    await file.write(Buffer.from('theirs\n'))
    await expect(nothingMore(shop(), disk, { maxBytes: 1 })).rejects.toMatchObject({ code: 'output_not_empty' })
    expect(joined(disk)).toBe('theirs\n')
  })

  test('and went on behind an older checkpoint that was put back: later parts go, and come again', async () => {
    const disk = new SimulatedDisk()
    const server = shop()
    const destination = fileOn(disk, { maxBytes: 1 })
    server.slot = { confirmed: 0 }
    await destination.open({
      publications: ['shop'],
      slot: 'shop_feed',
      snapshot: 'never',
      start: 'slot',
      signal: never,
    })
    await destination.write(batchOf(positionAt(1), 'tx 1'))
    await destination.commit(positionAt(1))
    const old = disk.text(checkpointPath) ?? ''
    for (let lsn = 2; lsn <= 4; lsn++) await destination.write(batchOf(positionAt(lsn), `tx ${lsn}`))
    await destination.commit(positionAt(4))
    await destination.close()
    expect(partsOn(disk)).toEqual([1, 2, 3, 4, 5])
    const stored = await disk.replace(checkpointPath)
    await stored.write(Buffer.from(old))
    await runOnce(disk, server, { policy: eachBatch, rotate: { maxBytes: 1000 } })
    expect(joined(disk)).toBe(text(transactions))
    expect(partsOn(disk)).toEqual([1, 2])
  })
})

const never = new AbortController().signal

describe('by its age', () => {
  afterEach(() => void vi.useRealTimers())
  const opened = { publications: ['shop'], slot: 'shop_feed', snapshot: 'never' as const, start: 'slot', signal: never }

  test('a part is complete though nothing more comes, and its age is counted over restarts', async () => {
    vi.useFakeTimers()
    const disk = new SimulatedDisk()
    const rotate = { maxAgeMs: 3_600_000 }
    const first = fileOn(disk, rotate, Date.now)
    await first.open(opened)
    await first.write(batchOf(positionAt(1), 'tx 1'))
    await first.commit(positionAt(1))
    await vi.advanceTimersByTimeAsync(1_800_000)
    await first.close()
    const second = fileOn(disk, rotate, Date.now)
    await second.open({ ...opened, start: undefined })
    await second.commit(positionAt(2))
    expect(partsOn(disk)).toEqual([1])
    await vi.advanceTimersByTimeAsync(1_800_000)
    expect(partsOn(disk)).toEqual([1, 2])
    expect(JSON.parse(disk.text(checkpointPath) ?? '')).toMatchObject({
      position: { lsn: '0/2' },
      output: { path: outputPath, part: 2, length: 0 },
    })
    // no empty part is followed by another one
    await vi.advanceTimersByTimeAsync(36_000_000)
    expect(partsOn(disk)).toEqual([1, 2])
    await second.write(batchOf(positionAt(3), 'tx 3'))
    await second.commit(positionAt(3))
    await second.close()
    expect(disk.text(part(1))).toBe('tx 1\n')
    expect(disk.text(part(2))).toBe('tx 3\n')
  })

  test('a part inside a transaction waits for its commit', async () => {
    vi.useFakeTimers()
    const disk = new SimulatedDisk()
    const destination = fileOn(disk, { maxAgeMs: 1000, maxBytes: 1 }, Date.now)
    await destination.open(opened)
    const inside = { ...positionAt(1), tx: { commitLsn: '0/2', seq: 1 } }
    await destination.write(batchOf(inside, 'half'))
    await destination.commit(inside)
    await vi.advanceTimersByTimeAsync(10_000)
    await destination.write(batchOf(positionAt(2), 'other half'))
    expect(partsOn(disk)).toEqual([1])
    await destination.commit(positionAt(2))
    expect(partsOn(disk)).toEqual([1, 2])
    await destination.close()
    expect(disk.text(part(1))).toBe('half\nother half\n')
  })
})
