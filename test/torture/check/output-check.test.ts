import { describe, expect, test } from 'vitest'
import { OutputCheck } from './output-check.ts'

const bank = { table: 'accounts', column: 'balance', sum: 30 }

/** The lines of an output, made of what differs. */
const relation = {
  ...{ kind: 'relation', table: 'accounts', replicaIdentity: 'default' },
  columns: [
    { name: 'id', key: true },
    { name: 'balance', key: false },
  ],
}
const copy = [
  relation,
  { kind: 'snapshot-begin', table: 'accounts', mode: 'initial' },
  { kind: 'snapshot', table: 'accounts', new: { id: '1', balance: '10' } },
  { kind: 'snapshot', table: 'accounts', new: { id: '2', balance: '20' } },
  { kind: 'snapshot-end', table: 'accounts', rows: 2 },
]
const update = (commitLsn: string, seq: number, id: string, balance: string) => ({
  ...{ kind: 'update', commitLsn, seq, table: 'accounts', new: { id, balance } },
})
const transaction = (commitLsn: string, ...balances: [string, string]) => [
  { kind: 'begin', commitLsn },
  update(commitLsn, 0, '1', balances[0]),
  update(commitLsn, 1, '2', balances[1]),
  { kind: 'commit', commitLsn },
]
const [first, second] = [transaction('0/10', '15', '15'), transaction('0/20', '0', '30')]

function checked(...lines: readonly object[]): OutputCheck {
  const check = new OutputCheck(bank)
  for (const line of lines) check.line(JSON.stringify(line))
  check.end()
  return check
}

test('an output in which everything is as promised has nothing to be said of', () => {
  const check = checked(...copy, ...first, ...second)
  expect(check).toMatchObject({ problems: [], events: 4, commits: 2, lost: 0, repeated: 0 })
  expect(check.rows('accounts')).toEqual([
    { id: '1', balance: '0' },
    { id: '2', balance: '30' },
  ])
})

describe('of changes', () => {
  test('that a transaction lacks is told how many', () => {
    const check = checked(...copy, ...first.filter((line) => !('seq' in line && line.seq === 0)))
    expect(check).toMatchObject({ lost: 1, repeated: 0, problemCount: 2 })
    expect(check.problems).toEqual([
      expect.stringContaining('line 7: 1 changes are missing before this one'),
      expect.stringContaining('line 8: the sum of accounts is 25 and not 30'),
    ])
  })

  test('that come again in their transaction is told, and they are not applied', () => {
    const check = checked(...copy, ...first.slice(0, 2), ...first.slice(1))
    expect(check).toMatchObject({ lost: 0, repeated: 1, problemCount: 1, events: 2 })
  })

  test('of a transaction that comes again is told, wherever it comes', () => {
    const check = checked(...copy, ...first, ...second, ...first)
    expect(check).toMatchObject({ lost: 0, repeated: 2, events: 4 })
    expect(check.problems[0]).toContain('this transaction was there before')
    expect(check.rows('accounts')).toContainEqual({ id: '2', balance: '30' })
  })

  test('outside of their transaction is told', () => {
    expect(checked(...copy, update('0/30', 0, '1', '10')).problems[0]).toContain('not of the open transaction')
  })

  test('of rows that are not there, or are there already, is told', () => {
    const wrong = { kind: 'delete', commitLsn: '0/10', seq: 0, table: 'accounts', key: { id: '3' } }
    const twice = { kind: 'insert', commitLsn: '0/10', seq: 1, table: 'accounts', new: { id: '1', balance: '10' } }
    const check = checked(...copy, first[0] ?? {}, wrong, twice, first[3] ?? {})
    expect(check.problems).toEqual([
      expect.stringContaining('the row is not there'),
      expect.stringContaining('a row of this key is there already'),
    ])
  })
})

describe('of transactions', () => {
  test('that are not in the order of their commits is told', () => {
    const check = checked(...copy, ...second, ...first)
    expect(check.problems[0]).toContain('this commit is not after the one before it')
    expect(check).toMatchObject({ lost: 0, repeated: 0 })
  })

  test('that have no end is told', () => {
    expect(checked(...copy, ...first.slice(0, 3)).problems[0]).toContain('ends inside the transaction 0/10')
    const check = checked(...copy, ...first.slice(0, 3), ...second)
    expect(check.problems[0]).toContain('the transaction 0/10 had not ended')
  })

  test('that change the sum is told', () => {
    expect(checked(...copy, ...transaction('0/10', '10', '21')).problems[0]).toContain('is 31 and not 30')
  })
})

describe('of copies', () => {
  test('that replace, what was there before is discarded', () => {
    const again = copy.map((line) => (line.kind === 'snapshot-begin' ? { ...line, mode: 'replace' } : line))
    expect(checked(...copy.slice(0, 3), ...again, ...first)).toMatchObject({ problems: [], events: 2 })
  })

  test('that begin again without saying so is told', () => {
    expect(checked(...copy, ...copy).problems[0]).toContain('not as a replacement')
    expect(checked(...copy, ...first, copy[1] ?? {}).problems[0]).toContain('in the middle of the changes')
  })

  test('that have fewer rows than they say is told', () => {
    const check = checked(...copy.slice(0, 3), copy[4] ?? {})
    expect(check.problems[0]).toContain('the number of rows is not that of the copy')
  })

  test('whose sum is another is told', () => {
    const check = checked(...copy.slice(0, 3), { kind: 'snapshot-end', table: 'accounts', rows: 1 })
    expect(check.problems[0]).toContain('is 10 and not 30')
  })
})

test('a value that was not sent is the one from before; a key that changed is another row', () => {
  const moved = {
    ...{ kind: 'update', commitLsn: '0/10', seq: 0, table: 'accounts' },
    ...{ new: { id: '7' }, key: { id: '1' }, unchanged: ['balance'] },
  }
  const check = checked(...copy, first[0] ?? {}, moved, first[3] ?? {})
  expect(check.problems).toEqual([])
  expect(check.rows('accounts')).toContainEqual({ id: '7', balance: '10' })
})

test('what is no line of JSON is told', () => {
  const check = new OutputCheck(bank)
  check.line('{"kind":"begin","comm')
  expect(check.problems[0]).toContain('line 1: not a line of JSON')
})
