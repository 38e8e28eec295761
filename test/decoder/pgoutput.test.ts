import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type BeginMessage,
  type CommitMessage,
  encodeBegin,
  encodeCommit,
  encodeDelete,
  encodeInsert,
  encodeLogicalMessage,
  encodeOrigin,
  encodeRelation,
  encodeTruncate,
  encodeType,
  encodeUpdate,
  type LogicalMessage,
  type OriginMessage,
  type RelationMessage,
  type TupleValue,
  type TypeMessage,
} from '../../src/decoder/messages.ts'
import { PgoutputDecoder, type PgoutputMessage, type PgoutputSink } from '../../src/decoder/pgoutput.ts'
import type { Relation, ReplicaIdentity, Row } from '../../src/decoder/relation.ts'
import { ProtocolError } from '../../src/protocol/messages/errors.ts'
import { law } from '../property.ts'
import { rowWithUnchanged, type SentColumn, utf8 } from './arbitraries.ts'
import { fieldOf } from './wire-rows.ts'

const oid = 16_384

function newDecoder(): PgoutputDecoder {
  return new PgoutputDecoder({ protoVersion: 1 })
}

/** A table with columns of text; a name with an asterisk is part of the key. */
function textTable(...columns: string[]): RelationMessage {
  return {
    kind: 'relation',
    oid,
    schema: 'public',
    name: 'orders',
    replicaIdentity: 'default',
    columns: columns.map((name) => ({
      name: name.replace('*', ''),
      typeOid: 25,
      typmod: -1,
      key: name.endsWith('*'),
    })),
  }
}

function decoderOf(...columns: string[]): PgoutputDecoder {
  const decoder = newDecoder()
  decoder.define(textTable(...columns))
  return decoder
}

/** Values in the order of the columns; `undefined` is unchanged TOAST. */
function tuple(...values: (string | null | undefined)[]): TupleValue[] {
  return values.map((value) => (value === undefined ? 'unchanged' : value === null ? null : utf8(value)))
}

describe('the messages without rows are decoded as what they are', () => {
  const begin: BeginMessage = { kind: 'begin', finalLsn: 0x10n, commitTime: 5n, xid: 7 }
  const message: LogicalMessage = {
    kind: 'message',
    transactional: true,
    lsn: 0x20n,
    prefix: 'p',
    content: Uint8Array.from([0, 1, 255]),
  }
  const commit: CommitMessage = { kind: 'commit', commitLsn: 0x10n, endLsn: 0x18n, commitTime: 5n }
  const origin: OriginMessage = { kind: 'origin', originLsn: 0n, name: 'elsewhere' }
  const type: TypeMessage = { kind: 'type', oid: 16_400, schema: 'public', name: 'mood' }

  test.each([
    { message: begin, bytes: encodeBegin(begin) },
    { message, bytes: encodeLogicalMessage(message) },
    { message: commit, bytes: encodeCommit(commit) },
    { message: origin, bytes: encodeOrigin(origin) },
    { message: type, bytes: encodeType(type) },
  ])('$message.kind', ({ message, bytes }) => {
    expect(newDecoder().decode(bytes)).toEqual(message)
  })

  test('relation, with the names of its types', () => {
    const decoded = newDecoder().decode(
      encodeRelation({
        kind: 'relation',
        oid,
        schema: 'pg_catalog',
        name: 'Orders "new"',
        replicaIdentity: 'index',
        columns: [
          { name: 'id', typeOid: 20, typmod: -1, key: true },
          { name: 'tags', typeOid: 1009, typmod: -1, key: false },
          { name: 'of a type that nobody described', typeOid: 99_999, typmod: 12, key: false },
        ],
      }),
    )
    expect(decoded).toEqual({
      kind: 'relation',
      relation: {
        oid,
        schema: 'pg_catalog',
        name: 'Orders "new"',
        table: 'pg_catalog.Orders "new"',
        replicaIdentity: 'index',
        columns: [
          { name: 'id', type: 'int8', typeOid: 20, typmod: -1, key: true },
          { name: 'tags', type: '_text', typeOid: 1009, typmod: -1, key: false },
          { name: 'of a type that nobody described', type: '99999', typeOid: 99_999, typmod: 12, key: false },
        ],
      },
    })
  })

  test('truncate, with the relations that it names in their order', () => {
    const decoder = newDecoder()
    const orders = decoder.define(textTable('id*'))
    const lines = decoder.define({ ...textTable('id*'), oid: oid + 1, name: 'lines' })
    const relationOids = [lines.oid, orders.oid]
    const bytes = encodeTruncate({ kind: 'truncate', relationOids, cascade: true, restartIdentity: false })
    const decoded = decoder.decode(bytes)
    expect(decoded).toEqual({ kind: 'truncate', relations: [lines, orders], cascade: true, restartIdentity: false })
    expect(decoded.kind === 'truncate' && decoded.relations[0] === lines && decoded.relations[1] === orders).toBe(true)
  })
})

/** A change to a row of a random table, and what it must be decoded as. */
interface SentChange {
  readonly table: RelationMessage
  readonly bytes: Uint8Array
  readonly expected: (relation: Relation) => PgoutputMessage
}

function tableOf(columns: readonly SentColumn[]): RelationMessage {
  return {
    kind: 'relation',
    oid,
    schema: 'public',
    name: 'orders',
    replicaIdentity: 'default',
    columns: columns.map(({ name, typeOid, skipped }) => ({ name, typeOid, typmod: -1, key: !skipped })),
  }
}

/** The row that these columns make, without those that `has` leaves out. */
function rowOf(columns: readonly SentColumn[], has: (column: SentColumn) => boolean): Row {
  const row: Row = {}
  for (const column of columns) {
    const { read } = fieldOf({ ...column, skipped: false })
    const { name, sent } = column
    if (sent === 'unchanged' || !has(column)) continue
    const value = sent === null ? null : read!(sent, 0, sent.length)
    Object.defineProperty(row, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return row
}

const isKey = ({ skipped }: SentColumn) => !skipped
const wasSent = (column: SentColumn) => column.sent !== 'unchanged'
const sentAsNullIfUnchanged = (column: SentColumn): SentColumn => (wasSent(column) ? column : { ...column, sent: null })
const valuesOf = (columns: readonly SentColumn[]) => columns.map(({ sent }) => sent)

const inserts: fc.Arbitrary<SentChange> = rowWithUnchanged.map((random) => {
  const missing = random.filter((column) => !wasSent(column)).map(({ name }) => name)
  return {
    table: tableOf(random),
    bytes: encodeInsert(oid, valuesOf(random)),
    expected: (relation) => ({
      kind: 'insert',
      relation,
      new: rowOf(random, wasSent),
      unchanged: missing.length > 0 ? missing : undefined,
    }),
  }
})

const updates: fc.Arbitrary<SentChange> = fc
  .tuple(rowWithUnchanged, fc.constantFrom('K' as const, 'O' as const, undefined))
  .map(([columns, kind]) => {
    const before = columns.map((column) => ({ ...column, sent: column.was }))
    const known = kind === undefined ? [] : kind === 'K' ? before.filter(isKey) : before
    const filled = columns.map((column) =>
      wasSent(column) ? column : (known.find(({ name, sent }) => name === column.name && sent !== null) ?? column),
    )
    const missing = filled.filter((column) => !wasSent(column)).map(({ name }) => name)
    return {
      table: tableOf(columns),
      bytes: encodeUpdate(oid, kind && { kind, tuple: valuesOf(before) }, valuesOf(columns)),
      expected: (relation) => ({
        kind: 'update',
        relation,
        key: kind === 'K' ? rowOf(before, isKey) : undefined,
        old: kind === 'O' ? rowOf(before, () => true) : undefined,
        new: rowOf(filled, wasSent),
        unchanged: missing.length > 0 ? missing : undefined,
      }),
    }
  })

const deletes: fc.Arbitrary<SentChange> = fc
  .tuple(rowWithUnchanged, fc.constantFrom('K' as const, 'O' as const))
  .map(([random, kind]) => {
    const columns = random.map(sentAsNullIfUnchanged)
    return {
      table: tableOf(columns),
      bytes: encodeDelete(oid, { kind, tuple: valuesOf(columns) }),
      expected: (relation) => ({
        kind: 'delete',
        relation,
        key: kind === 'K' ? rowOf(columns, isKey) : undefined,
        old: kind === 'O' ? rowOf(columns, () => true) : undefined,
      }),
    }
  })

const truncations: fc.Arbitrary<SentChange> = fc.record({ cascade: fc.boolean(), restartIdentity: fc.boolean() }).map(
  (flags): SentChange => ({
    table: textTable('id*'),
    bytes: encodeTruncate({ kind: 'truncate', relationOids: [oid, oid], ...flags }),
    expected: (relation) => ({ kind: 'truncate', relations: [relation, relation], ...flags }),
  }),
)

const ignored: PgoutputSink = {
  begin() {},
  message() {},
  commit() {},
  origin() {},
  relation() {},
  type() {},
  insert() {},
  update() {},
  delete() {},
  truncate() {},
  streamAbort() {},
}

describe.each([
  { name: 'an Insert', changes: inserts },
  { name: 'an Update', changes: updates },
  { name: 'a Delete', changes: deletes },
  { name: 'a Truncate', changes: truncations },
])('$name', ({ changes }) => {
  law(
    'comes back from its bytes with its values, in the order of the columns',
    fc.property(changes, ({ table, bytes, expected }) => {
      const decoder = newDecoder()
      const relation = decoder.define(table)
      const decoded = decoder.decode(bytes)
      expect(decoded).toEqual(expected(relation))
      expect(keysOfRows(decoded)).toEqual(keysOfRows(expected(relation)))
    }),
    200,
  )

  law(
    'holds nothing of the buffer that it was read from (traps 61 and 74)',
    fc.property(changes, ({ table, bytes, expected }) => {
      const decoder = newDecoder()
      const relation = decoder.define(table)
      const decoded = decoder.decode(bytes)
      bytes.fill(0x2a)
      expect(decoded).toEqual(expected(relation))
    }),
  )

  law(
    'cut short at any byte is an error whose offset counts from the start of its body, wherever it lies in a buffer',
    fc.property(changes, fc.uint8Array({ maxLength: 9 }), ({ table, bytes }, before) => {
      const decoder = newDecoder()
      decoder.define(table)
      const buffer = Uint8Array.from([...before, ...bytes, ...utf8('nnnnn')])
      for (let length = 0; length < bytes.length; length++) {
        const error = errorOf(() => decoder.read(buffer, before.length, before.length + length, ignored))
        expect(error.offset).toBeGreaterThanOrEqual(0)
        expect(error.offset).toBeLessThanOrEqual(Math.max(0, length - 1))
      }
    }),
    40,
  )

  law(
    'with bytes behind its last field is an error at the first of them',
    fc.property(changes, fc.uint8Array({ minLength: 1, maxLength: 4 }), ({ table, bytes }, rest) => {
      const decoder = newDecoder()
      decoder.define(table)
      const error = errorOf(() => decoder.decode(Uint8Array.from([...bytes, ...rest])))
      expect(error.offset).toBe(bytes.length - 1)
    }),
  )

  law(
    'of a table that the stream did not describe is an error and not a guess',
    fc.property(changes, ({ bytes }) => {
      expect(errorOf(() => newDecoder().decode(bytes)).message).toContain(
        `its relation ${oid} was not described before`,
      )
    }),
    20,
  )
})

test('an update that became an insert by a row filter says which of its large values were not sent', () => {
  // ALTER TABLE t ALTER photo SET STORAGE EXTERNAL; CREATE PUBLICATION p FOR TABLE t WHERE (id > 10);
  // UPDATE t SET id = 20 WHERE id = 5
  const message = decoderOf('id*', 'photo').decode(encodeInsert(oid, tuple('20', undefined)))
  expect(message).toMatchObject({ kind: 'insert', unchanged: ['photo'] })
  expect(message).toHaveProperty('new', { id: '20' })
})

describe('a change is refused', () => {
  const id = utf8('1')
  /** The tuple begins after the relation's OID and the kind. */
  const tupleAt = 5
  const changes: readonly (readonly [string, Uint8Array, offset: number, why: string])[] = [
    [
      'with too few columns for its table (trap 33)',
      encodeInsert(oid, [id]),
      tupleAt,
      'it has 1 columns, its relation 2',
    ],
    [
      'with too many columns for its table (trap 33)',
      encodeInsert(oid, [id, id, id]),
      tupleAt,
      'it has 3 columns, its relation 2',
    ],
    [
      'with an old row of another number of columns (trap 33)',
      encodeUpdate(oid, { kind: 'O', tuple: [id] }, [id, id]),
      tupleAt,
      'it has 1 columns, its relation 2',
    ],
    [
      'with a new row of another number of columns than the old one (trap 33)',
      encodeUpdate(oid, { kind: 'O', tuple: [id, id] }, [id]),
      tupleAt + 2 + 6 + 6 + 1,
      'it has 1 columns, its relation 2',
    ],
    [
      'with a length that lies',
      encodeInsert(oid, [id, id]).with(9, 0x7f),
      tupleAt + 2,
      'says that it is 2130706433 bytes long',
    ],
    ['with a kind of value that nobody knows', encodeInsert(oid, [id, null]).with(14, 0x78), tupleAt + 8, 'kind 0x78'],
    ['that is an Insert of an old row', encodeInsert(oid, [id, id]).with(5, 0x4f), 4, 'no new tuple follows'],
    [
      'that is a Delete of a new row',
      encodeInsert(oid, [id, id]).with(0, 0x44),
      4,
      'neither key nor old tuple follows',
    ],
    [
      'that is an Update without a new row',
      encodeDelete(oid, { kind: 'O', tuple: [id, id] }).with(0, 0x55),
      tupleAt + 14,
      'no new tuple follows',
    ],
  ]

  test.each(changes)('%s', (_, bytes, offset, why) => {
    const error = errorOf(() => decoderOf('id*', 'note').decode(bytes))
    expect(error.message).toContain(why)
    expect(error.offset).toBe(offset)
  })

  test.each([
    ['that is empty', new Uint8Array(0), 'it is empty'],
    ['of a kind that nobody knows', utf8('x'), 'pgoutput version 1 has no message 0x78'],
    ['that belongs to streaming, which was not asked for', utf8('S\0\0\0\u0001\u0001'), 'has no message 0x53'],
  ])('%s', (_, bytes, why) => {
    const error = errorOf(() => newDecoder().decode(bytes))
    expect(error.message).toContain(why)
    expect(error.offset).toBe(0)
  })

  test('by naming the column whose value its type cannot be', () => {
    const decoder = newDecoder()
    const columns = [{ name: 'amount', typeOid: 23, typmod: -1, key: true }]
    decoder.define({ ...textTable(), columns })
    expect(() => decoder.decode(encodeInsert(oid, tuple('many')))).toThrow(
      expect.objectContaining({ code: 'protocol_violation', table: 'public.orders', column: 'amount' }),
    )
  })
})

describe('an update', () => {
  test('takes unchanged TOAST from the old row under identity full, where it is sent whole (trap 34)', () => {
    const update = encodeUpdate(oid, { kind: 'O', tuple: tuple('1', 'long', 'old') }, tuple('1', undefined, 'new'))
    const decoded = decoderOf('id*', 'photo', 'note').decode(update)
    expect(decoded).toMatchObject({
      new: { id: '1', photo: 'long', note: 'new' },
      old: { id: '1', photo: 'long', note: 'old' },
      key: undefined,
      unchanged: undefined,
    })
  })

  test('takes unchanged TOAST from the key, where it is part of that', () => {
    const update = encodeUpdate(oid, { kind: 'K', tuple: tuple('1', 'long', null) }, tuple('2', undefined, 'new'))
    const decoded = decoderOf('id*', 'photo*', 'note').decode(update)
    expect(decoded).toMatchObject({
      new: { id: '2', photo: 'long', note: 'new' },
      key: { id: '1', photo: 'long' },
      unchanged: undefined,
    })
  })

  test.each([
    ['and the key changed: the NULL in the key tuple is not its value (traps 35 and 36)', tuple('1', null, null)],
    ['and nothing of the old row was sent (trap 35)', undefined],
  ])('lacks unchanged TOAST that was sent nowhere, and says so, when it is beside the key %s', (_, key) => {
    const update = encodeUpdate(oid, key && { kind: 'K', tuple: key }, tuple('2', undefined, 'new'))
    const decoded = decoderOf('id*', 'photo', 'note').decode(update)
    expect(decoded).toMatchObject({ unchanged: ['photo'] })
    expect(keysOfRows(decoded)).toEqual([['id', 'note'], ...(key ? [['id']] : [])])
  })

  test('keeps the order of the columns when it fills in the first of them', () => {
    const update = encodeUpdate(oid, { kind: 'O', tuple: tuple('long', '1') }, tuple(undefined, '2'))
    expect(keysOfRows(decoderOf('photo', 'id*').decode(update))).toEqual([
      ['photo', 'id'],
      ['photo', 'id'],
    ])
  })

  test('never takes a NULL of the old row for unchanged TOAST, which is out of line and so never NULL (trap 75)', () => {
    const update = encodeUpdate(oid, { kind: 'O', tuple: tuple('1', null) }, tuple('1', undefined))
    const decoded = decoderOf('id*', 'photo').decode(update)
    expect(decoded).toMatchObject({ unchanged: ['photo'] })
    expect(keysOfRows(decoded)).toEqual([['id'], ['id', 'photo']])
  })

  test('does not take the name of a property of every object for a value that was sent', () => {
    const update = encodeUpdate(oid, { kind: 'K', tuple: tuple('1', null, null) }, tuple('1', undefined, undefined))
    const decoded = decoderOf('id*', 'constructor', '__proto__').decode(update)
    expect(decoded).toMatchObject({ unchanged: ['constructor', '__proto__'] })
  })
})

test("a delete's key has the columns of the key alone: the others were sent as NULL and are not (trap 36)", () => {
  const decoder = decoderOf('note', 'id*', 'photo')
  const decoded = decoder.decode(encodeDelete(oid, { kind: 'K', tuple: tuple(null, '7', null) }))
  expect(decoded).toMatchObject({ key: { id: '7' }, old: undefined })
  expect(keysOfRows(decoded)).toEqual([['id']])
})

describe('rows of partitions under the name of their root', () => {
  const partition = (oid: number, replicaIdentity: ReplicaIdentity, ...columns: string[]) => ({
    ...textTable(...columns),
    oid,
    name: `partition_${oid}`,
    replicaIdentity,
  })
  const root = (replicaIdentity: ReplicaIdentity, ...columns: string[]) => ({
    ...textTable(...columns),
    replicaIdentity,
  })
  /** As the server describes them before the first change of a partition. */
  const decoderOfPartition = (...described: RelationMessage[]) => {
    const decoder = newDecoder()
    for (const relation of described) decoder.define(relation)
    return decoder
  }
  const update = encodeUpdate(oid, { kind: 'O', tuple: tuple('1', null, null) }, tuple('2', undefined, 'new'))

  test('have the key that the partition logs, though the root has identity full and marks them as whole (trap 76)', () => {
    const decoder = decoderOfPartition(
      root('full', 'id*', 'photo*', 'note*'),
      partition(7, 'default', 'id*', 'photo', 'note'),
    )
    const decoded = decoder.decode(update)
    expect(decoded).toMatchObject({
      relation: { replicaIdentity: 'default' },
      key: { id: '1' },
      old: undefined,
      new: { id: '2', note: 'new' },
      unchanged: ['photo'],
    })
    expect(keysOfRows(decoded)).toEqual([['id', 'note'], ['id']])
    const deleted = decoder.decode(encodeDelete(oid, { kind: 'O', tuple: tuple('2', null, null) }))
    expect(deleted).toMatchObject({ key: { id: '2' }, old: undefined })
  })

  test('keep the key of the root where the partition has identity full', () => {
    const decoder = decoderOfPartition(root('default', 'id*', 'note'), partition(7, 'full', 'note*', 'id*'))
    const decoded = decoder.decode(encodeUpdate(oid, { kind: 'K', tuple: tuple('1', null) }, tuple('1', 'new')))
    expect(decoded).toMatchObject({ relation: { replicaIdentity: 'default' }, key: { id: '1' }, old: undefined })
  })

  test('are whole where the root has no key and every partition identity full', () => {
    const decoder = decoderOfPartition(root('default', 'id', 'note'), partition(7, 'full', 'id*', 'note*'))
    const decoded = decoder.decode(encodeDelete(oid, { kind: 'K', tuple: tuple('1', null) }))
    expect(decoded).toMatchObject({
      relation: { replicaIdentity: 'full' },
      key: undefined,
      old: { id: '1', note: null },
    })
  })

  test('say nothing of old values where a partition is described by other columns, unless somebody knows its identity', () => {
    const described = [root('full', 'id*', 'photo*', 'note*'), partition(7, 'default', 'photo', 'other')]
    const decoder = decoderOfPartition(...described)
    expect(decoder.partitionUntold).toBe(true)
    expect(decoder.decode(update)).toMatchObject({ relation: { replicaIdentity: 'nothing' }, old: undefined })
    const told = decoderOfPartition(...described)
    told.knowPartitions(oid, new Map([[7, { replicaIdentity: 'default', key: ['id'] }]]))
    expect(told.decode(update)).toMatchObject({ key: { id: '1' }, old: undefined, unchanged: ['photo'] })
    expect(decoderOfPartition(root('full', 'id*'), partition(7, 'full', 'id*')).partitionUntold).toBe(false)
  })

  test('have the key that all partitions log, from the first change of the one that logs less', () => {
    const decoder = decoderOfPartition(root('full', 'id*', 'note*'), partition(7, 'full', 'id*', 'note*'))
    const change = encodeUpdate(oid, { kind: 'O', tuple: tuple('1', 'old') }, tuple('1', 'new'))
    expect(decoder.decode(change)).toMatchObject({ old: { id: '1', note: 'old' } })
    decoder.define(root('full', 'id*', 'note*'))
    decoder.define(partition(8, 'default', 'id*', 'note'))
    expect(decoder.decode(encodeUpdate(oid, undefined, tuple('3', 'new')))).toMatchObject({
      relation: { columns: [{ key: true }, { key: false }] },
      key: undefined,
      old: undefined,
    })
    expect(decoder.decode(change)).toMatchObject({ key: { id: '1' }, old: undefined })
  })

  test('go by the partition also after the root got another identity, of which the server says nothing', () => {
    const decoder = decoderOfPartition(
      root('default', 'id*', 'photo', 'note'),
      partition(7, 'default', 'id*', 'photo', 'note'),
    )
    expect(decoder.decode(update)).toMatchObject({ key: { id: '1' }, old: undefined, unchanged: ['photo'] })
  })

  test.each([
    [
      'no column in common',
      [root('full', 'a*', 'b*'), partition(7, 'index', 'a*', 'b'), partition(8, 'index', 'a', 'b*')],
    ],
  ])(
    'whose identities have %s are told to the receiver, before it takes them for anything',
    (_, [top, ...partitions]) => {
      const decoder = newDecoder()
      for (const each of partitions) {
        decoder.define(top!)
        decoder.define(each)
        decoder.decode(encodeInsert(oid, tuple('1', '2')))
      }
      const told: string[] = []
      const sink = { ...ignored, unidentified: (_relation: Relation, why: string) => void told.push(why) }
      const changes = [
        encodeUpdate(oid, undefined, tuple('1', '2')),
        encodeUpdate(oid, { kind: 'O', tuple: tuple('1', null) }, tuple('1', '2')),
        encodeDelete(oid, { kind: 'O', tuple: tuple('1', null) }),
      ]
      for (const bytes of changes) decoder.read(bytes, 0, bytes.length, sink)
      expect(told).toEqual([
        'its partitions have no column in common that identifies their rows',
        'its key has no column',
        'its key has no column',
      ])
    },
  )

  test('are those of a table of its own once a partition is none any more', () => {
    const alone = partition(7, 'index', 'a', 'b*')
    const decoder = decoderOfPartition(root('default', 'a*', 'b'), alone)
    decoder.decode(encodeInsert(oid, tuple('1', '2')))
    decoder.define(alone)
    decoder.decode(encodeInsert(7, tuple('1', '2')))
    decoder.define(root('default', 'a*', 'b'))
    expect(decoder.decode(encodeDelete(oid, { kind: 'K', tuple: tuple('1', null) }))).toMatchObject({
      key: { a: '1' },
    })
  })
})

test.each([
  ['a NULL in a key', textTable('id*', 'other*'), 'its key has no value for other'],
  ['a key without a column', textTable('id', 'other'), 'its key has no column'],
])('%s is told to the receiver: something else was logged than the relation says', (_, table, why) => {
  const decoder = newDecoder()
  decoder.define(table)
  const told: string[] = []
  const sink = { ...ignored, unidentified: (_relation: Relation, why: string) => void told.push(why) }
  for (const bytes of [
    encodeDelete(oid, { kind: 'K', tuple: tuple('1', null) }),
    encodeUpdate(oid, { kind: 'K', tuple: tuple('1', null) }, tuple('1', '2')),
  ]) {
    decoder.read(bytes, 0, bytes.length, sink)
  }
  expect(told).toEqual([why, why])
})

describe('a relation', () => {
  test('is the same object in the next stream where it is described the same, and unknown until it is', () => {
    const former = newDecoder()
    const [same, other] = [textTable('id*', 'a'), { ...textTable('id*', 'b'), oid: oid + 1, name: 'other' }]
    const relations = [former.define(same), former.define(other)]
    const next = new PgoutputDecoder({ protoVersion: 1, former })
    const insert = encodeInsert(oid, tuple('1', 'x'))
    expect(() => next.decode(insert)).toThrow('was not described before')
    expect(next.define(textTable('id*', 'a'))).toBe(relations[0])
    expect(next.decode(insert)).toMatchObject({ kind: 'insert', new: { id: '1', a: 'x' } })
    const altered = next.define({ ...other, columns: textTable('id*', 'c').columns })
    expect(altered).not.toBe(relations[1])
    const last = new PgoutputDecoder({ protoVersion: 1, former: next })
    expect([last.define(same), last.define({ ...other, columns: altered.columns })]).toEqual([relations[0], altered])
    expect(last.define(same)).toBe(relations[0])
  })

  test('stays the same object when the server says it again without a difference', () => {
    const decoder = newDecoder()
    const first = decoder.define(textTable('id*', 'note'))
    expect(decoder.define(textTable('id*', 'note'))).toBe(first)
    expect(decoder.remember({ ...first })).toBe(first)
  })

  test.each<[string, RelationMessage]>([
    ['a column more', textTable('id*', 'note', 'more')],
    ['a column less', textTable('id*')],
    ['a column of another name', textTable('id*', 'remark')],
    ['other places of its columns', textTable('note', 'id*')],
    ['another key', textTable('id*', 'note*')],
    ['another identity', { ...textTable('id*', 'note'), replicaIdentity: 'index' }],
    ['another name', { ...textTable('id*', 'note'), name: 'sales' }],
    ['another schema', { ...textTable('id*', 'note'), schema: 'archive' }],
    [
      'another type',
      {
        ...textTable('id*'),
        columns: [...textTable('id*').columns, { name: 'note', typeOid: 1043, typmod: -1, key: false }],
      },
    ],
    [
      'another modifier of a type',
      {
        ...textTable('id*'),
        columns: [...textTable('id*').columns, { name: 'note', typeOid: 25, typmod: 9, key: false }],
      },
    ],
  ])('with %s is another object, and rows that are kept keep the one they came with (trap 30)', (_, changed) => {
    const decoder = newDecoder()
    decoder.define(textTable('id*', 'note'))
    const kept = decoder.decode(encodeInsert(oid, tuple('1', 'a')))
    const snapshot = structuredClone(kept)
    const second = decoder.define(changed)
    expect(kept).toEqual(snapshot)
    expect(kept.kind === 'insert' && kept.relation !== second).toBe(true)
  })

  test('that changes twice within one transaction is read each time as it is then (trap 31)', () => {
    const decoder = newDecoder()
    const rows = [textTable('id*', 'note'), textTable('id*', 'remark'), textTable('id*', 'remark', 'more')].map(
      (table, index) => {
        decoder.decode(encodeRelation(table))
        const decoded = decoder.decode(encodeInsert(oid, tuple('1', 'a', 'b').slice(0, index === 2 ? 3 : 2)))
        return decoded.kind === 'insert' ? [decoded.new, decoded.relation.columns.length] : decoded
      },
    )
    expect(rows).toEqual([
      [{ id: '1', note: 'a' }, 2],
      [{ id: '1', remark: 'a' }, 2],
      [{ id: '1', remark: 'a', more: 'b' }, 3],
    ])
  })

  test('is known by an OID that has no sign: the greatest is 4,294,967,295', () => {
    const decoder = newDecoder()
    decoder.define({ ...textTable('id*'), oid: 0xffff_ffff })
    expect(decoder.decode(encodeInsert(0xffff_ffff, tuple('1')))).toMatchObject({ relation: { oid: 0xffff_ffff } })
  })

  test('takes effect when its receiver defines it, and not before: its types may have to be learned first', () => {
    const decoder = newDecoder()
    const received: RelationMessage[] = []
    const bytes = encodeRelation(textTable('id*'))
    decoder.read(bytes, 0, bytes.length, { ...ignored, relation: (message) => received.push(message) })
    const insert = encodeInsert(oid, tuple('1'))
    expect(() => decoder.decode(insert)).toThrow(ProtocolError)
    for (const message of received) decoder.define(message)
    expect(decoder.decode(insert)).toMatchObject({ new: { id: '1' } })
  })

  law(
    'is for every row the one that was last said of its table, however tables and schemas alternate',
    fc.property(
      fc.array(fc.record({ table: fc.nat(2), columns: fc.option(fc.integer({ min: 1, max: 3 })) }), { maxLength: 30 }),
      (steps) => {
        const decoder = newDecoder()
        const columnsOf = new Map<number, string[]>()
        for (const { table, columns } of steps) {
          if (columns !== null) {
            const names = Array.from({ length: columns }, (_, index) => `c${index}`)
            columnsOf.set(table, names)
            decoder.decode(encodeRelation({ ...textTable(...names), oid: oid + table, name: `t${table}` }))
          } else {
            const names = columnsOf.get(table)
            if (names === undefined) continue
            expect(decoder.decode(encodeInsert(oid + table, tuple(...names)))).toMatchObject({
              relation: { oid: oid + table, name: `t${table}` },
              new: Object.fromEntries(names.map((name) => [name, name])),
            })
          }
        }
      },
    ),
  )
})

/** The names of the properties of a change's rows, in their order: what toEqual does not compare. */
function keysOfRows(message: PgoutputMessage): string[][] {
  const rows =
    message.kind === 'insert'
      ? [message.new]
      : message.kind === 'update'
        ? [message.new, message.key, message.old]
        : message.kind === 'delete'
          ? [message.key, message.old]
          : []
  return rows.flatMap((row) => (row === undefined ? [] : [Object.keys(row)]))
}

function errorOf(read: () => unknown): ProtocolError {
  try {
    read()
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
  return expect.unreachable('it was read without an error')
}
