import {
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
  type RelationMessage,
  type TupleValue,
} from '../src/decoder/messages.ts'
import type { PgoutputMessage } from '../src/decoder/pgoutput.ts'
import type { Relation, ReplicaIdentity, Row } from '../src/decoder/relation.ts'
import type { PgType, TypeRegistry } from '../src/decoder/types/registry.ts'
import {
  encodePrimaryKeepalive,
  encodeXLogData,
  type ReplicationMessage,
} from '../src/protocol/messages/replication-messages.ts'
import type { Choices } from './choices.ts'
import { demand } from './target.ts'

/** A CopyData message of a generated stream, and what it must be read as. */
export interface GeneratedMessage {
  readonly bytes: Uint8Array
  readonly expected: Exclude<ReplicationMessage, { type: 'XLogData' }> | PgoutputMessage
}

const mostMessages = 24
const mostColumns = 6
const names = ['id', 'a', 'name of it', '__proto__', 'constructor', 'é😀', '"', '0', 'x"];y', 'pg_type'] as const
const identities = ['default', 'nothing', 'full', 'index'] as const satisfies readonly ReplicaIdentity[]
const encoder = new TextEncoder()
const epochOffset = 946_684_800_000_000n

/** A stream that the choices make: tables that are described and change, and every kind of change to their rows. */
export function generateStream(choices: Choices, types: TypeRegistry): GeneratedMessage[] {
  return [...new StreamWriter(choices, types).messages()]
}

/** Makes values of a type: what walwire reads them as. */
type MakeValue = (choices: Choices) => unknown

const text: MakeValue = (choices) => choices.list(12, () => choices.pick(letters)).join('')
const letters = ['a', 'é', '😀', '\\', '"', '{', '}', ',', ' ', '\t', '\n', 'NULL', '\u0001', '\ufeff'] as const
const float8 = new DataView(new ArrayBuffer(8))

/** By type, values that it can have. */
const valuesOf: readonly (readonly [oid: number, make: MakeValue])[] = [
  [25, text],
  [16, (choices) => choices.once(2)],
  [23, (choices) => choices.uint32() | 0],
  [21, (choices) => (choices.uint32() << 16) >> 16],
  [26, (choices) => choices.uint32()],
  [20, (choices) => BigInt.asIntN(64, choices.uint64())],
  [17, (choices) => choices.bytes(20)],
  [
    701,
    (choices) => {
      float8.setBigUint64(0, choices.uint64())
      return float8.getFloat64(0)
    },
  ],
  [1700, (choices) => choices.pick(['0', '0.00', '-1.5', 'NaN', '-Infinity', '123456789012345678901234567890.10'])],
  [1184, (choices) => choices.pick(['infinity', '2026-01-02 03:04:05.678901+00', '0044-03-15 12:00:00+00 BC'])],
  [1009, (choices) => choices.list(4, () => (choices.once(4) ? null : text(choices)))],
  [1007, (choices) => choices.list(5, () => (choices.once(4) ? null : choices.uint32() | 0))],
  [1001, (choices) => choices.list(3, () => choices.bytes(4))],
  // one that nobody has described
  [88_888, text],
]

interface Table {
  readonly relation: Relation
  readonly columns: readonly { readonly type: PgType; readonly make: MakeValue }[]
}

class StreamWriter {
  readonly #choices: Choices
  readonly #types: TypeRegistry
  readonly #tables: Table[] = []

  constructor(choices: Choices, types: TypeRegistry) {
    this.#choices = choices
    this.#types = types
  }

  *messages(): Generator<GeneratedMessage, undefined> {
    const choices = this.#choices
    for (let left = mostMessages; left > 0 && !choices.done; left--) {
      if (choices.once(8)) {
        yield this.#keepalive()
        continue
      }
      const { data, expected } = this.#message()
      const lsn = choices.uint64()
      const walEnd = choices.once(8) ? choices.uint64() : lsn
      yield { bytes: encodeXLogData({ dataStart: lsn, walEnd, sendTime: this.#time(), data }), expected }
    }
    return undefined
  }

  #keepalive(): GeneratedMessage {
    const choices = this.#choices
    const keepalive = { walEnd: choices.uint64(), sendTime: this.#time(), replyRequested: choices.once(2) }
    return { bytes: encodePrimaryKeepalive(keepalive), expected: { type: 'PrimaryKeepalive', ...keepalive } }
  }

  #message(): { readonly data: Uint8Array; readonly expected: PgoutputMessage } {
    const choices = this.#choices
    const kind = this.#tables.length === 0 ? choices.below(6) : choices.below(14)
    switch (kind) {
      case 0:
      case 1:
        return this.#relation()
      case 2: {
        const expected = {
          kind: 'begin',
          finalLsn: choices.uint64(),
          commitTime: this.#time(),
          xid: choices.uint32(),
        } as const
        return { data: encodeBegin(expected), expected }
      }
      case 3: {
        const [commitLsn, endLsn] = [choices.uint64(), choices.uint64()]
        const expected = { kind: 'commit', commitLsn, endLsn, commitTime: this.#time() } as const
        return { data: encodeCommit(expected), expected }
      }
      case 4: {
        const content = choices.bytes(40)
        const expected = {
          kind: 'message',
          transactional: choices.once(2),
          lsn: choices.uint64(),
          prefix: this.#name(),
          content,
        } as const
        return { data: encodeLogicalMessage(expected), expected }
      }
      case 5: {
        if (choices.once(2)) {
          const expected = { kind: 'origin', originLsn: choices.uint64(), name: this.#name() } as const
          return { data: encodeOrigin(expected), expected }
        }
        const expected = { kind: 'type', oid: choices.uint32(), schema: this.#schema(), name: this.#name() } as const
        return { data: encodeType(expected), expected }
      }
      case 6: {
        const tables = Array.from({ length: 1 + choices.below(4) }, () => choices.pick(this.#tables))
        const expected = {
          kind: 'truncate',
          relations: tables.map(({ relation }) => relation),
          cascade: choices.once(2),
          restartIdentity: choices.once(2),
        } as const
        const { cascade, restartIdentity } = expected
        const relationOids = tables.map(({ relation }) => relation.oid)
        return { data: encodeTruncate({ kind: 'truncate', relationOids, cascade, restartIdentity }), expected }
      }
      case 7:
      case 8:
        return this.#update()
      case 9:
        return this.#delete()
      default:
        return this.#insert()
    }
  }

  #relation(): { readonly data: Uint8Array; readonly expected: PgoutputMessage } {
    const choices = this.#choices
    const offset = choices.below(names.length)
    const oid = 16_384 + choices.below(4)
    const columns = Array.from({ length: choices.below(mostColumns + 1) }, (_, index) => {
      const [typeOid, make] = choices.pick(valuesOf)
      const type = this.#types.get(typeOid) ?? this.#types.addUnknown(typeOid)
      const name = names[(offset + index) % names.length] ?? 'id'
      return { name, typeOid, typmod: choices.once(2) ? -1 : choices.uint32() | 0, key: choices.once(2), type, make }
    })
    const message: RelationMessage = {
      kind: 'relation',
      oid,
      schema: this.#schema(),
      name: this.#name(),
      replicaIdentity: choices.pick(identities),
      columns: columns.map(({ name, typeOid, typmod, key }) => ({ name, typeOid, typmod, key })),
    }
    const { schema, name, replicaIdentity } = message
    const relation: Relation = {
      oid,
      schema,
      name,
      table: `${schema}.${name}`,
      replicaIdentity,
      columns: columns.map(({ name, typeOid, typmod, key, type }) => ({
        name,
        type: type.label,
        typeOid,
        typmod,
        key,
      })),
    }
    const known = this.#tables.findIndex((table) => table.relation.oid === oid)
    this.#tables.splice(known < 0 ? this.#tables.length : known, 1, { relation, columns })
    return { data: encodeRelation(message), expected: { kind: 'relation', relation } }
  }

  #insert(): { readonly data: Uint8Array; readonly expected: PgoutputMessage } {
    const table = this.#choices.pick(this.#tables)
    const { relation } = table
    const { tuple, row, unchanged } = this.#newRow(table, undefined)
    return { data: encodeInsert(relation.oid, tuple), expected: { kind: 'insert', relation, new: row, unchanged } }
  }

  #update(): { readonly data: Uint8Array; readonly expected: PgoutputMessage } {
    const choices = this.#choices
    const table = choices.pick(this.#tables)
    const { relation } = table
    const kind = ([undefined, 'K', 'O'] as const)[choices.below(3)]
    const before = kind && this.#before(table, kind)
    const { tuple, row, unchanged } = this.#newRow(table, before?.row)
    return {
      data: encodeUpdate(relation.oid, before && kind && { kind, tuple: before.tuple }, tuple),
      expected: {
        kind: 'update',
        relation,
        key: kind === 'K' ? before?.row : undefined,
        old: kind === 'O' ? before?.row : undefined,
        new: row,
        unchanged,
      },
    }
  }

  /** A row in which some values are unchanged: those are the ones before where there are any, or are nowhere and named. */
  #newRow(table: Table, before: Row | undefined) {
    const after = this.#row(table, () => true)
    const row: Row = {}
    const missing: string[] = []
    const tuple = [...after.tuple]
    for (const [index, { name }] of table.relation.columns.entries()) {
      if (!this.#choices.once(6)) {
        set(row, name, after.row[name])
        continue
      }
      tuple[index] = 'unchanged'
      if (before !== undefined && Object.hasOwn(before, name) && before[name] !== null) set(row, name, before[name])
      else missing.push(name)
    }
    return { tuple, row, unchanged: missing.length > 0 ? missing : undefined }
  }

  #delete(): { readonly data: Uint8Array; readonly expected: PgoutputMessage } {
    const table = this.#choices.pick(this.#tables)
    const kind = this.#choices.pick(['K', 'O'] as const)
    const { tuple, row } = this.#before(table, kind)
    const { relation } = table
    const expected = {
      kind: 'delete',
      relation,
      key: kind === 'K' ? row : undefined,
      old: kind === 'O' ? row : undefined,
    } as const
    return { data: encodeDelete(relation.oid, { kind, tuple }), expected }
  }

  /** A key tuple has NULL for every column beside the key, and these are not in the row (trap 36). */
  #before(table: Table, kind: 'K' | 'O') {
    return this.#row(table, (index) => kind === 'O' || table.relation.columns[index]?.key === true)
  }

  #row(
    { relation, columns }: Table,
    isRead: (index: number) => boolean,
  ): { readonly tuple: TupleValue[]; readonly row: Row } {
    const choices = this.#choices
    const row: Row = {}
    const tuple = columns.map(({ type, make }, index): TupleValue => {
      if (!isRead(index)) return null
      const value = choices.once(6) ? null : make(choices)
      set(row, relation.columns[index]?.name ?? '', value)
      return value === null ? null : encoder.encode(type.encodeText(value))
    })
    return { tuple, row }
  }

  #name(): string {
    return this.#choices.pick(names)
  }

  #schema(): string {
    return this.#choices.pick(['public', 'pg_catalog', 'Other Schema'] as const)
  }

  #time(): bigint {
    return BigInt.asIntN(64, this.#choices.uint64()) + epochOffset
  }
}

/** `__proto__` is a column's name like any other. */
function set(row: Row, name: string, value: unknown): void {
  demand(!Object.hasOwn(row, name), `two columns are called ${name}`)
  Object.defineProperty(row, name, { value, enumerable: true, writable: true, configurable: true })
}
