import fc from 'fast-check'
import {
  encodeBegin,
  encodeCommit,
  encodeDelete,
  encodeInsert,
  encodeLogicalMessage,
  encodeOrigin,
  encodeRelation,
  encodeTruncate,
  encodeUpdate,
  type RelationMessage,
} from '../../../src/decoder/messages.ts'
import { PgoutputDecoder } from '../../../src/decoder/pgoutput.ts'
import type { Relation } from '../../../src/decoder/relation.ts'
import { formatLsn, type Lsn, parseLsn } from '../../../src/protocol/messages/lsn.ts'
import { Reader } from '../../../src/protocol/messages/reader.ts'
import {
  decodePrimaryKeepalive,
  encodePrimaryKeepalive,
  encodeXLogData,
  replicationTag,
  xLogDataLayout,
} from '../../../src/protocol/messages/replication-messages.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Event } from '../../../src/replication/events.ts'
import type { Position } from '../../../src/replication/position.ts'
import { AnnouncedRelations } from '../../../src/replication/stream/announced-relations.ts'
import { Assembler, type BatchLimits } from '../../../src/replication/stream/assembler.ts'

/*
 * A server that is nothing but its WAL: a list of records, of which a walsender sends what Postgres would send from a
 * given LSN, byte for byte; what must come out of that at the other end; and somebody who receives it.
 */

/** What a transaction does, in the order in which it does it. `back`: bytes of WAL between the change and the commit. */
export type ModelChange =
  | {
      readonly kind: 'insert' | 'update' | 'delete'
      readonly table: number
      readonly version: number
      readonly back: number
    }
  | { readonly kind: 'truncate'; readonly tables: readonly number[]; readonly version: number; readonly back: number }
  | { readonly kind: 'message'; readonly back: number }

/** What happens on the server. `gap`: bytes of WAL before it that nobody decodes, such as the header of a page. */
export type ModelAction =
  | {
      readonly kind: 'transaction'
      readonly gap: number
      readonly changes: readonly ModelChange[]
      readonly origin: boolean
      /** The tables' caches are reset, so that they are described again though nothing differs. */
      readonly invalidates: boolean
    }
  | { readonly kind: 'message'; readonly gap: number }
  /** WAL that concerns nobody here: another database, an unpublished table. */
  | { readonly kind: 'noise'; readonly gap: number }

/** A record in the WAL, from `start` to `end`: a transaction is its commit record. */
export type WalRecord = ModelAction & { readonly start: Lsn; readonly end: Lsn; readonly xid: number }
export type WalTransaction = WalRecord & { readonly kind: 'transaction' }

const recordBytes = 48n
/** Where WAL begins here: LSNs soon grow beyond their lower half. */
export const walBegin = 0xffff_ff00n
/** Transactions of 2026. */
const firstCommitTime = 1_767_225_600_000_000n

/** Writes actions into WAL, one after the other. */
export function writeWal(actions: readonly ModelAction[]): WalRecord[] {
  let end = walBegin
  return actions.map((action, index) => {
    const start = end + BigInt(action.gap)
    end = start + recordBytes
    return { ...action, start, end, xid: 1000 + index }
  })
}

function commitTime({ xid }: WalRecord): bigint {
  return firstCommitTime + BigInt(xid)
}

function changeLsn(record: WalTransaction, index: number): Lsn {
  return record.start - BigInt(record.changes[index]!.back)
}

/** What a change writes into its row: which transaction, and which change of it. */
function label(record: WalRecord, index: number): string {
  return `${record.xid}.${index}`
}

/** Each table has its own replica identity: the key when it changes, the key in any case, the whole row. */
const identities = ['default', 'index', 'full'] as const

/** The columns of a table at a version of its schema: one is renamed, and one is added. */
const columnsAt = [[], ['id', 'note'], ['id', 'remark'], ['id', 'remark', 'more']] as const

function describeTable(table: number, version: number): RelationMessage {
  return {
    kind: 'relation',
    oid: 16_384 + table,
    schema: 'public',
    name: `t${table}`,
    replicaIdentity: identities[table]!,
    columns: columnsAt[version]!.map((name) => ({ name, typeOid: 25, typmod: -1, key: name === 'id' || table === 2 })),
  }
}

const encoder = new TextEncoder()

function tupleOf(version: number, value: string): Uint8Array[] {
  return columnsAt[version]!.map(() => encoder.encode(value))
}

/** Takes one number after the other out of a list, round and round: choices that can be made again. */
export class Choices {
  readonly #numbers: readonly number[]
  #next = 0

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }

  /** A number below `limit`. */
  below(limit: number): number {
    return this.#numbers[this.#next++ % this.#numbers.length]! % limit
  }

  /** True one time out of `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }
}

/** A CopyData message, and the transaction that it is a part of. */
export interface Sent {
  readonly copyData: Uint8Array
  readonly commitLsn: Lsn | undefined
}

export interface WalsenderOptions {
  /** Whether transactions without changes are sent, as servers before PostgreSQL 15 do. */
  readonly sendsEmptyTransactions?: boolean
}

/**
 * What a walsender sends from `start` on: the transactions whose commit record begins there or later, and so the
 * messages that belong to no transaction (snapbuild.c, SnapBuildXactNeedsSkip). It decodes from the begin of WAL, and
 * says by keepalives how far it is: below `start` too, and within a transaction.
 */
export function* walsender(
  wal: readonly WalRecord[],
  start: Lsn,
  choices: Choices,
  options: WalsenderOptions = {},
): Generator<Sent, undefined> {
  const described = new Map<number, number>()
  let sentUpTo = walBegin

  const keepalive = (commitLsn?: Lsn): Sent[] => {
    if (!choices.once(4)) return []
    const message = { walEnd: sentUpTo, sendTime: firstCommitTime, replyRequested: choices.once(4) }
    return [{ copyData: encodePrimaryKeepalive(message), commitLsn }]
  }
  const xLogData = (lsn: Lsn, data: Uint8Array, commitLsn?: Lsn): Sent => ({
    copyData: encodeXLogData({ dataStart: lsn, walEnd: lsn, sendTime: firstCommitTime, data }),
    commitLsn,
  })

  function* transaction(record: WalTransaction): Generator<Sent, undefined> {
    const { start: commitLsn, end: endLsn, changes, xid, origin } = record
    if (changes.length === 0 && options.sendsEmptyTransactions !== true) return undefined
    if (record.invalidates) described.clear()
    const send = (lsn: Lsn, data: Uint8Array) => xLogData(lsn, data, commitLsn)
    const begin = encodeBegin({ kind: 'begin', finalLsn: commitLsn, commitTime: commitTime(record), xid })
    const first = changes.length > 0 ? changeLsn(record, 0) : endLsn
    // what is followed by something of the same callback has no LSN (trap 28)
    yield send(origin ? 0n : first, begin)
    if (origin) yield send(first, encodeOrigin({ kind: 'origin', originLsn: 77n, name: 'elsewhere' }))
    for (const [index, change] of changes.entries()) {
      yield* keepalive(commitLsn)
      const lsn = changeLsn(record, index)
      const value = label(record, index)
      if (change.kind === 'message') {
        const content = encoder.encode(value)
        // a message's LSN is the end of its record
        const end = lsn + 1n
        yield send(end, encodeLogicalMessage({ kind: 'message', transactional: true, lsn: end, prefix: 'p', content }))
        continue
      }
      for (const table of change.kind === 'truncate' ? change.tables : [change.table]) {
        if (described.get(table) === change.version) continue
        described.set(table, change.version)
        yield send(0n, encodeRelation(describeTable(table, change.version)))
      }
      yield send(lsn, encodeChange(change, value))
    }
    yield send(endLsn, encodeCommit({ kind: 'commit', commitLsn, endLsn, commitTime: commitTime(record) }))
    return undefined
  }

  for (const record of wal) {
    yield* keepalive()
    if (record.start >= start) {
      if (record.kind === 'transaction') yield* transaction(record)
      if (record.kind === 'message') {
        const content = encoder.encode(label(record, 0))
        const message = { kind: 'message', transactional: false, lsn: record.end, prefix: 'p', content } as const
        yield xLogData(record.end, encodeLogicalMessage(message))
      }
    }
    sentUpTo = record.end
  }
  yield* keepalive()
  return undefined
}

function encodeChange(change: Exclude<ModelChange, { kind: 'message' }>, value: string): Uint8Array {
  if (change.kind === 'truncate') {
    const relationOids = change.tables.map((table) => 16_384 + table)
    return encodeTruncate({ kind: 'truncate', relationOids, cascade: false, restartIdentity: true })
  }
  const { table, version } = change
  const oid = 16_384 + table
  const kind = identities[table] === 'full' ? 'O' : 'K'
  switch (change.kind) {
    case 'insert':
      return encodeInsert(oid, tupleOf(version, value))
    case 'update':
      return encodeUpdate(
        oid,
        identities[table] === 'default' ? undefined : { kind, tuple: tupleOf(version, `old ${value}`) },
        tupleOf(version, value),
      )
    case 'delete':
      return encodeDelete(oid, { kind, tuple: tupleOf(version, `old ${value}`) })
    default:
      return change satisfies never
  }
}

/** The events that come of WAL, in {@link tell}'s words: all but those that describe tables. */
export function eventsOf(wal: readonly WalRecord[]): string[] {
  return wal.flatMap((record) => {
    if (record.kind === 'noise') return []
    if (record.kind === 'message') return [`message ${label(record, 0)} at ${formatLsn(record.end)}`]
    return eventsOfTransaction(record)
  })
}

/** The events of one transaction: none when it has no changes (trap 26). */
export function eventsOfTransaction(record: WalTransaction): string[] {
  if (record.changes.length === 0) return []
  const tx = `of ${record.xid} ${formatLsn(record.start)} ${commitTime(record)} ${record.origin ? 'elsewhere' : '-'}`
  const changes = record.changes.map((change, seq) => {
    const value = label(record, seq)
    const lsn = formatLsn(changeLsn(record, seq) + (change.kind === 'message' ? 1n : 0n))
    return `${describeModelChange(change, value)} at ${lsn} #${seq} ${tx}`
  })
  const firstLsn = changeLsn(record, 0) + (record.changes[0]!.kind === 'message' ? 1n : 0n)
  return [`begin at ${formatLsn(firstLsn)} ${tx}`, ...changes, `commit at ${formatLsn(record.start)} ${tx}`]
}

function describeModelChange(change: ModelChange, value: string): string {
  if (change.kind === 'message') return `message ${value}`
  if (change.kind === 'truncate')
    return `truncate ${change.tables.map((table) => schemaOf(table, change.version)).join()}`
  const { table, version } = change
  const row = rowText(columnsAt[version]!, value)
  const old = rowText(columnsAt[version]!, `old ${value}`)
  const key = rowText(['id'], `old ${value}`)
  const before = identities[table] === 'full' ? `- ${old}` : `${key} -`
  switch (change.kind) {
    case 'insert':
      return `insert ${schemaOf(table, version)} ${row}`
    case 'update':
      return `update ${schemaOf(table, version)} ${row} ${identities[table] === 'default' ? '- -' : before}`
    case 'delete':
      return `delete ${schemaOf(table, version)} ${before}`
    default:
      return change satisfies never
  }
}

function schemaOf(table: number, version: number): string {
  return `public.t${table}(${columnsAt[version]!.join()})`
}

function rowText(columns: readonly string[], value: string): string {
  return JSON.stringify(Object.fromEntries(columns.map((name) => [name, value])))
}

/** An event in words, which hold all of it but its transaction's end. */
export function tell(event: Event): string {
  const tx =
    'tx' in event && event.tx !== undefined
      ? ` of ${event.tx.xid} ${formatLsn(event.tx.commitLsn)} ${event.tx.commitTime} ${event.tx.origin ?? '-'}`
      : ''
  const at = `at ${formatLsn(event.lsn)}`
  switch (event.kind) {
    case 'begin':
    case 'commit':
      return `${event.kind} ${at}${tx}`
    case 'relation':
      return `relation ${tellRelation(event.relation)} ${at}${tx}`
    case 'insert':
      return `insert ${tellRelation(event.relation)} ${JSON.stringify(event.new)} ${at} #${event.seq}${tx}`
    case 'update': {
      const before = `${JSON.stringify(event.key) ?? '-'} ${JSON.stringify(event.old) ?? '-'}`
      return `update ${tellRelation(event.relation)} ${JSON.stringify(event.new)} ${before} ${at} #${event.seq}${tx}`
    }
    case 'delete': {
      const before = `${JSON.stringify(event.key) ?? '-'} ${JSON.stringify(event.old) ?? '-'}`
      return `delete ${tellRelation(event.relation)} ${before} ${at} #${event.seq}${tx}`
    }
    case 'truncate':
      return `truncate ${event.relations.map(tellRelation).join()} ${at} #${event.seq}${tx}`
    case 'message': {
      const content = new TextDecoder().decode(event.content)
      return `message ${content} ${at}${event.transactional ? ` #${event.seq}${tx}` : ''}`
    }
    case 'snapshot-begin':
    case 'snapshot':
    case 'snapshot-end':
    case 'table-left':
      return event.kind
    default:
      return event satisfies never
  }
}

function tellRelation(relation: Relation): string {
  return `${relation.table}(${relation.columns.map(({ name }) => name).join()})`
}

/** All events that come of WAL over one connection, those that describe tables too. */
export function eventsInOneGo(wal: readonly WalRecord[]): string[] {
  // no keepalives, and everything is read before a batch is taken
  return follow({ wal, from: positionAt(walBegin), choices: [1] }).flatMap(({ events }) => events.map(tell))
}

/** All events of these batches but those that describe tables, which are outside the promise not to repeat. */
export function changesIn(batches: readonly Batch[]): string[] {
  return batches.flatMap(({ events }) => events.filter(({ kind }) => kind !== 'relation').map(tell))
}

/** A position of the modelled feed. */
export function positionAt(lsn: Lsn): Position {
  return {
    version: 2,
    systemId: '7412345678901234567',
    timeline: 1,
    database: 'shop',
    slot: 'shop_feed',
    consistentPoint: '0/100',
    options: { publications: ['shop'] },
    phase: 'stream',
    lsn: formatLsn(lsn),
  }
}

/** A position as it comes back from where it was stored. */
export function stored(position: Position): Position {
  return JSON.parse(JSON.stringify(position))
}

export const unlimited: BatchLimits = {
  maxBatchRows: Number.POSITIVE_INFINITY,
  maxBatchBytes: Number.POSITIVE_INFINITY,
}

/** The decoder and the assembler of one connection, wired as a feed wires them. */
export class Receiver {
  readonly assembler: Assembler
  /** The highest LSN that the server has named. */
  received: Lsn
  replyRequested = false
  readonly #decoder = new PgoutputDecoder({ protoVersion: 1 })

  constructor(base: Position, limits: BatchLimits, stop?: Lsn, announced = new AnnouncedRelations()) {
    this.assembler = new Assembler(base, limits, stop, announced)
    this.received = parseLsn(base.lsn)
  }

  /** Takes the body of a CopyData message. */
  copyData(bytes: Uint8Array, start: number, end: number): void {
    if (bytes[start] === replicationTag.PrimaryKeepalive) {
      const { walEnd, replyRequested } = decodePrimaryKeepalive(new Reader(bytes, start + 1, end, 'PrimaryKeepalive'))
      if (walEnd > this.received) this.received = walEnd
      if (replyRequested) this.replyRequested = true
      this.assembler.keepalive(walEnd)
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset + start + xLogDataLayout.dataStart)
    this.assembler.at(view.getUint32(0), view.getUint32(4), end - start)
    const decoder = this.#decoder
    decoder.read(bytes, start + xLogDataLayout.data, end, {
      begin: (message) => this.assembler.begin(message),
      message: (message) => this.assembler.message(message),
      commit: (message) => this.assembler.commit(message),
      origin: (message) => this.assembler.origin(message),
      relation: (message) => decoder.define(message),
      type: () => this.assembler.type(),
      streamAbort: () => this.assembler.streamAbort(),
      insert: (...row) => this.assembler.insert(...row),
      update: (...row) => this.assembler.update(...row),
      delete: (...row) => this.assembler.delete(...row),
      truncate: (...tables) => this.assembler.truncate(...tables),
    })
    if (this.assembler.lsn > this.received && !this.assembler.stopped) this.received = this.assembler.lsn
  }

  /** Takes a whole CopyData message. */
  take({ copyData }: Sent): void {
    this.copyData(copyData, 5, copyData.length)
  }
}

/** How somebody follows a feed. */
export interface Following {
  readonly wal: readonly WalRecord[]
  readonly from: Position
  /** Decides about keepalives, and when batches are taken. */
  readonly choices: readonly number[]
  readonly limits?: BatchLimits
  readonly stop?: Lsn
  readonly announced?: AnnouncedRelations
  readonly sendsEmptyTransactions?: boolean
}

/**
 * Follows a feed to the end of WAL, or until it stops, and takes batches at random moments: whenever one is full, often
 * when there is one, sometimes without events.
 */
export function follow({ wal, from, choices, limits = unlimited, stop, announced, ...options }: Following): Batch[] {
  const decide = new Choices(choices)
  const receiver = new Receiver(from, limits, stop, announced)
  const { assembler } = receiver
  const batches: Batch[] = []
  const take = () => {
    const batch = assembler.take()
    if (batch !== undefined) batches.push(batch)
    return batch !== undefined
  }
  const idle = () => {
    // what is committed goes first, and a transaction in the middle has no place to stop at
    if (take() || assembler.inTransaction) return
    const last = batches.at(-1)?.position ?? from
    if (assembler.lsn > parseLsn(last.lsn)) batches.push(assembler.takeIdle())
  }
  for (const sent of walsender(wal, parseLsn(from.lsn), decide, options)) {
    // what was sent already may still be read when the stream has stopped
    if (assembler.stopped && decide.once(3)) break
    receiver.take(sent)
    if (assembler.full) {
      if (!take()) throw new Error('nothing more may be read before a batch is taken, and there is none')
    } else if (decide.once(3)) {
      take()
      if (decide.once(2)) idle()
    }
  }
  while (take());
  if (assembler.stopped || decide.once(2)) idle()
  return batches
}

const anyChange: fc.Arbitrary<ModelChange> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('insert', 'update', 'delete'),
      table: fc.nat(2),
      version: fc.integer({ min: 1, max: 3 }),
      back: fc.integer({ min: 2, max: 200 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('truncate'),
      tables: fc.uniqueArray(fc.nat(2), { minLength: 1 }),
      version: fc.integer({ min: 1, max: 3 }),
      back: fc.integer({ min: 2, max: 200 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('message'), back: fc.integer({ min: 2, max: 200 }) }) },
)

const gap = fc.constantFrom(0, 0, 8, 24, 1000)

const anyAction: fc.Arbitrary<ModelAction> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('transaction'),
      gap,
      // a transaction writes its changes in the order in which it makes them
      changes: fc
        .array(anyChange, { maxLength: 6 })
        .map((changes) => changes.toSorted((first, second) => second.back - first.back)),
      origin: fc.boolean(),
      invalidates: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('message'), gap }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('noise'), gap }) },
)

/** Random WAL. Changes of a transaction stand anywhere before its commit, among those of others. */
export const anyWal = fc.array(anyAction, { maxLength: 8 }).map(writeWal)

export const anyChoices = fc.array(fc.nat(59), { minLength: 1, maxLength: 40 })

/** Limits of which many are smaller than a transaction, or than a single change. */
export const anyLimits: fc.Arbitrary<BatchLimits> = fc.record({
  maxBatchRows: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(Number.POSITIVE_INFINITY)),
  maxBatchBytes: fc.oneof(fc.integer({ min: 1, max: 900 }), fc.constant(Number.POSITIVE_INFINITY)),
})
