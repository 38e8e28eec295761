import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Column, Relation, ReplicaIdentity } from '../../../src/decoder/relation.ts'
import type { RelationChange } from '../../../src/replication/events.ts'
import { describeChange } from '../../../src/replication/stream/relation-change.ts'
import { law } from '../../property.ts'

/** A table of columns written as `name:type`, or `name` for one of type text; an asterisk puts it into the key. */
function tableOf(columns: string, differing: Partial<Relation> = {}): Relation {
  return {
    oid: 16_384,
    schema: 'public',
    name: 'orders',
    table: 'public.orders',
    replicaIdentity: 'default',
    columns: columns
      .split(' ')
      .filter((column) => column !== '')
      .map(columnOf),
    ...differing,
  }
}

const typeOids = new Map([
  ['text', 25],
  ['int4', 23],
  ['numeric', 1700],
])

function columnOf(written: string): Column {
  const [name = '', type = 'text', typmod = '-1'] = written.replace('*', '').split(':')
  return { name, type, typeOid: typeOids.get(type) ?? 0, typmod: Number(typmod), key: written.endsWith('*') }
}

const nothing: RelationChange = {
  added: [],
  dropped: [],
  renamed: [],
  retyped: [],
  identity: undefined,
  table: undefined,
}

const identityOf = (replicaIdentity: ReplicaIdentity, ...key: string[]) => ({ replicaIdentity, key })

describe('a change of', () => {
  test.each<[string, string, string, Partial<RelationChange>]>([
    ['a column added at the end', 'id note', 'id note total:int4', { added: [columnOf('total:int4')] }],
    ['a column added in the middle', 'id note', 'id total:int4 note', { added: [columnOf('total:int4')] }],
    ['a column added at the front', 'id', 'total:int4 id', { added: [columnOf('total:int4')] }],
    ['the first column of a table', '', 'id', { added: [columnOf('id')] }],
    ['the first column dropped', 'id note total', 'note total', { dropped: [columnOf('id')] }],
    ['a middle column dropped', 'id note total', 'id total', { dropped: [columnOf('note')] }],
    ['the last column dropped', 'id note total', 'id note', { dropped: [columnOf('total')] }],
    ['every column dropped', 'id note', '', { dropped: [columnOf('id'), columnOf('note')] }],
    ['a column renamed', 'id note total', 'id remark total', { renamed: [{ from: 'note', to: 'remark' }] }],
    [
      'two columns renamed side by side',
      'id a b',
      'id x y',
      {
        renamed: [
          { from: 'a', to: 'x' },
          { from: 'b', to: 'y' },
        ],
      },
    ],
    [
      'a type',
      'id note:int4',
      'id note:numeric',
      { retyped: [{ column: 'note', from: columnOf('note:int4'), to: columnOf('note:numeric') }] },
    ],
    [
      'a modifier of a type',
      'total:numeric:655366',
      'total:numeric:786434',
      { retyped: [{ column: 'total', from: columnOf('total:numeric:655366'), to: columnOf('total:numeric:786434') }] },
    ],
    [
      'a column dropped and another added at the end',
      'id note total',
      'id total remark',
      { dropped: [columnOf('note')], added: [columnOf('remark')] },
    ],
    [
      'a column dropped, and in its place one of another type',
      'id note',
      'id remark:int4',
      { dropped: [columnOf('note')], added: [columnOf('remark:int4')] },
    ],
    [
      'the last column dropped and another of its type added: that is what a rename looks like, and is called one',
      'id note',
      'id remark',
      { renamed: [{ from: 'note', to: 'remark' }] },
    ],
    [
      'several things at once',
      'id a b:int4 c d',
      'id x b:numeric d e',
      {
        renamed: [{ from: 'a', to: 'x' }],
        retyped: [{ column: 'b', from: columnOf('b:int4'), to: columnOf('b:numeric') }],
        dropped: [columnOf('c')],
        added: [columnOf('e')],
      },
    ],
    [
      'names that two columns swap, since columns keep their order',
      'id note:int4',
      'note id:int4',
      {
        renamed: [
          { from: 'id', to: 'note' },
          { from: 'note', to: 'id' },
        ],
      },
    ],
    [
      'a column that another takes the name of, as to widen a key',
      'id:int4 note id_new:numeric',
      'id_old:int4 note id:numeric',
      {
        renamed: [
          { from: 'id', to: 'id_old' },
          { from: 'id_new', to: 'id' },
        ],
      },
    ],
    [
      'a column dropped, and another of its name added at the end',
      'id note total',
      'id total note',
      { dropped: [columnOf('note')], added: [columnOf('note')] },
    ],
  ])('%s', (_, before, after, expected) => {
    expect(describeChange(tableOf(before), tableOf(after))).toEqual({ ...nothing, ...expected })
  })

  test('the identity setting', () => {
    const change = describeChange(tableOf('id* note'), tableOf('id* note', { replicaIdentity: 'index' }))
    expect(change).toEqual({
      ...nothing,
      identity: { from: identityOf('default', 'id'), to: identityOf('index', 'id') },
    })
  })

  test('the columns that the identity covers', () => {
    expect(describeChange(tableOf('id* note'), tableOf('id* note*'))).toEqual({
      ...nothing,
      identity: { from: identityOf('default', 'id'), to: identityOf('default', 'id', 'note') },
    })
  })

  test('a column of the key, dropped', () => {
    expect(describeChange(tableOf('id* note'), tableOf('note'))).toEqual({
      ...nothing,
      dropped: [columnOf('id*')],
      identity: { from: identityOf('default', 'id'), to: identityOf('default') },
    })
  })

  test('a column of the key, renamed: the key is the same one', () => {
    expect(describeChange(tableOf('id* note'), tableOf('number* note'))).toEqual({
      ...nothing,
      renamed: [{ from: 'id', to: 'number' }],
    })
  })

  test('the key, when two columns swap their names and the key stays with the name', () => {
    expect(describeChange(tableOf('a d:int4*'), tableOf('d* a:int4'))).toEqual({
      ...nothing,
      renamed: [
        { from: 'a', to: 'd' },
        { from: 'd', to: 'a' },
      ],
      identity: { from: identityOf('default', 'd'), to: identityOf('default', 'd') },
    })
  })

  test('columns under identity full, whose key is all of them and says nothing of its own', () => {
    const full = { replicaIdentity: 'full' } as const
    expect(describeChange(tableOf('id* note*', full), tableOf('id* note* total*', full))).toEqual({
      ...nothing,
      added: [columnOf('total*')],
    })
  })

  test("the table's name", () => {
    const renamed = tableOf('id', { name: 'sales', table: 'public.sales' })
    expect(describeChange(tableOf('id'), renamed)).toEqual({
      ...nothing,
      table: { from: 'public.orders', to: 'public.sales' },
    })
  })

  test("the table's schema", () => {
    const moved = tableOf('id', { schema: 'archive', table: 'archive.orders' })
    expect(describeChange(tableOf('id'), moved)).toEqual({
      ...nothing,
      table: { from: 'public.orders', to: 'archive.orders' },
    })
  })
})

const anyTable = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', '__proto__', 'constructor'),
      type: fc.constantFrom('text', 'int4', 'numeric'),
      typmod: fc.constantFrom(-1, 20),
      key: fc.boolean(),
    }),
    { selector: ({ name }) => name },
  )
  .map((columns) =>
    tableOf('', { columns: columns.map((column) => ({ ...column, typeOid: typeOids.get(column.type)! })) }),
  )

/** What distinguishes columns to whoever keeps a copy of the table. */
const nameAndType = ({ name, typeOid, typmod }: Column) => `${name} ${typeOid} ${typmod}`

/** The columns of a copy of the table, after the change was made to it. */
function applied(columns: readonly Column[], { added, dropped, renamed, retyped }: RelationChange): Column[] {
  const remaining = columns.filter(({ name }) => !dropped.some((column) => column.name === name))
  const changed = remaining.map((column) => {
    const type = retyped.find(({ column: name }) => name === column.name)
    const name = renamed.find(({ from }) => from === column.name)
    return { ...(type?.to ?? column), name: name?.to ?? column.name }
  })
  return [...changed, ...added]
}

law(
  'between a table and itself nothing has changed',
  fc.property(anyTable, (table) => {
    expect(describeChange(table, { ...table, columns: [...table.columns] })).toEqual(nothing)
  }),
)

law(
  'whoever follows the described change has the columns of the new table, each with its type',
  fc.property(anyTable, anyTable, (before, after) => {
    const change = describeChange(before, after)
    const columns = applied(before.columns, change)
    expect(columns.map(nameAndType).sort()).toEqual(after.columns.map(nameAndType).sort())
  }),
  500,
)

/** The second table with the columns that both have in the order of the first, as Postgres keeps them. */
function inOrderOf(first: Relation, second: Relation): Relation {
  const places = new Map(first.columns.map(({ name }, place) => [name, place]))
  const shared = second.columns
    .filter(({ name }) => places.has(name))
    .sort((a, b) => places.get(a.name)! - places.get(b.name)!)
  return { ...second, columns: second.columns.map((column) => (places.has(column.name) ? shared.shift()! : column)) }
}

law(
  'a column that keeps its name, its type and its order is neither dropped, added nor renamed',
  fc.property(anyTable, anyTable, (before, second) => {
    const after = inOrderOf(before, second)
    const { added, dropped, renamed } = describeChange(before, after)
    const columns = after.columns.map(nameAndType)
    const kept = new Set(
      before.columns.filter((column) => columns.includes(nameAndType(column))).map(({ name }) => name),
    )
    const named = [...added, ...dropped].map(({ name }) => name).concat(renamed.flatMap(({ from, to }) => [from, to]))
    expect(named.filter((name) => kept.has(name))).toEqual([])
  }),
  500,
)

law(
  'the identity differs exactly when its setting does or, beside identity full, which columns its key has',
  fc.property(
    anyTable,
    anyTable,
    fc.constantFrom<ReplicaIdentity>('default', 'full'),
    fc.constantFrom<ReplicaIdentity>('default', 'full'),
    (first, second, from, to) => {
      const [before, after] = [
        { ...first, replicaIdentity: from },
        { ...second, replicaIdentity: to },
      ]
      const keyOf = (table: Relation) => table.columns.filter(({ key }) => key).map(({ name }) => name)
      const { identity, renamed } = describeChange(before, after)
      const nameNow = (name: string) => renamed.find((column) => column.from === name)?.to ?? name
      const differs = from !== to || (from !== 'full' && keyOf(before).map(nameNow).join() !== keyOf(after).join())
      expect(identity).toEqual(
        differs ? { from: identityOf(from, ...keyOf(before)), to: identityOf(to, ...keyOf(after)) } : undefined,
      )
    },
  ),
  500,
)
