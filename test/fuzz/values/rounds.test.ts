import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Batch, makeBatch } from '../../../src/fuzz/batch.ts'
import type { Bench, Outcome } from '../../../src/fuzz/bench.ts'
import type { FuzzedType } from '../../../src/fuzz/forms/fuzzed-types.ts'
import { rowsInRound, shrinkFindings, tryValues } from '../../../src/fuzz/rounds.ts'
import { Tally } from '../../../src/fuzz/tally.ts'

const number: FuzzedType = { name: 'int4', written: 'text', forms: fc.nat().map(String) }
const mood: FuzzedType = { name: 'mood[]', written: 'text', forms: fc.constant('{good}') }

/** A bench on which numbers from 1000 on differ, and 13 is not taken. */
const bench: Pick<Bench, 'try'> = {
  async try(batch: Batch): Promise<Outcome> {
    const cells = batch.get(number) ?? []
    return {
      values: [...batch.values()].flat().length,
      refusals: cells.filter((cell) => cell === '13').map((cell) => ({ type: number, cell })),
      findings: cells.flatMap((cell, row) =>
        Number(cell) >= 1000
          ? [{ type: number, row, cell, text: String(cell), problems: [{ where: 'COPY binary', gave: '0' }] }]
          : [],
      ),
    }
  },
}

const stop = new AbortController().signal

async function tried(runs: number): Promise<Tally> {
  const tally = new Tally()
  tally.begin(['int4', 'mood[]'])
  await tryValues(bench, tally, { seed: 1, types: [number, mood], runs, over: undefined, stop }, () => {})
  return tally
}

describe('a run', () => {
  test('tries as many values of each type as were asked for', async () => {
    const tally = await tried(250)
    expect(tally.types.map(({ values, refused }) => values + refused)).toEqual([250, 250])
    expect(tally.values).toBeGreaterThan(490)
  })

  test('ends when the time is over, with what was tried so far', async () => {
    const tally = new Tally()
    const over = new AbortController()
    await tryValues(bench, tally, { seed: 1, types: [number], runs: undefined, over: over.signal, stop }, () =>
      over.abort(),
    )
    expect(tally.types.map(({ values, refused }) => values + refused)).toEqual([rowsInRound])
  })

  test('makes the first value that differs as small as it can be', async () => {
    const tally = await tried(100)
    expect(tally.mismatches).toBeGreaterThan(0)
    const [shrunk] = await shrinkFindings(bench, tally, stop)
    expect(shrunk).toMatchObject({ cell: '1000', problems: [{ where: 'COPY binary', gave: '0' }] })
  })

  test('makes smaller what was found in any round', async () => {
    const round = { seed: 1, round: 7 }
    const batch = await makeBatch([number], round, 100)
    const tally = new Tally()
    tally.add(batch, await bench.try(batch), round)
    const [shrunk] = await shrinkFindings(bench, tally, stop)
    expect(shrunk?.cell).toBe('1000')
  })
})
