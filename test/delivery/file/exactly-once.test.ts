import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CommitPolicy } from '../../../src/delivery/commit-policy.ts'
import { SimulatedServer } from '../simulated-server.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { checkpointPath, diesOfCrash, outputPath, runOnce } from './simulated-run.ts'

const copied = ['row 1', 'row 2', 'row 3']
const transactions = ['tx 1', 'tx 2', 'tx 3', 'tx 4']

const shop = () =>
  new SimulatedServer(
    copied,
    transactions.map((name) => [name]),
  )

const policies = {
  'each batch': { intervalMs: 0, maxEvents: 0 },
  'all at the end': { intervalMs: 60_000, maxEvents: 1e9 },
  'every two events': { intervalMs: 60_000, maxEvents: 2 },
} satisfies Record<string, CommitPolicy>
const everything = (lines: string[]) => `${lines.join('\n')}\n`

for (const [name, policy] of Object.entries(policies)) {
  for (const power of ['kept', 'lost'] as const) {
    test(`a crash at any one step, power ${power}, committing ${name}: the output is exactly once`, async () => {
      for (let step = 0; ; step++) {
        const disk = new SimulatedDisk()
        const server = shop()
        disk.crashAt(step)
        const crashed = await diesOfCrash(runOnce(disk, server, { policy }))
        disk.restart(power)
        if (!crashed) {
          expect(step).toBeGreaterThan(10)
          break
        }
        await runOnce(disk, server, { policy })
        expect(disk.text(outputPath)).toBe(everything([...copied, ...transactions]))
      }
    })
  }
}

test('crashes at many steps, of process and power, one after another: the output is exactly once', async () => {
  const crash = fc.record({
    step: fc.nat(60),
    power: fc.constantFrom('kept' as const, 'lost' as const),
    // taken in turn: how much of what was not synced a loss of power leaves
    survival: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }),
    policy: fc.constantFrom(...Object.values(policies)),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(crash, { maxLength: 12 }),
      fc.constantFrom(undefined, 'slot'),
      async (crashes, startArgument) => {
        const disk = new SimulatedDisk()
        const server = shop()
        if (startArgument === 'slot') server.slot = { confirmed: 1 }
        for (const { step, power, survival, policy } of crashes) {
          let taken = 0
          disk.crashAt(step)
          const crashed = await diesOfCrash(runOnce(disk, server, { policy, start: startArgument }))
          if (!crashed) break
          disk.restart(power, (n) => Math.round((survival[taken++ % survival.length] ?? 0) * n))
        }
        disk.restart('kept')
        await runOnce(disk, server, { policy: policies['each batch'], start: startArgument })
        const expected = startArgument === 'slot' ? transactions.slice(1) : [...copied, ...transactions]
        expect(disk.text(outputPath)).toBe(everything(expected))
      },
    ),
    { numRuns: 1000 },
  )
})

test('a checkpoint that a killed run did not come to make durable is made so before anything is built on it', async () => {
  const policy = { intervalMs: 0, maxEvents: 0 }
  for (let step = 0; step < 12; step++) {
    const disk = new SimulatedDisk()
    const server = shop()
    server.slot = { confirmed: 0 }
    for (let first = 0; disk.text(checkpointPath) === undefined; first++) {
      disk.crashAt(first)
      await diesOfCrash(runOnce(disk, server, { policy, start: 'slot' }))
      disk.restart('kept')
    }
    disk.crashAt(step)
    await diesOfCrash(runOnce(disk, server, { policy, start: 'slot' }))
    disk.restart('lost')
    await runOnce(disk, server, { policy, start: 'slot' })
    expect(disk.text(outputPath)).toBe(everything(transactions))
  }
})

test('a disk that is full at any step, and has room again: the output is exactly once', async () => {
  for (const policy of Object.values(policies)) {
    for (let step = 0; ; step++) {
      const disk = new SimulatedDisk()
      disk.fullAt(step, 3)
      const server = shop()
      // it goes on by itself, unless it was told to end
      const failure = await runOnce(disk, server, { policy, retries: true }).catch((error: unknown) => error)
      if (failure !== undefined) {
        expect(failure).toMatchObject({ why: 'ENOSPC: no space left on device', retryable: true })
        disk.fullAt(Number.POSITIVE_INFINITY, 0)
        await runOnce(disk, server, { policy })
      }
      expect(disk.text(outputPath)).toBe(everything([...copied, ...transactions]))
      if (disk.steps < step) break
    }
  }
})

test('the checkpoint is there before the slot is made, and before anything is written after --start', async () => {
  const disk = new SimulatedDisk()
  const server = shop()
  let atSlot: string | undefined
  Object.defineProperty(server, 'slot', {
    get: () => undefined,
    set: () => {
      atSlot = disk.text(checkpointPath)
    },
  })
  await runOnce(disk, server, { policy: policies['each batch'] })
  expect(JSON.parse(atSlot ?? 'null')).toMatchObject({ position: { phase: 'new' }, output: { length: 0 } })
})
