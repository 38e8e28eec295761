import { expect, test } from 'vitest'
import { compareRows } from './compare-rows.ts'

const columns = ['id', 'name']
const [one, two, three] = [
  { id: '1', name: 'one' },
  { id: '2', name: 'two' },
  { id: '3', name: null },
]

test('a copy of the same rows does not differ, in whatever order', () => {
  const none = { missing: [], excess: [], differing: [] }
  expect(compareRows({ columns, key: ['id'], rows: [one, two] }, [two, one])).toEqual(none)
})

test('rows that one of both lacks, and rows of the same key with other values, are told apart', () => {
  const copy = [{ id: '2', name: 'zwei' }, three]
  expect(compareRows({ columns, key: ['id'], rows: [one, two] }, copy)).toEqual({
    missing: ['["1","one"]'],
    excess: ['["3",null]'],
    differing: [['["2","two"]', '["2","zwei"]']],
  })
})

test('without a key, a row may be there several times, and is told as often as it is one too many or too few', () => {
  const table = { columns, key: [], rows: [one, one, one, two] }
  expect(compareRows(table, [one, two, two, two])).toEqual({
    missing: ['["1","one"]', '["1","one"]'],
    excess: ['["2","two"]', '["2","two"]'],
    differing: [],
  })
})

test('a column that was dropped does not count, and one that the copy has nothing of is null', () => {
  const copy = [{ id: '3', gone: 'x' }]
  expect(compareRows({ columns, key: ['id'], rows: [three] }, copy).differing).toEqual([])
})
