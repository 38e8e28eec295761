import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CommitPolicy } from '../../../src/delivery/commit-policy.ts'
import { loadCheckpoint } from '../../../src/delivery/file/checkpoint.ts'
import { Delivery } from '../../../src/delivery/file/delivery.ts'
import { FileOutput } from '../../../src/delivery/file/file-output.ts'
import { resume } from '../../../src/delivery/file/resume.ts'
import { pump } from '../../../src/delivery/pump.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import type { Position } from '../../../src/replication/position.ts'
import { batchOf, nameOf, positionAt, scriptedFeed } from '../scripted-feed.ts'
import { Crash, SimulatedDisk } from './simulated-disk.ts'

const checkpointPath = '/data/shop.checkpoint'
const outputPath = '/lines/shop.jsonl'
const copied = ['row 1', 'row 2', 'row 3']
const transactions = ['tx 1', 'tx 2', 'tx 3', 'tx 4']

/** What the server remembers over all runs: whether there is a slot, and what it was told it may forget. */
class SimulatedServer {
  slot: { confirmed: number } | undefined

  ack = (position: Position): void => {
    if (position.phase === 'stream' && this.slot) {
      this.slot.confirmed = Math.max(this.slot.confirmed, Number.parseInt(position.lsn.slice(2), 16))
    }
  }

  /** A feed as the library's rules have it, with the errors that mean loss. `idle` is called when there is no more. */
  async *batches(start: Position | string | undefined, idle: () => void): AsyncGenerator<Batch, undefined> {
    let from = 0
    if (start === 'slot') {
      if (!this.slot) throw new Error('there is no slot')
      from = this.slot.confirmed
    } else if (typeof start === 'object' && start.phase === 'stream') {
      if (!this.slot) throw new Error('slot lost')
      from = Number.parseInt(start.lsn.slice(2), 16)
      if (from < this.slot.confirmed) throw new Error(`gap: ${from} is behind ${this.slot.confirmed}`)
    } else {
      if (start === undefined && this.slot) throw new Error('slot exists')
      yield batchOf(positionAt(0, 'new'))
      this.slot = { confirmed: 0 }
      for (const row of copied) yield batchOf(positionAt(0, 'snapshot'), row)
    }
    for (let index = from; index < transactions.length; index++) {
      yield batchOf(positionAt(index + 1), transactions[index] ?? '')
    }
    idle()
    await new Promise(() => {})
    return undefined
  }
}

/** One run of the command's inside, until it is stopped because nothing more comes, or dies. */
async function runOnce(disk: SimulatedDisk, server: SimulatedServer, policy: CommitPolicy, startArgument?: string) {
  const files = { output: outputPath, checkpoint: checkpointPath }
  const parsed = { ...files, start: startArgument, publications: ['shop'], snapshot: 'initial' as const }
  const stored = await loadCheckpoint(disk, checkpointPath)
  const { start, outputLength } = resume(parsed, stored, await disk.size(outputPath))
  const stop = new AbortController()
  const feed = scriptedFeed(
    server.batches(start, () => stop.abort()),
    server.ack,
  )
  const delivery = new Delivery({
    output: new FileOutput(disk, outputPath, outputLength, silentLogger),
    toLines: (batch) => batch.events.map(nameOf),
    ack: feed.ack,
    checkpoint: {
      disk,
      path: checkpointPath,
      lock: { verify: async () => {}, release: () => {} },
      start: (stored ? stored.start : startArgument) ?? null,
      exists: stored !== undefined,
    },
  })
  await pump(feed, delivery, { policy, stop: stop.signal })
}

/** @returns whether the process died of a crash; whatever else it dies of is the test's failure */
async function diesOfCrash(run: Promise<void>): Promise<boolean> {
  try {
    await run
    return false
  } catch (error) {
    const inside = error instanceof Error && error.cause instanceof Crash
    if (!inside && !(error instanceof Crash)) throw error
    return true
  }
}

const policies: Record<string, CommitPolicy> = {
  'each batch': { intervalMs: 0, maxBytes: 0 },
  'all at the end': { intervalMs: 60_000, maxBytes: 1e9 },
  'every ten bytes': { intervalMs: 60_000, maxBytes: 10 },
}
const everything = (lines: string[]) => `${lines.join('\n')}\n`

for (const [name, policy] of Object.entries(policies)) {
  for (const power of ['kept', 'lost'] as const) {
    test(`a crash at any one step, power ${power}, committing ${name}: the output is exactly once`, async () => {
      for (let step = 0; ; step++) {
        const disk = new SimulatedDisk()
        const server = new SimulatedServer()
        disk.crashAt(step)
        const crashed = await diesOfCrash(runOnce(disk, server, policy))
        disk.restart(power)
        if (!crashed) {
          expect(step).toBeGreaterThan(10)
          break
        }
        await runOnce(disk, server, policy)
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
        const server = new SimulatedServer()
        if (startArgument === 'slot') server.slot = { confirmed: 1 }
        for (const { step, power, survival, policy } of crashes) {
          let taken = 0
          disk.crashAt(step)
          const crashed = await diesOfCrash(runOnce(disk, server, policy, startArgument))
          if (!crashed) break
          disk.restart(power, (n) => Math.round((survival[taken++ % survival.length] ?? 0) * n))
        }
        disk.restart('kept')
        await runOnce(disk, server, { intervalMs: 0, maxBytes: 0 }, startArgument)
        const expected = startArgument === 'slot' ? transactions.slice(1) : [...copied, ...transactions]
        expect(disk.text(outputPath)).toBe(everything(expected))
      },
    ),
    { numRuns: 1000 },
  )
})

test('a checkpoint that a killed run did not come to make durable is made so before anything is built on it', async () => {
  const policy = { intervalMs: 0, maxBytes: 0 }
  for (let step = 0; step < 12; step++) {
    const disk = new SimulatedDisk()
    const server = new SimulatedServer()
    server.slot = { confirmed: 0 }
    for (let first = 0; disk.text(checkpointPath) === undefined; first++) {
      disk.crashAt(first)
      await diesOfCrash(runOnce(disk, server, policy, 'slot'))
      disk.restart('kept')
    }
    disk.crashAt(step)
    await diesOfCrash(runOnce(disk, server, policy, 'slot'))
    disk.restart('lost')
    await runOnce(disk, server, policy, 'slot')
    expect(disk.text(outputPath)).toBe(everything(transactions))
  }
})

test('the checkpoint is there before the slot is made, and before anything is written after --start', async () => {
  const disk = new SimulatedDisk()
  const server = new SimulatedServer()
  let atSlot: string | undefined
  Object.defineProperty(server, 'slot', {
    get: () => undefined,
    set: () => {
      atSlot = disk.text(checkpointPath)
    },
  })
  await runOnce(disk, server, { intervalMs: 0, maxBytes: 0 })
  expect(JSON.parse(atSlot ?? 'null')).toMatchObject({ position: { phase: 'new' }, output: { length: 0 } })
})
