import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeBegin, encodeCommit } from '../../../src/decoder/messages.ts'
import { formatLsn, type Lsn } from '../../../src/protocol/messages/lsn.ts'
import type { Batch } from '../../../src/replication/batch.ts'
import type { Event } from '../../../src/replication/events.ts'
import type { Feed } from '../../../src/replication/feed.ts'
import { follow } from '../../../src/replication/follow.ts'
import { comparePositions, flushLsn, type Position } from '../../../src/replication/position.ts'
import {
  FakeServer,
  type FakeWalsender,
  fakeFacts,
  insertMessage,
  relationMessage,
  xLogData,
} from './fake-walsender.ts'

/** What may happen to a feed, in any order. What makes no sense where it comes is passed over. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const), gap: fc.constantFrom(0, 1, 0x40) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('rows' as const), count: fc.integer({ min: 1, max: 7 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('keepalive' as const),
      by: fc.integer({ min: -0x80, max: 0x80 }),
      replyRequested: fc.boolean(),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pull' as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ack' as const), back: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), turns: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), how: fc.constantFrom('cut', 'abort') }) },
)

interface ModelTransaction {
  readonly xid: number
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly ids: number[]
}

const startLsn = 0x1000n

/** WAL: what was written, wherever a feed stands. */
class ModelServer {
  readonly transactions: ModelTransaction[] = []
  open: ModelTransaction | undefined
  end = startLsn
  #nextId = 1

  begin(gap: number): ModelTransaction {
    const commitLsn = this.end + BigInt(gap)
    this.open = { xid: 700 + this.transactions.length, commitLsn, endLsn: commitLsn + 0x30n, ids: [] }
    this.transactions.push(this.open)
    return this.open
  }

  insert(transaction: ModelTransaction): number {
    const id = this.#nextId++
    transaction.ids.push(id)
    return id
  }

  /** Everything that a consumer should have seen in the end, as {@link tellTale} puts it. */
  get story(): string[] {
    return this.transactions.flatMap(({ xid, ids }) =>
      ids.length === 0 ? [] : [`begin ${xid}`, ...ids.map((id) => `insert ${id}`), `commit ${xid}`],
    )
  }
}

function tellTale(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    if (event.kind === 'insert') return [`insert ${event.new.id}`]
    if (event.kind === 'begin' || event.kind === 'commit') return [`${event.kind} ${event.tx.xid}`]
    return []
  })
}

/** A consumer that stores what it acknowledges, and its runs over the model. */
class ModelConsumer {
  /** What survives a crash. */
  readonly #stored: string[] = []
  #position: Position | undefined
  readonly #model: ModelServer
  readonly #maxBatchRows: number

  #feed: Feed | undefined
  #abort = new AbortController()
  #walsender: FakeWalsender | undefined
  #iterator: AsyncIterator<Batch, undefined> | undefined
  #pulling = false
  /** Delivered in this run, and not stored yet. */
  #inHand: Batch[] = []
  #delivered: Batch[] = []
  /** The highest LSN that the server has named in this run. */
  #named = startLsn
  #lastFlush = startLsn
  #lastWrite = 0n
  readonly complaints: string[] = []

  constructor(model: ModelServer, maxBatchRows: number) {
    this.#model = model
    this.#maxBatchRows = maxBatchRows
  }

  get stored(): readonly string[] {
    return this.#stored
  }

  /** Begins a run at what was stored: the server sends everything from the slot on that the start does not skip. */
  async begin(): Promise<void> {
    const start: Position | string = this.#position === undefined ? formatLsn(startLsn) : readBack(this.#position)
    const from = this.#position === undefined ? startLsn : flushLsn(this.#position)
    const server = new FakeServer({
      flushLsn: this.#model.end,
      confirmedFlush: this.#lastFlush,
    })
    this.#abort = new AbortController()
    this.#feed = follow({
      connection: server.connection,
      publication: fakeFacts.publication,
      slot: fakeFacts.slot,
      start,
      maxBatchRows: this.#maxBatchRows,
      signal: this.#abort.signal,
    })
    this.#iterator = this.#feed[Symbol.asyncIterator]()
    this.#inHand = []
    this.#delivered = []
    this.#pulling = false
    this.#named = from
    this.#lastWrite = from
    this.pull()
    const walsender = await server.walsender
    this.#walsender = walsender
    walsender.onStatusUpdate = ({ write, flush, apply }) => {
      const durable = this.#position === undefined ? startLsn : flushLsn(this.#position)
      if (flush > durable) this.#complain(`flush ${formatLsn(flush)} is past ${formatLsn(durable)}, the last stored`)
      if (write > this.#named) this.#complain(`write ${formatLsn(write)} is past all that the server has named`)
      if (flush > write) this.#complain(`flush ${formatLsn(flush)} is past write ${formatLsn(write)}`)
      if (apply !== flush) this.#complain(`apply ${formatLsn(apply)} is not flush`)
      if (write < this.#lastWrite) this.#complain(`write falls from ${formatLsn(this.#lastWrite)}`)
      this.#lastWrite = write
      if (flush < this.#lastFlush) this.#complain(`flush falls from ${formatLsn(this.#lastFlush)}`)
      this.#lastFlush = flush
    }
    for (const transaction of this.#model.transactions) {
      if (transaction.commitLsn < from) continue
      this.sendBegin(transaction)
      for (const id of transaction.ids) this.sendRow(transaction, id)
      if (transaction !== this.#model.open) this.sendCommit(transaction)
    }
  }

  #complain(complaint: string): void {
    this.complaints.push(complaint)
  }

  #send(lsn: Lsn, ...messages: Uint8Array[]): void {
    if (lsn > this.#named) this.#named = lsn
    this.#walsender?.send(...messages)
  }

  sendBegin({ xid, commitLsn }: ModelTransaction): void {
    const begin = encodeBegin({ kind: 'begin', finalLsn: commitLsn, commitTime: 0n, xid })
    this.#send(commitLsn, xLogData(commitLsn, begin), relationMessage())
  }

  sendRow({ commitLsn }: ModelTransaction, id: number): void {
    this.#send(commitLsn, insertMessage(commitLsn, { id, body: 'x' }))
  }

  sendCommit({ commitLsn, endLsn }: ModelTransaction): void {
    this.#send(endLsn, xLogData(endLsn, encodeCommit({ kind: 'commit', commitLsn, endLsn, commitTime: 0n })))
  }

  sendKeepalive(walEnd: Lsn, replyRequested: boolean): void {
    if (walEnd > this.#named) this.#named = walEnd
    this.#walsender?.keepalive(walEnd, replyRequested)
  }

  pull(): void {
    if (this.#pulling || this.#iterator === undefined) return
    this.#pulling = true
    const inThisRun = this.#delivered
    const inHand = this.#inHand
    this.#iterator.next().then(
      ({ value }) => {
        if (value === undefined || this.#delivered !== inThisRun) return
        this.#pulling = false
        const before = inThisRun.at(-1)?.position ?? this.#position
        if (before !== undefined && comparePositions(before, value.position) >= 0) {
          this.#complain(`position ${JSON.stringify(value.position)} does not come after ${JSON.stringify(before)}`)
        }
        inThisRun.push(value)
        inHand.push(value)
      },
      (error) => {
        if (this.#delivered === inThisRun) this.#complain(`a pull failed: ${error}`)
      },
    )
  }

  /** Stores and acknowledges what is in hand, but for the last few batches. */
  ack(back: number): void {
    const storing = this.#inHand.splice(0, Math.max(0, this.#inHand.length - back))
    const last = storing.at(-1)
    if (last === undefined) {
      // an acknowledgement that came before: ignored
      const [first] = this.#delivered
      if (first !== undefined && this.#inHand[0] !== first) this.#feed?.ack(first.position)
      return
    }
    for (const batch of storing) this.#stored.push(...tellTale(batch.events))
    this.#position = last.position
    this.#feed?.ack(back % 2 === 0 ? last.position : readBack(last.position))
  }

  async end(how: 'cut' | 'abort'): Promise<void> {
    // what is delivered from here on is nobody's
    this.#delivered = []
    if (how === 'cut') {
      this.#walsender?.hangUp()
      for (let turn = 0; turn < 20; turn++) await setImmediate()
    }
    this.#abort.abort(new Error('the consumer is stopped'))
    await this.#feed?.close()
  }

  /** Reads and stores everything that there is. */
  async finish(): Promise<void> {
    const due = this.#model.story.length
    await this.#turnUntil(`${due} events to be stored`, () => {
      this.ack(0)
      this.pull()
      return this.#stored.length >= due
    })
    const durable = this.#position === undefined ? startLsn : flushLsn(this.#position)
    await this.#turnUntil('the last acknowledgement', () => this.#lastFlush === durable)
  }

  /** As waitUntil, and asks at every turn: between two of them lie thousands of instructions and not milliseconds. */
  async #turnUntil(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 2_000
    while (!condition() && this.complaints.length === 0) {
      if (performance.now() > deadline) this.#complain(`waited in vain for ${what}; ${this.#stored.length} are stored`)
      await setImmediate()
    }
  }
}

function readBack(position: Position): Position {
  return JSON.parse(JSON.stringify(position))
}

test('whatever a server sends and a consumer does, flush stays at what was stored, and every event is stored once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }),
      fc.integer({ min: 1, max: 8 }),
      async (steps, maxBatchRows) => {
        const model = new ModelServer()
        const consumer = new ModelConsumer(model, maxBatchRows)
        await consumer.begin()
        const commit = () => {
          const { open } = model
          if (open === undefined) return
          model.open = undefined
          model.end = open.endLsn
          consumer.sendCommit(open)
        }
        for (const action of steps) {
          switch (action.kind) {
            case 'begin':
              commit()
              consumer.sendBegin(model.begin(action.gap))
              break
            case 'rows':
              for (let count = 0; count < action.count && model.open !== undefined; count++) {
                consumer.sendRow(model.open, model.insert(model.open))
              }
              break
            case 'commit':
              commit()
              break
            case 'keepalive': {
              // inside a transaction a server names that one's commit at most
              const walEnd = model.end + BigInt(action.by)
              if (model.open === undefined && walEnd > model.end) model.end = walEnd
              const { open } = model
              const most = open === undefined || walEnd < open.commitLsn ? walEnd : open.commitLsn
              consumer.sendKeepalive(most, action.replyRequested)
              break
            }
            case 'pull':
              consumer.pull()
              break
            case 'ack':
              consumer.ack(action.back)
              break
            case 'settle':
              for (let turn = 0; turn < action.turns; turn++) await setImmediate()
              break
            case 'crash':
              commit()
              await consumer.end(action.how === 'cut' ? 'cut' : 'abort')
              await consumer.begin()
              break
            default:
              action satisfies never
          }
          expect(consumer.complaints).toEqual([])
        }
        commit()
        await consumer.finish()
        expect(consumer.complaints).toEqual([])
        expect(consumer.stored).toEqual(model.story)
        await consumer.end('abort')
      },
    ),
    { numRuns: 250 },
  )
}, 60_000)
