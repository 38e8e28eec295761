import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { PgRange } from '../../../src/decoder/types/pg-range.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { compareWays, encodeColumn, type SeenColumn, type Way } from '../../../src/fuzz/comparison.ts'
import { sameValue } from '../../../src/fuzz/same-value.ts'
import { Unreadable } from '../../../src/fuzz/watched-types.ts'
import { law } from '../../property.ts'

describe('two values are the same', () => {
  const value = fc.anything({ withNullPrototype: false, withTypedArray: false })
  law(
    'where they are copies of each other',
    fc.property(value, (one) => {
      expect(sameValue(one, structuredClone(one))).toBe(true)
    }),
  )

  test.each<[unknown, unknown]>([
    [0, -0],
    [1, 1n],
    ['1', 1],
    [null, undefined],
    [[1], [1, null]],
    [[1], { 0: 1 }],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [{ a: 1 }, { a: 1, b: undefined }],
    [[{ a: -0 }], [{ a: 0 }]],
    [new Uint8Array([1]), new Uint8Array([2])],
    [new Uint8Array([1]), [1]],
    [new PgArray([1], [0]), new PgArray([1], [2])],
    [new PgArray([1], [0]), [1]],
    [new PgRange(1, 2), new PgRange(1, 2, '[]')],
    [new PgRange(0, 2), new PgRange(-0, 2)],
    [new PgRange('1', '2', '[)', '[1,2)'), new PgRange('1', '2', '[)', '["1",2)')],
  ])('but not %o and %o', (a, b) => {
    expect(sameValue(a, a)).toBe(true)
    expect(sameValue(a, b)).toBe(false)
    expect(sameValue(b, a)).toBe(false)
  })
})

/** What a column of four ways gave, of which one gave something else. */
function seen(texts: (string | null)[], values: unknown[], other: Partial<Record<Way, unknown[]>> = {}): SeenColumn {
  const ways = new Map<Way, unknown[]>()
  for (const way of ['COPY text', 'COPY binary', 'pgoutput text', 'pgoutput binary'] as const) {
    ways.set(way, other[way] ?? [...values])
  }
  return { texts, ways }
}

describe('the ways of a column', () => {
  test('that agree have no problem, whatever is NULL', () => {
    expect(compareWays(seen(['1', null, 'NaN'], [1, null, Number.NaN]), String)).toEqual([])
  })

  test.each<[string, Partial<Record<Way, unknown[]>>, unknown]>([
    ['another value', { 'pgoutput binary': [1, 7] }, { row: 1, where: 'pgoutput binary', gave: '7' }],
    ['NULL for a value', { 'COPY binary': [null, 2] }, { row: 0, where: 'COPY binary', gave: 'null' }],
    ['too few rows', { 'pgoutput text': [1] }, { row: 1, where: 'pgoutput text', gave: 'undefined' }],
  ])('one of which gives %s', (_, other, problem) => {
    expect(compareWays(seen(['1', '2'], [1, 2], other), String)).toEqual([problem])
  })

  test('are all at fault where none can be read', () => {
    const error = new Unreadable(new Error('no'))
    const problems = compareWays(seen(['1'], [error]), () => 'an error')
    expect(problems.map(({ where }) => where).sort()).toEqual([
      'COPY binary',
      'COPY text',
      'pgoutput binary',
      'pgoutput text',
    ])
  })

  test('give a value where the server has NULL', () => {
    expect(compareWays(seen([null], [0]), String)).toHaveLength(4)
  })
})

describe('a column that is written again', () => {
  const int4 = new TypeRegistry().get(23)
  if (int4 === undefined) throw new Error('int4 is built in')

  test('is written as text and in binary form, NULL as NULL', () => {
    const encoded = encodeColumn(int4, seen(['5', null], [5, null]), String)
    expect(encoded).toEqual({ texts: ['5', null], binaries: [Uint8Array.of(0, 0, 0, 5), null], problems: [] })
  })

  test('must be written as the server writes it', () => {
    const { problems } = encodeColumn({ ...int4, encodeText: () => '+5' }, seen(['5'], [5]), String)
    expect(problems).toEqual([{ row: 0, where: 'encodeText', gave: '+5' }])
  })

  test('leaves out what could not be read, and names what cannot be written', () => {
    const column = seen(['5', '6'], [new Unreadable(new Error('no')), 'six'])
    const { texts, problems } = encodeColumn(int4, column, () => 'an error')
    expect(texts).toEqual([null, null])
    expect(problems.map(({ row, where }) => `${row} ${where}`)).toEqual(['1 encodeText', '1 encodeBinary'])
  })
})
