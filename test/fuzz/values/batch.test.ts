import { describe, expect, test } from 'vitest'
import { type BuiltinType, builtinRanges, builtinTypes } from '../../../src/decoder/types/builtin.ts'
import { type Cell, makeBatch, seedOf } from '../../../src/fuzz/batch.ts'
import { copyRows } from '../../../src/fuzz/copy-rows.ts'
import { fuzzedTypes } from '../../../src/fuzz/forms/fuzzed-types.ts'
import { extensions } from '../../../src/fuzz/forms/made-types.ts'
import { refusedCells, withoutCells } from '../../../src/fuzz/refused-cells.ts'

const types = fuzzedTypes({ version: 17, extensions })

/** Types of pg_catalog of which the server takes no values from anybody: it makes them itself. */
const unwritableTypes: readonly string[] = [
  'pg_node_tree',
  'pg_ndistinct',
  'pg_dependencies',
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_mcv_list',
]

describe('values', () => {
  test('are the same for the same seed, whichever other types are tried', async () => {
    const all = await makeBatch(types, { seed: 5, round: 2 }, 20)
    const few = types.filter(({ name }) => ['int4', 'text[]', 'item'].includes(name))
    for (const [type, cells] of await makeBatch(few, { seed: 5, round: 2 }, 20)) expect(all.get(type)).toEqual(cells)
  })

  test('are others for another seed, round or type', () => {
    const seeds = [
      seedOf({ seed: 1, round: 0 }, 'a'),
      seedOf({ seed: 2, round: 0 }, 'a'),
      seedOf({ seed: 1, round: 1 }, 'a'),
    ]
    expect(new Set([...seeds, seedOf({ seed: 1, round: 0 }, 'b')]).size).toBe(4)
  })

  test('are made of every type that the registry knows, and of its arrays', () => {
    const bare = new Set(types.map(({ name }) => name.replace(/"|\(\d+\)/g, '')))
    const builtins: readonly BuiltinType[] = builtinTypes
    const known = [...builtins, ...builtinRanges, ...builtinRanges.map(({ multirange }) => multirange)]
    const missing = known.filter(({ name, arrayOid }) => !bare.has(name) || (arrayOid !== 0 && !bare.has(`${name}[]`)))
    expect(missing.map(({ name }) => name)).toEqual(unwritableTypes)
  })
})

describe('rows for a copy', () => {
  const columns: Cell[][] = [
    ['a\tb\\\n\r', null],
    ['', '\\N'],
  ]

  test('as text: a number, and what would end a column escaped', () => {
    const text = new TextDecoder().decode(copyRows('text', columns))
    expect(text).toBe('0\ta\\tb\\\\\\n\\r\t\n1\t\\N\t\\\\N\n')
  })

  test('in binary form: texts as their bytes', () => {
    const bytes = Buffer.from(
      copyRows('binary', [
        [Uint8Array.of(7), null],
        ['é', null],
      ]),
    ).subarray(19)
    expect(bytes.toString('hex')).toBe(
      ['0003', '0000000400000000', '0000000107', '00000002c3a9'].join('') +
        ['0003', '0000000400000001', 'ffffffff', 'ffffffff'].join('') +
        'ffff',
    )
  })
})

test('cells that are not taken are found among many', async () => {
  const columns = [0, 1, 2].map((column) => Array.from({ length: 37 }, (_, row) => `${column}/${row}`))
  const bad = new Set(['0/0', '2/17', '2/18', '2/36'])
  let questions = 0
  const isTaken = async (given: readonly (readonly Cell[])[]) => {
    questions++
    return !given.flat().some((cell) => typeof cell === 'string' && bad.has(cell))
  }
  const places = await refusedCells(columns, isTaken)
  expect(places.map(({ column, row }) => `${column}/${row}`)).toEqual([...bad])
  expect(questions).toBeLessThan(60)
  expect(await isTaken(withoutCells(columns, places))).toBe(true)
})
