import type { Duplex } from 'node:stream'
import {
  encodeBegin,
  encodeCommit,
  encodeInsert,
  encodeRelation,
  type RelationMessage,
} from '../../../src/decoder/messages.ts'
import type { ConnectionOptions } from '../../../src/protocol/connection/connection-options.ts'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import { formatLsn, type Lsn } from '../../../src/protocol/messages/lsn.ts'
import { Reader } from '../../../src/protocol/messages/reader.ts'
import {
  decodeStandbyStatusUpdate,
  encodePrimaryKeepalive,
  encodeXLogData,
  type StandbyStatusUpdate,
} from '../../../src/protocol/messages/replication-messages.ts'
import { backendTag } from '../../../src/protocol/messages/tags.ts'
import { Writer } from '../../../src/protocol/messages/writer.ts'
import { lookRows } from '../../protocol/messages/settings-look.ts'
import { PipeEnd, type Wire } from './fake-wire.ts'

/** What a {@link FakeServer} says of itself. */
export interface FakeServerFacts {
  readonly walSenderTimeoutMs: number
  /** How far it has flushed. */
  readonly flushLsn: Lsn
  /** Where its one slot stands; undefined while there is none. */
  readonly confirmedFlush: Lsn | undefined
}

export const fakeFacts = {
  systemId: '7310264859137482345',
  database: 'shop',
  slot: 'shop_feed',
  publication: 'shop',
} as const

const serverVersion = '17.10'
const cancelRequestCode = 80_877_102

/**
 * A server of one slot that is made of nothing but messages, to be given to `follow` as its `connect`: it logs everybody
 * in, answers what a feed asks of the catalog, and hands its walsender to the test. What a real server never does, or
 * not when it is wanted, can be done with it.
 */
export class FakeServer {
  facts: FakeServerFacts
  /** Every query and command, in the order in which they came. */
  readonly commands: string[] = []
  /** How many connections were asked for. */
  connections = 0
  /** How many CancelRequests came. */
  cancels = 0
  /** Called for each CancelRequest. */
  onCancel: () => void = () => {}
  /** Asked before each command is answered: what it waits for. */
  hold: (command: string) => Promise<void> | undefined = () => undefined
  /** Asked before each command is answered: an error instead of the answer. For `startup` the session does not begin. */
  fail: (command: string) => FakeError | undefined = () => undefined
  /** Whether further connections are left without an answer. */
  unreachable = false
  /** Asked for each connection, by how many came before it: how its bytes come through. */
  wire: (index: number) => Wire = () => ({})
  /** Called before each connection is there; what it throws is why there is none. */
  onConnect: () => void = () => {}
  /** Called for each START_REPLICATION. */
  onWalsender: (walsender: FakeWalsender, command: string) => void = () => {}
  readonly #clients: PipeEnd[] = []
  readonly #walsender: Promise<FakeWalsender>
  #started: (walsender: FakeWalsender) => void = () => {}

  constructor(facts: Partial<FakeServerFacts> = {}) {
    this.facts = { walSenderTimeoutMs: 60_000, flushLsn: 0x1000n, confirmedFlush: 0x1000n, ...facts }
    this.#walsender = new Promise((resolve) => {
      this.#started = resolve
    })
  }

  /** What `follow` takes. */
  get connection(): ConnectionOptions {
    return { user: 'shop', dbname: fakeFacts.database, sslmode: 'disable', connect: () => this.#connect() }
  }

  /** Resolves when a client has sent START_REPLICATION. */
  get walsender(): Promise<FakeWalsender> {
    return this.#walsender
  }

  /** Streams that the client has not closed. */
  get openSessions(): number {
    return this.#clients.filter((client) => !client.destroyed).length
  }

  /** Cuts every connection there is. */
  cutAll(): void {
    for (const client of this.#clients) if (!client.destroyed) client.cut()
  }

  async #connect(): Promise<Duplex> {
    this.onConnect()
    const wire = this.wire(this.connections++)
    if (this.unreachable) return new Promise(() => {})
    const client = new PipeEnd(wire)
    this.#clients.push(client)
    const started = (walsender: FakeWalsender, command: string) => {
      this.onWalsender(walsender, command)
      this.#started(walsender)
    }
    new FakeSession(client.other, this, started).serve()
    return client
  }
}

class FakeSession {
  readonly #end: PipeEnd
  readonly #server: FakeServer
  readonly #started: (walsender: FakeWalsender, command: string) => void
  readonly #framer = new Framer()
  #opening: Buffer | undefined = Buffer.alloc(0)
  #walsender: FakeWalsender | undefined

  constructor(end: PipeEnd, server: FakeServer, started: (walsender: FakeWalsender, command: string) => void) {
    this.#end = end
    this.#server = server
    this.#started = started
  }

  serve(): void {
    this.#end.on('data', (chunk: Buffer) => this.#take(chunk))
    // a client that is gone while something is still written to it
    this.#end.on('error', () => {})
  }

  #take(chunk: Buffer): void {
    if (this.#opening !== undefined) {
      this.#opening = Buffer.concat([this.#opening, chunk])
      if (this.#opening.length < 8 || this.#opening.length < this.#opening.readInt32BE(0)) return
      const isCancel = this.#opening.readInt32BE(4) === cancelRequestCode
      const rest = this.#opening.subarray(this.#opening.readInt32BE(0))
      this.#opening = undefined
      if (isCancel) {
        this.#server.cancels++
        this.#server.onCancel()
        this.#end.end()
        return
      }
      const refusal = this.#server.fail('startup')
      if (refusal !== undefined) {
        this.#send(errorResponse({ ...refusal, severity: 'FATAL' }))
        this.#end.end()
        return
      }
      this.#logIn()
      this.#framer.push(rest)
    } else {
      this.#framer.push(chunk)
    }
    while (this.#framer.next()) this.#message(this.#framer)
  }

  #logIn(): void {
    this.#send(
      message('R', (body) => body.int32(0)),
      parameterStatus('server_version', serverVersion),
      parameterStatus('server_encoding', 'UTF8'),
      message('K', (body) => body.int32(4711).int32(42)),
      readyForQuery(),
    )
  }

  #message({ tag, bytes, start, end }: Framer): void {
    const letter = String.fromCharCode(tag)
    if (letter === 'Q') void this.#query(new Reader(bytes, start, end, 'Query').cstring('query'))
    else if (tag === backendTag.CopyData) this.#walsender?.receive(bytes, start, end)
    else if (tag === backendTag.CopyDone) this.#walsender?.clientIsDone()
    else if (letter === 'X') this.#end.end()
  }

  async #query(sql: string): Promise<void> {
    const look = lookRows(sql)
    if (look !== undefined) {
      this.#answer({ columns: ['?'], rows: look })
      return
    }
    this.#server.commands.push(sql)
    const held = this.#server.hold(sql)
    if (held !== undefined) await held
    const refusal = this.#server.fail(sql)
    if (refusal !== undefined) {
      this.#send(errorResponse(refusal))
      if (refusal.severity === 'FATAL') this.#end.end()
      else this.#send(readyForQuery())
      return
    }
    if (sql.startsWith('START_REPLICATION')) {
      this.#send(message('W', (body) => body.uint8(0).int16(0)))
      this.#walsender = new FakeWalsender(this.#end)
      this.#started(this.#walsender, sql)
      return
    }
    this.#answer(answerTo(sql, this.#server.facts))
  }

  #answer({ columns, rows }: Answer): void {
    this.#send(
      message('T', (body) => {
        body.int16(columns.length)
        for (const name of columns) body.cstring(name).uint32(0).int16(0).uint32(25).int16(-1).int32(-1).int16(0)
        return body
      }),
      ...rows.map(dataRow),
      commandComplete(`SELECT ${rows.length}`),
      readyForQuery(),
    )
  }

  #send(...messages: readonly Uint8Array[]): void {
    this.#end.write(Buffer.concat(messages))
  }
}

interface Answer {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
}

/** What a feed asks before it streams, with columns where it goes by their names. */
function answerTo(sql: string, facts: FakeServerFacts): Answer {
  const flushed = formatLsn(facts.flushLsn)
  if (sql === 'IDENTIFY_SYSTEM') {
    return {
      columns: ['systemid', 'timeline', 'xlogpos', 'dbname'],
      rows: [[fakeFacts.systemId, '1', flushed, fakeFacts.database]],
    }
  }
  if (sql.includes('server_version_num')) {
    const timeout = String(facts.walSenderTimeoutMs)
    return unnamed(['170010', 'f', 'logical', timeout, 'shop', 't', flushed, null])
  }
  if (sql === 'SELECT pg_catalog.pg_backend_pid()') return unnamed(['4711'])
  if (sql.startsWith('CREATE_REPLICATION_SLOT')) {
    return {
      columns: ['slot_name', 'consistent_point', 'snapshot_name', 'output_plugin'],
      rows: [[fakeFacts.slot, flushed, '00000003-00000001-1', 'pgoutput']],
    }
  }
  if (sql.includes('pg_replication_slots') && facts.confirmedFlush !== undefined) {
    const { slot, database } = fakeFacts
    const confirmed = formatLsn(facts.confirmedFlush)
    return unnamed([slot, 'logical', 'pgoutput', database, 'false', null, confirmed, confirmed, 'reserved'], 12)
  }
  if (sql.includes('pg_publication p WHERE')) return unnamed(['16400', fakeFacts.publication, 'f', 'f', null])
  return { columns: [], rows: [] }
}

function unnamed(row: readonly (string | null)[], width = row.length): Answer {
  const filled = Array.from({ length: width }, (_, index) => row[index] ?? null)
  return { columns: filled.map((_, index) => `column ${index}`), rows: [filled] }
}

/** One row of a table that every {@link FakeWalsender} can stream. */
export interface FakeRow {
  readonly id: number
  readonly body: string
}

const fakeRelation: RelationMessage = {
  kind: 'relation',
  oid: 16_385,
  schema: 'public',
  name: 'orders',
  replicaIdentity: 'default',
  columns: [
    { name: 'id', typeOid: 23, typmod: -1, key: true },
    { name: 'body', typeOid: 25, typmod: -1, key: false },
  ],
}

/** Where a transaction lies in WAL. */
export interface FakeTransaction {
  readonly xid: number
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly rows: readonly FakeRow[]
}

/** The server's side of a replication connection once it streams: sends what it is told to, and keeps what comes. */
export class FakeWalsender {
  /** Every status update that came, in order. */
  readonly statusUpdates: StandbyStatusUpdate[] = []
  /** Called for each as it comes. */
  onStatusUpdate: (update: StandbyStatusUpdate) => void = () => {}
  /** Whether the client has sent CopyDone. */
  clientDone = false
  /** Whether CopyDone is answered, as a walsender does that has nothing left to send. */
  answersCopyDone = true
  readonly #end: PipeEnd

  constructor(end: PipeEnd) {
    this.#end = end
  }

  /** Whether the connection is over, from whichever side. */
  get closed(): boolean {
    return this.#end.destroyed || this.#end.readableEnded
  }

  /** Bytes that were sent and that the client has not read. */
  get unread(): number {
    return this.#end.writableLength
  }

  /** Sends bytes as they are. */
  send(...bytes: readonly Uint8Array[]): void {
    this.#end.write(Buffer.concat(bytes))
  }

  keepalive(walEnd: Lsn, replyRequested = false): void {
    this.send(encodePrimaryKeepalive({ walEnd, sendTime: clock(), replyRequested }))
  }

  transaction(transaction: FakeTransaction): void {
    this.send(...transactionMessages(transaction))
  }

  error(error: FakeError): void {
    this.send(errorResponse(error))
  }

  readyForQuery(): void {
    this.send(readyForQuery())
  }

  /** `COPY 0` and no more, as from a server that is stopping. */
  commandComplete(): void {
    this.send(commandComplete('COPY 0'))
  }

  /** Ends the connection when what was sent is read. */
  hangUp(): void {
    this.#end.end()
  }

  /** Cuts the connection, for both ends. */
  cut(): void {
    this.#end.cut()
  }

  /** For the session. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    const update = decodeStandbyStatusUpdate(new Reader(bytes, start + 1, end, 'StandbyStatusUpdate'))
    this.statusUpdates.push(update)
    this.onStatusUpdate(update)
  }

  /** For the session. */
  clientIsDone(): void {
    this.clientDone = true
    if (this.answersCopyDone) this.leaveStream()
  }

  /** The whole goodbye of a walsender that was asked for it. */
  leaveStream(): void {
    this.send(
      message('c', (body) => body),
      commandComplete('COPY 0'),
      commandComplete('START_REPLICATION'),
      readyForQuery(),
    )
  }
}

/** A transaction as the messages of a stream, each in its own CopyData. The table is described every time. */
export function transactionMessages({ xid, commitLsn, endLsn, rows }: FakeTransaction): Uint8Array[] {
  const commitTime = clock()
  return [
    xLogData(commitLsn, encodeBegin({ kind: 'begin', finalLsn: commitLsn, commitTime, xid })),
    relationMessage(),
    ...rows.map((row) => insertMessage(commitLsn, row)),
    xLogData(endLsn, encodeCommit({ kind: 'commit', commitLsn, endLsn, commitTime })),
  ]
}

/** Describes the one table; it stands for no WAL. */
export function relationMessage(): Uint8Array {
  return xLogData(0n, encodeRelation(fakeRelation))
}

export function insertMessage(lsn: Lsn, { id, body }: FakeRow): Uint8Array {
  return xLogData(lsn, encodeInsert(fakeRelation.oid, [Buffer.from(String(id)), Buffer.from(body)]))
}

export function xLogData(lsn: Lsn, data: Uint8Array): Uint8Array {
  return encodeXLogData({ dataStart: lsn, walEnd: lsn, sendTime: clock(), data })
}

function clock(): bigint {
  return BigInt(Date.now()) * 1000n
}

function message(tag: string, write: (body: Writer) => Writer): Uint8Array {
  const bytes = write(new Writer(256)).finish()
  return Buffer.concat([
    new Writer()
      .tag(tag)
      .int32(bytes.length + 4)
      .finish(),
    bytes,
  ])
}

function parameterStatus(name: string, value: string): Uint8Array {
  return message('S', (body) => body.cstring(name).cstring(value))
}

function readyForQuery(): Uint8Array {
  return message('Z', (body) => body.tag('I'))
}

function commandComplete(command: string): Uint8Array {
  return message('C', (body) => body.cstring(command))
}

function dataRow(values: readonly (string | null)[]): Uint8Array {
  return message('D', (body) => {
    body.int16(values.length)
    for (const value of values) {
      if (value === null) body.int32(-1)
      else body.int32(Buffer.byteLength(value)).bytes(Buffer.from(value))
    }
    return body
  })
}

/** An ErrorResponse, with what walwire goes by. */
export interface FakeError {
  readonly severity: 'ERROR' | 'FATAL' | 'PANIC'
  readonly sqlstate: string
  readonly text?: string
  /** The server's function that found it. */
  readonly routine?: string | undefined
  /** Where, in the words of error_context. */
  readonly where?: string | undefined
}

export function errorResponse({ severity, sqlstate, text = 'no', routine, where }: FakeError): Uint8Array {
  return message('E', (body) => {
    body.tag('S').cstring(severity).tag('V').cstring(severity).tag('C').cstring(sqlstate).tag('M').cstring(text)
    if (where !== undefined) body.tag('W').cstring(where)
    if (routine !== undefined) body.tag('R').cstring(routine)
    return body.uint8(0)
  })
}
