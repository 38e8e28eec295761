import { describe, expect, test } from 'vitest'
import { findingLines, lastLine, refusalLine, tableLines } from '../../../src/cli/fuzz/report.ts'

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
    const found = { type: 'text[]', cell: "a'\\\n", text: "a'\\\n", problems, shrinks: 1 }
    expect(findingLines(found, 4)).toEqual([
      "text[] differs (made smaller 1 time; again with --seed 4 --types 'text[]')",
      String.raw`  written as       "a'\\\n"`,
      String.raw`  server's text    "a'\\\n"`,
      "  COPY binary      'x'",
      String.raw`  SQL              SELECT E'a''\\\u000a'::text[];`,
    ])
  })

  test('shows how a type was made that no database has by itself', () => {
    const problems = [{ where: 'encodeText', gave: 'x' }] as const
    const lines = findingLines({ type: 'mood[]', cell: null, text: null, problems, shrinks: 0 }, 4)
    expect(lines.slice(4)).toEqual([
      '  SQL              SELECT NULL::mood[];',
      `  with             CREATE TYPE mood AS ENUM ('so-so', 'good');`,
    ])
  })

  test('names what the server did not take', () => {
    expect(refusalLine({ type: 'int4', cell: Uint8Array.of(1, 255) })).toBe(
      'int4: the server does not take \\x01ff (binary), and perhaps others; they are not among the values tried',
    )
  })
})
