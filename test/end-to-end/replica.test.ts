import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Replica } from './replica.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-replica-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function of(lines: object[]): Promise<Replica> {
  const path = join(folder, 'output')
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return await Replica.of(path)
}

const table = 'orders'
const columns = [
  { name: 'id', key: true },
  { name: 'note', key: false },
]
const relation = { kind: 'relation', table, columns }
const copied = (id: number) => ({ kind: 'snapshot', table, new: { id, note: 'copied' } })
const copy = [
  relation,
  { kind: 'snapshot-begin', table, mode: 'initial' },
  copied(1),
  copied(2),
  { kind: 'snapshot-end', table, rows: 2 },
]
const tx = (commitLsn: string, ...changes: object[]) => [
  { kind: 'begin', commitLsn },
  ...changes.map((change, seq) => ({ ...change, table, commitLsn, seq })),
  { kind: 'commit', commitLsn },
]
const insert = (id: number) => ({ kind: 'insert', new: { id, note: 'new' } })

test('a whole output is rebuilt: keys that change, values that did not, rows that go', async () => {
  const replica = await of([
    ...copy,
    ...tx('0/A', insert(3), { kind: 'update', new: { id: 4 }, key: { id: 1 }, unchanged: ['note'] }),
    ...tx('0/10', { kind: 'delete', key: { id: 2 } }),
  ])
  expect(replica.rows(table)).toEqual(['{"id":3,"note":"new"}', '{"id":4,"note":"copied"}'])
  const emptied = await of([...copy, ...tx('0/A', { kind: 'truncate', tables: [{ schema: 'public', table }] })])
  expect(emptied.rows(table)).toEqual([])
})

const [begin = {}, change = {}, commit = {}] = tx('0/A', insert(3))

test.each<[string, object[]]>([
  ['a change twice', [...copy, begin, change, change, commit]],
  ['a change left out', [...copy, begin, { ...change, seq: 1 }, commit]],
  ['a transaction twice', [...copy, ...tx('0/A', insert(3)), ...tx('0/A', insert(3))]],
  [
    'transactions in another order than that of their commits',
    [...copy, ...tx('0/10', insert(3)), ...tx('0/A', insert(4))],
  ],
  ['a transaction that does not end', [...copy, begin, change]],
  ['a transaction that does not begin', [...copy, change, commit]],
  ['a row copied twice', [...copy.slice(0, 3), ...copy.slice(2)]],
  ['a row not copied', [...copy.slice(0, 3), ...copy.slice(4)]],
  ['a table copied twice', [...copy, ...copy]],
  ['a row inserted that is there', [...copy, ...tx('0/A', insert(2))]],
  ['a row deleted that is not there', [...copy, ...tx('0/A', { kind: 'delete', key: { id: 9 } })]],
  ['a kind that nobody knows', [...copy, { kind: 'ins' }]],
])('%s is found', async (_, lines) => {
  await expect(of(lines)).rejects.toThrow()
})
