import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Batch, makeBatch } from '../../../src/cli/fuzz/batch.ts'
import type { Bench, Outcome } from '../../../src/cli/fuzz/bench.ts'
import type { FuzzedType } from '../../../src/cli/fuzz/forms/fuzzed-types.ts'
import { rowsInRound, shrinkFindings, tryValues } from '../../../src/cli/fuzz/fuzz-run.ts'
import { findingLines, lastLine, refusalLine, tableLines } from '../../../src/cli/fuzz/report.ts'
import { Tally } from '../../../src/cli/fuzz/tally.ts'

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

describe('the report', () => {
  test('has a table with a column for what was not taken where there was any', () => {
    const int4 = { name: 'int4', values: 12_345, mismatches: 0, refused: 0 }
    expect(tableLines([int4, { ...int4, name: 'text', mismatches: 2 }])).toEqual([
      'type  values tried  mismatches',
      'int4        12,345           0',
      'text        12,345           2',
    ])
    expect(tableLines([{ ...int4, refused: 3 }])).toEqual([
      'type  values tried  mismatches  not taken',
      'int4        12,345           0          3',
    ])
  })

  test('ends with the line that sums it up', () => {
    const types = [0, 3].map((values) => ({ name: 'int4', values, mismatches: 0, refused: 0 }))
    expect(lastLine({ values: 1234, mismatches: 1, types }, 9)).toBe('1234 values, 1 types, 1 mismatches, seed 9')
  })

  test('shows a value that differs with the SQL for it', () => {
    const problems = [{ where: 'COPY binary', gave: "'x'" }] as const
    const finding = { type: number, row: 3, cell: "a'\\\n", text: "a'\\\n", problems, shrinks: 1 }
    expect(findingLines({ ...finding, type: { ...number, name: 'text[]' } }, 4)).toEqual([
      "text[] differs (made smaller 1 time; again with --seed 4 --types 'text[]')",
      String.raw`  written as       "a'\\\n"`,
      String.raw`  server's text    "a'\\\n"`,
      "  COPY binary      'x'",
      String.raw`  SQL              SELECT E'a''\\\u000a'::text[];`,
    ])
  })

  test('shows how a type was made that no database has by itself', () => {
    const problems = [{ where: 'encodeText', gave: 'x' }] as const
    const lines = findingLines({ type: mood, row: 0, cell: null, text: null, problems, shrinks: 0 }, 4)
    expect(lines.slice(4)).toEqual([
      '  SQL              SELECT NULL::mood[];',
      `  with             CREATE TYPE mood AS ENUM ('so-so', 'good');`,
    ])
  })

  test('names what the server did not take', () => {
    expect(refusalLine({ type: number, cell: Uint8Array.of(1, 255) })).toBe(
      'int4: the server does not take \\x01ff (binary), and perhaps others; they are not among the values tried',
    )
  })
})
