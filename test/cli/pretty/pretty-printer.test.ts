import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { displayWidth } from '../../../src/cli/pretty/display-width.ts'
import { PrettyPrinter } from '../../../src/cli/pretty/pretty-printer.ts'
import type { Terminal } from '../../../src/cli/pretty/terminal.ts'
import type { Event, Transaction } from '../../../src/replication/events.ts'
import {
  batchOf,
  begin,
  column,
  commit,
  deleteOf,
  insertOf,
  now,
  products,
  relationOf,
  stock,
  tx,
  updateOf,
} from './events.ts'

beforeAll(() => void vi.stubEnv('TZ', 'UTC'))

const pipe: Terminal = { columns: Number.POSITIVE_INFINITY, colour: false, live: false }
const wide = (columns: number): Terminal => ({ columns, colour: false, live: true })

function printed(events: readonly Event[], terminal: Terminal = pipe): string[] {
  return new PrettyPrinter(terminal, () => now).lines(batchOf(events))
}

const counted = '2026-01-02 03:04:05.678901+00'

describe('a transaction', () => {
  test('is a bracket with time, xid, commit LSN, and how much and how long ago', () => {
    const before = { sku: 'A-1', quantity: '5', counted }
    const lines = printed([
      begin,
      insertOf(products, { sku: 'A-1', name: 'Oak table', price: '349.00', description: null }),
      updateOf(stock, { ...before, quantity: '4' }, { old: before }),
      deleteOf(products, { key: { sku: 'B-2' } }),
      commit,
    ])
    expect(lines).toEqual([
      '┌ 03:04:05.678  begin 751',
      "│ insert   products  name: 'Oak table'  price: 349.00  description: null  sku: A-1",
      '│ update   stock     sku: A-1  quantity: 5 → 4',
      '│ delete   products  sku: B-2',
      '└ commit   16/B374D848  3 changes, 250 ms ago',
    ])
  })

  test('of another day says which', () => {
    const later: Transaction = { ...tx, commitTime: tx.commitTime + 86_400_000_000n }
    const printer = new PrettyPrinter(pipe, () => now)
    expect(printer.lines(batchOf([begin]))[0]).toBe('┌ 03:04:05.678  begin 751')
    expect(printer.lines(batchOf([{ kind: 'begin', lsn: tx.commitLsn, tx: later }]))).toEqual([
      '2026-01-03',
      '┌ 03:04:05.678  begin 751',
    ])
  })

  test('that a run continues in its middle has a bracket all the same', () => {
    expect(printed([deleteOf(products, { key: { sku: 'B-2' } }), commit])).toEqual([
      '┌ 03:04:05.678  goes on 751',
      '│ delete   products  sku: B-2',
      '└ commit   16/B374D848  1 change, 250 ms ago',
    ])
  })

  test('that came from elsewhere says from where', () => {
    const lines = printed([{ kind: 'begin', lsn: tx.commitLsn, tx: { ...tx, origin: 'node \u001b[31m2' } }])
    expect(lines).toEqual(['┌ 03:04:05.678  begin 751  from node \\u001b[31m2'])
  })
})

describe('an update', () => {
  const only = (event: Event) => printed([begin, event])[1]

  test('without the old row: the key first, then what was sent, and what was not', () => {
    const row = { sku: 'A-1', name: 'Table', price: '349.00' }
    expect(only(updateOf(products, row, { unchanged: ['description'] }))).toBe(
      '│ update   products  sku: A-1  name: Table  price: 349.00  description: (unchanged)',
    )
  })

  test('of the key: before and after', () => {
    const row = { sku: 'A-2', name: 'Table', price: null, description: '' }
    expect(only(updateOf(products, row, { key: { sku: 'A-1' } }))).toBe(
      "│ update   products  sku: A-1 → A-2  name: Table  price: null  description: ''",
    )
  })

  test('that changed nothing says so', () => {
    const row = { sku: 'A-1', quantity: '5', counted }
    expect(only(updateOf(stock, row, { old: row }))).toBe('│ update   stock  sku: A-1  (no change)')
  })

  test('on a terminal: what did not change stands behind, as far as there is room', () => {
    const old = { sku: 'A-1', quantity: '5', counted }
    const event = updateOf(stock, { ...old, quantity: '4' }, { old })
    expect(printed([begin, event], wide(100))[1]).toBe(
      `│ update   stock  sku: A-1  quantity: 5 → 4  counted: ${counted}`,
    )
    expect(printed([begin, event], wide(70))[1]).toBe('│ update   stock  sku: A-1  quantity: 5 → 4')
  })
})

test('truncate, messages and schema changes', () => {
  const lines = printed([
    begin,
    { kind: 'truncate', relations: [stock, products], cascade: true, restartIdentity: true, lsn: 1n, seq: 0, tx },
    {
      kind: 'message',
      prefix: 'audit',
      content: new TextEncoder().encode('who did it'),
      lsn: 1n,
      transactional: true,
      seq: 1,
      tx,
    },
    {
      kind: 'relation',
      table: products.table,
      relation: products,
      lsn: 1n,
      tx,
      change: {
        added: [
          { ...column('discount', 'numeric'), typmod: 327_686 },
          column('tags', '_text'),
          column('mood', 'public.mood'),
        ],
        dropped: [column('old name')],
        renamed: [{ from: 'title', to: 'name' }],
        retyped: [{ column: 'sku', from: { ...column('sku', 'varchar'), typmod: 14 }, to: column('sku') }],
        identity: {
          from: { replicaIdentity: 'default', key: ['sku'] },
          to: { replicaIdentity: 'full', key: ['sku', 'name'] },
        },
        table: { from: 'public.goods', to: 'public.products' },
      },
    },
    { kind: 'relation', table: stock.table, relation: stock, lsn: 1n, tx, change: null },
    commit,
    {
      kind: 'message',
      prefix: 'ping',
      content: new Uint8Array([0xff, 0]),
      lsn: 1n,
      transactional: false,
      seq: undefined,
      tx: undefined,
    },
  ])
  expect(lines).toEqual([
    '┌ 03:04:05.678  begin 751',
    '│ truncate stock  products  cascade  restart identity',
    "│ message  audit: 'who did it'",
    '│ schema   products  was public.goods  + discount numeric(5,2)  + tags text[]  + mood mood  - "old name"  title → name  ' +
      'sku: varchar(10) → text  replica identity: default (sku) → full',
    '└ commit   16/B374D848  2 changes, 250 ms ago',
    '  message  ping: 2 bytes',
  ])
})

describe('a snapshot', () => {
  const copy = { table: stock.table, relation: stock, lsn: 1n }
  const row: Event = { kind: 'snapshot', ...copy, new: {} }
  const beginning: Event = { kind: 'snapshot-begin', ...copy, estimatedRows: 4, estimatedBytes: 8192, mode: 'initial' }

  test('is a bar while it is copied, and a line when it was', () => {
    let clock = now
    const printer = new PrettyPrinter(wide(90), () => clock)
    expect(printer.lines(batchOf([beginning, row], 'snapshot'))).toEqual([])
    clock += 500
    expect(printer.live()).toEqual([
      'copying  stock  ███████░░░░░░░░░░░░░░░░░░░░░░░  25 %  1 of about 4 rows  2/s  1.5 s left',
    ])
    clock += 500
    expect(printer.lines(batchOf([row, { kind: 'snapshot-end', ...copy, rows: 2 }]))).toEqual([
      'copied   stock  2 rows in 1.0 s, 2/s',
      'copied   1 table, 2 rows in 1.0 s; from here on changes as they commit',
    ])
    expect(printer.live()).toEqual([])
  })

  test.each([
    [70, 'copying  stock  ███░░░░░░░░░░  25 %  1 of about 4 rows  2/s  1.5 s left'],
    [50, 'copying  stock  ███░░░░░░░░░  25 %  1 of about 4 rows'],
    [30, 'copying  stock    25 %'],
  ])('in %i columns leaves out what has no room', (columns, line) => {
    let clock = now
    const printer = new PrettyPrinter(wide(columns), () => clock)
    printer.lines(batchOf([beginning, row], 'snapshot'))
    clock += 500
    const [live] = printer.live()
    expect(displayWidth(live ?? '')).toBeLessThan(columns)
    expect(live).toContain(line.slice(0, 16))
  })

  test('in a pipe is told about now and then, in lines', () => {
    let clock = now
    const printer = new PrettyPrinter(pipe, () => clock)
    printer.lines(batchOf([beginning, row], 'snapshot'))
    clock += 10_000
    expect(printer.lines(batchOf([row], 'snapshot'))).toEqual(['copying  stock  2 of about 4 rows  0/s  10 s left'])
    expect(printer.lines(batchOf([row], 'snapshot'))).toEqual([])
  })

  test('without an estimate has no bar, one that takes the place of another says so', () => {
    const printer = new PrettyPrinter(wide(90), () => now)
    const again = { ...beginning, estimatedRows: -1, mode: 'replace' } as const
    expect(printer.lines(batchOf([again, row, row], 'snapshot'))).toEqual([
      'copying  stock  again: what came of it before is replaced',
    ])
    expect(printer.live()).toEqual(['copying  stock  2 rows'])
  })

  test('that is not begun again says that what came is void, and why', () => {
    const printer = new PrettyPrinter(wide(90), () => now)
    const left: Event = { kind: 'table-left', ...copy, reason: 'dropped' }
    expect(printer.lines(batchOf([left], 'snapshot'))).toEqual([
      'left     stock  there is no such table any more: what came of it before is void',
    ])
  })
})

describe('values', () => {
  const shown = (type: string, value: string | null, columns = Number.POSITIVE_INFINITY) => {
    const table = relationOf('t', [column('v', type)])
    return printed([begin, insertOf(table, { v: value })], { ...pipe, columns })[1]?.slice('│ insert   t  v: '.length)
  }

  test.each([
    ['text', 'word', 'word'],
    ['text', 'two words', "'two words'"],
    ['text', 'null', "'null'"],
    ['text', '', "''"],
    ['text', "it's", "'it''s'"],
    ['text', 'a@b.org', 'a@b.org'],
    ['text', 'ends:', "'ends:'"],
    ['text', '→', "'→'"],
    ['text', null, 'null'],
    ['bool', 't', 'true'],
    ['bool', 'f', 'false'],
    ['numeric', '-1.50', '-1.50'],
    ['timestamptz', counted, counted],
    ['_text', '{a,"b c"}', '{a,"b c"}'],
    ['public.status', 'new', 'new'],
    ['public.address', '("1 Main St",x)', `'("1 Main St",x)'`],
    ['jsonb', '{"a": [1, null]}', '{"a": [1, null]}'],
  ])('%s %j: %s', (type, value, expected) => {
    expect(shown(type, value)).toBe(expected)
  })

  test('cannot drive the terminal, turn its line around, or hide', () => {
    const evil = '\u001b]0;title\u0007\u009b2J\r\n\t\u202eabc\u200b\u0000\ud800'
    expect(shown('text', evil)).toBe("'\\u001b]0;title\\u0007\\u009b2J\\r\\n\\t\\u202eabc\\u200b\\u0000\\ud800'")
  })

  test('that are long are shortened, and their length told', () => {
    expect(shown('text', 'x'.repeat(12_345))).toBe(`'${'x'.repeat(77)}…' (12,345 characters)`)
    expect(shown('text', 'x'.repeat(98))).toBe('x'.repeat(98))
    expect(shown('bytea', `\\x${'ab'.repeat(8192)}`)).toBe(`\\x${'ab'.repeat(41)}a… (8,192 bytes)`)
    expect(shown('text', '😀 '.repeat(1000))).toMatch(/^'(😀 ?){2,}…' \(2,000 characters\)$/u)
    expect(shown('text', 'x'.repeat(12_345), 64)).toBe(`'${'x'.repeat(17)}…' (12,345 characters)`)
  })
})

describe('lines', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom('表格の名前', '👩‍👩‍👧', 'e\u0301'.repeat(30), 'a b '.repeat(100)),
  )
  const value = fc.option(text, { nil: null })
  const types = fc.constantFrom('text', 'bytea', 'jsonb', '_text', 'public.status', 'bool')
  const table = fc
    .tuple(text, fc.uniqueArray(fc.tuple(text, types), { minLength: 1, maxLength: 6, selector: ([name]) => name }))
    .map(([name, columns]) =>
      relationOf(
        name,
        columns.map(([columnName, type], at) => column(columnName, type, at === 0)),
      ),
    )
  const event = table.chain((relation) => {
    const row = fc
      .tuple(...relation.columns.map(() => value))
      .map((values) => Object.fromEntries(relation.columns.map(({ name }, at) => [name, values[at]])))
    return fc.oneof(
      row.map((now) => insertOf(relation, now)),
      fc.tuple(row, row).map(([old, now]) => updateOf(relation, now, { old })),
      row.map((now) => updateOf(relation, now)),
      row.map((old) => deleteOf(relation, { old })),
    )
  })

  test('are never wider than the terminal, and never hold what drives it', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 4 }), fc.integer({ min: 24, max: 200 }), (events, columns) => {
        for (const line of printed([begin, ...events, commit], wide(columns))) {
          expect(displayWidth(line)).toBeLessThanOrEqual(columns)
          expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
        }
      }),
    )
  })

  test('say the same with colours, which are all that is added', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 4 }), (events) => {
        const all = [begin, ...events, commit]
        const coloured = printed(all, { ...pipe, colour: true })
        expect(coloured.map((line) => stripVTControlCharacters(line))).toEqual(printed(all))
        for (const line of coloured) expect(stripVTControlCharacters(line)).not.toMatch(/\p{Cc}/u)
      }),
    )
  })

  test('break between values, below each other', () => {
    const row = { sku: 'A-1', name: 'A table made of oak', price: '349.00', description: 'It stands.' }
    expect(printed([begin, insertOf(products, row)], wide(64)).slice(1)).toEqual([
      "│ insert   products  name: 'A table made of oak'  price: 349.00",
      "│          description: 'It stands.'  sku: A-1",
    ])
    expect(printed([begin, insertOf(products, row)], wide(40)).slice(1)).toEqual([
      '│ insert   products',
      "│   name: 'A table made of oak'",
      '│   price: 349.00',
      "│   description: 'It stands.'  sku: A-1",
    ])
  })
})

test('a new row in colour', () => {
  const [, line] = printed([begin, insertOf(relationOf('t', [column('v')]), { v: 'x' })], { ...pipe, colour: true })
  expect(line).toBe('\u001b[2m│ \u001b[0m\u001b[32minsert\u001b[0m   \u001b[1mt\u001b[0m  \u001b[2mv: \u001b[0mx')
})
