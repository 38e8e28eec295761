import type { BeginMessage, CommitMessage, LogicalMessage, OriginMessage } from '../../decoder/messages.ts'
import type { PgoutputSink } from '../../decoder/pgoutput.ts'
import type { Relation, Row } from '../../decoder/relation.ts'
import { uint64Of } from '../../protocol/messages/big-endian.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import type { Batch } from '../batch.ts'
import type { DeleteEvent, Event, Transaction, UpdateEvent } from '../events.ts'
import type { Position } from '../position.ts'
import type { AnnouncedRelations } from './announced-relations.ts'

/** When a batch is full. */
export interface BatchLimits {
  readonly maxBatchRows: number
  readonly maxBatchBytes: number
}

/** A transaction that is being received; the public face of it is read-only. */
type OpenTransaction = { -readonly [Field in keyof Transaction]: Transaction[Field] }

/**
 * Makes events, batches and positions of a decoded stream. It holds all rules about what is delivered and where a batch
 * may end, and does no I/O: messages go in, in order, and batches are taken out.
 *
 * A batch ends at the last commit that was received. Only when one transaction alone exceeds the limits does it end
 * inside that, at a position that counts the changes already delivered.
 */
export class Assembler implements PgoutputSink {
  /** The transaction with this commit LSN or the first one above it ends the stream; see `stop` in FollowOptions. */
  readonly #stop: Lsn | undefined
  readonly #base: Position
  readonly #limits: BatchLimits
  readonly #announced: AnnouncedRelations
  /** The relation that the last row was of: when it is the same again, it was announced. */
  #lastAnnounced: Relation | undefined
  /** The same by the object that the consumer was told of. */
  #lastTold: Relation | undefined

  /** What of a transaction was delivered before this run: its changes below `seq` are skipped. */
  #skip: { readonly commitLsn: Lsn; readonly seq: number } | undefined
  #tx: OpenTransaction | undefined
  /** Changes of the open transaction so far, delivered or not. */
  #seq = 0
  /** Changes of the open transaction that are below this were delivered in an earlier run. */
  #deliveredBefore = 0
  /** What the consumer has had of a transaction in the middle of which it stands, over other connections. */
  readonly #standing: OpenTransaction | undefined
  /** Whether `begin` was emitted for the open transaction, in this run or an earlier one. */
  #begun = false

  /** Everything up to here was received: no transaction with a commit LSN below this is still to come. */
  #lsn: Lsn
  #events: Event[] = []
  #bytes = 0
  /** The events up to here end with a commit. */
  #cut = 0
  #cutBytes = 0
  #cutLsn: Lsn
  #stopped = false

  /** Start LSN of the message being read, in two halves. */
  #high = 0
  #low = 0
  /** The LSN that was last made of its halves. */
  #lsnHigh = 0
  #lsnLow = 0
  #messageLsn: Lsn = 0n

  /**
   * @param base the position that the stream continues from
   * @param announced shared with the snapshot before, so that a table is announced once in a run
   * @param standing the transaction in the middle of which the feed stands, where this run has delivered its beginning
   */
  constructor(
    base: Position,
    limits: BatchLimits,
    stop: Lsn | undefined,
    announced: AnnouncedRelations,
    standing?: Transaction,
  ) {
    this.#base = base
    this.#standing = standing
    this.#limits = limits
    this.#stop = stop
    this.#announced = announced
    this.#lsn = parseLsn(base.lsn)
    this.#cutLsn = this.#lsn
    this.#skip = base.tx && { commitLsn: parseLsn(base.tx.commitLsn), seq: base.tx.seq }
    if (stop !== undefined && this.#lsn >= stop) this.#stopped = true
  }

  /** Whether nothing more may be read before a batch is taken. */
  get full(): boolean {
    const count = this.#events.length
    // without an event there is nothing to take, however long a transaction's begin and its relations are
    return count > 0 && (count >= this.#limits.maxBatchRows || this.#bytes >= this.#limits.maxBatchBytes)
  }

  /** Whether `stop` was reached: everything before it was received. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Whether the stream stands inside a transaction, or must first find the one that it continues in. */
  get inTransaction(): boolean {
    return this.#tx !== undefined || this.#skip !== undefined
  }

  /** Of the transaction that is being received. */
  get xid(): number | undefined {
    return this.#tx?.xid
  }

  /** Everything with a commit LSN below this was received. */
  get lsn(): Lsn {
    return this.#lsn
  }

  /** Commit time of the transaction being received, or of the last one; undefined before the first. */
  commitTime: bigint | undefined = undefined

  /**
   * Begins a message.
   *
   * @param high upper half of XLogData's start LSN, an unsigned number
   * @param low lower half of it
   * @param bytes size on the wire
   */
  at(high: number, low: number, bytes: number): void {
    this.#high = high
    this.#low = low
    this.#bytes += bytes
  }

  /**
   * What was received up to the last commit, or else a part of a transaction that is too large. Undefined when there is
   * nothing.
   *
   * @param all whether to take a part of a transaction whatever its size, since this stream will not go on with it
   */
  take(all = false): Batch | undefined {
    if (this.#cut > 0) {
      const events = this.#events
      const rest = events.splice(this.#cut)
      const lsn = this.#cutLsn
      this.#events = rest
      this.#bytes -= this.#cutBytes
      this.#cut = 0
      this.#cutBytes = 0
      // while the transaction that this run continues in was not found, what was delivered of it still counts
      const tx = this.#skip === undefined ? undefined : this.#base.tx
      return { events, position: this.#position(lsn, tx), atCommit: true }
    }
    const tx = this.#tx
    if (tx === undefined || this.#events.length === 0 || !(all || this.full)) return undefined
    const events = this.#events
    this.#events = []
    this.#bytes = 0
    return {
      events,
      position: this.#position(this.#lsn, { commitLsn: formatLsn(tx.commitLsn), seq: this.#seq }),
      atCommit: false,
    }
  }

  /** A batch that only moves the position to what was received. Not inside a transaction, and nothing may be waiting. */
  takeIdle(): Batch {
    return { events: [], position: this.#position(this.#lsn, undefined), atCommit: true }
  }

  /**
   * The server has sent everything up to `walEnd`. Between two transactions that moves the position; inside one it
   * proves nothing for that one.
   */
  keepalive(walEnd: Lsn): void {
    // behind `stop` the server goes on with what is not delivered
    if (this.#stopped || this.#tx !== undefined) return
    if (this.#skip !== undefined) {
      if (walEnd > this.#skip.commitLsn) this.#notFound('the server has sent everything beyond it')
      return
    }
    this.#advance(walEnd)
  }

  begin(message: BeginMessage): void {
    if (this.#stopped) return
    if (this.#tx !== undefined) this.#outOfOrder('a transaction began inside another')
    const skip = this.#skip
    let deliveredBefore = 0
    if (skip !== undefined && message.finalLsn >= skip.commitLsn) {
      if (message.finalLsn > skip.commitLsn) this.#notFound('a later one came first')
      deliveredBefore = skip.seq
    }
    if (this.#stop !== undefined && message.finalLsn >= this.#stop) {
      // with a part of it delivered, the position stays inside this transaction
      if (deliveredBefore > 0) this.#stopped = true
      else this.#reachStop(this.#stop)
      return
    }
    this.#seq = 0
    this.#deliveredBefore = deliveredBefore
    this.#begun = deliveredBefore > 0
    this.commitTime = message.commitTime
    // whoever has had a part of it knows it by its object
    this.#tx = (deliveredBefore > 0 ? this.#standing : undefined) ?? {
      xid: message.xid,
      commitLsn: message.finalLsn,
      endLsn: undefined,
      commitTime: message.commitTime,
      origin: undefined,
    }
  }

  message(message: LogicalMessage): void {
    if (this.#stopped) return
    const { transactional, prefix, content, lsn } = message
    if (transactional) {
      const tx = this.#change()
      if (tx) {
        this.#events.push({ kind: 'message', prefix, content, lsn, transactional, seq: this.#seq - 1, tx })
      }
      return
    }
    if (this.#tx !== undefined) this.#outOfOrder('a message of no transaction came inside one')
    if (this.#skip !== undefined) {
      if (lsn > this.#skip.commitLsn) this.#notFound('a message from behind it came first')
      return
    }
    // It comes on its own, between transactions, and its LSN is the end of its record: one that ends at `stop` is before it.
    if (this.#stop !== undefined && lsn > this.#stop) {
      // `stop` may lie inside the record: as a position it would leave the message out
      this.#stopped = true
      return
    }
    if (lsn <= this.#lsn) return
    this.#events.push({ kind: 'message', prefix, content, lsn, transactional, seq: undefined, tx: undefined })
    this.#advance(lsn)
  }

  commit(message: CommitMessage): void {
    if (this.#stopped) return
    const tx = this.#open()
    if (this.#seq < this.#deliveredBefore) this.#notFound(`it has only ${this.#seq} changes now`)
    if (this.#deliveredBefore > 0) this.#skip = undefined
    tx.endLsn = message.endLsn
    if (this.#begun) this.#events.push({ kind: 'commit', lsn: message.commitLsn, tx })
    this.#tx = undefined
    this.#advance(message.endLsn)
  }

  origin(message: OriginMessage): void {
    if (!this.#stopped) this.#open().origin = message.name
  }

  // The stream makes relations and types known to the decoder itself, since that may need the catalog.
  relation(): void {}
  type(): void {}

  // Of a transaction that was rolled back nothing came.
  streamAbort(): void {}

  insert(relation: Relation, row: Row, unchanged: string[] | undefined): void {
    const tx = this.#change()
    if (tx === undefined) return
    const told = relation === this.#lastAnnounced && this.#lastTold ? this.#lastTold : this.#announce(relation, tx)
    this.#events.push({
      kind: 'insert',
      table: told.table,
      relation: told,
      lsn: this.#currentLsn(),
      seq: this.#seq - 1,
      tx,
      new: row,
      unchanged,
    })
  }

  update(
    relation: Relation,
    key: Row | undefined,
    old: Row | undefined,
    row: Row,
    unchanged: string[] | undefined,
  ): void {
    const tx = this.#change()
    if (tx === undefined) return
    const told = relation === this.#lastAnnounced && this.#lastTold ? this.#lastTold : this.#announce(relation, tx)
    const fields = {
      kind: 'update' as const,
      table: told.table,
      relation: told,
      lsn: this.#currentLsn(),
      seq: this.#seq - 1,
      tx,
      new: row,
      key,
      old,
      unchanged,
    }
    this.#events.push(fields satisfies Omit<UpdateEvent, 'key' | 'old' | 'unchanged'> as UpdateEvent)
  }

  delete(relation: Relation, key: Row | undefined, old: Row | undefined): void {
    const tx = this.#change()
    if (tx === undefined) return
    const told = relation === this.#lastAnnounced && this.#lastTold ? this.#lastTold : this.#announce(relation, tx)
    const fields = {
      kind: 'delete' as const,
      table: told.table,
      relation: told,
      lsn: this.#currentLsn(),
      seq: this.#seq - 1,
      tx,
      key,
      old,
    }
    this.#events.push(fields satisfies Omit<DeleteEvent, 'key' | 'old'> as DeleteEvent)
  }

  truncate(relations: Relation[], cascade: boolean, restartIdentity: boolean): void {
    const tx = this.#change()
    if (tx === undefined) return
    const told = relations.map((relation) => this.#announce(relation, tx))
    this.#events.push({
      kind: 'truncate',
      relations: told,
      cascade,
      restartIdentity,
      lsn: this.#currentLsn(),
      seq: this.#seq - 1,
      tx,
    })
  }

  /** Whoever applied the change would have to guess which row it is, or take NULLs for values. */
  unidentified({ table }: Relation, why: string): void {
    if (this.#stopped) return
    throw new WalwireError('row_unidentified', {
      what: `a change of table ${table} does not say which row it changed`,
      why: `${why}, so that something else was logged of the row than the replica identity of ${table} says`,
      hint: 'give the table and all of its partitions the same replica identity, whose columns are published; then begin with a new slot and snapshot',
      slot: this.#base.slot,
      table,
      lsn: formatLsn(this.#currentLsn()),
    })
  }

  /** Counts a change. Undefined when it is not to be delivered: delivered before this run, or past `stop`. */
  #change(): OpenTransaction | undefined {
    if (this.#stopped) return undefined
    const tx = this.#open()
    if (this.#seq++ < this.#deliveredBefore) {
      // what is skipped does not fill a batch
      this.#bytes = this.#cutBytes
      return undefined
    }
    if (!this.#begun) {
      this.#begun = true
      this.#events.push({ kind: 'begin', lsn: this.#currentLsn(), tx })
    }
    return tx
  }

  /** Tells the consumer of a relation where it must know of it. @returns the object by which it knows it */
  #announce(relation: Relation, tx: Transaction): Relation {
    const change = this.#announced.announce(relation)
    if (change !== undefined) {
      this.#events.push({ kind: 'relation', table: relation.table, relation, lsn: this.#currentLsn(), tx, change })
    }
    this.#lastAnnounced = relation
    this.#lastTold = this.#announced.asTold(relation)
    return this.#lastTold
  }

  /** LSN of the message being read; a run of changes that share one LSN shares one bigint. */
  #currentLsn(): Lsn {
    if (this.#high !== this.#lsnHigh || this.#low !== this.#lsnLow) {
      this.#lsnHigh = this.#high
      this.#lsnLow = this.#low
      this.#messageLsn = uint64Of(this.#high, this.#low)
    }
    return this.#messageLsn
  }

  #open(): OpenTransaction {
    return this.#tx ?? this.#outOfOrder('a change or a commit came outside a transaction')
  }

  /**
   * No version sends this: a transaction is replayed in one go between its Begin and Commit, and a message of no
   * transaction is sent when its record is read, before or after that (PG18: reorderbuffer.c ReorderBufferQueueMessage).
   */
  #outOfOrder(why: string): never {
    throw new WalwireError('protocol_violation', {
      what: 'the replication stream is out of order',
      why,
      hint: 'check that nothing between client and server changes bytes; otherwise please report it',
      lsn: formatLsn(this.#currentLsn()),
    })
  }

  /** Between two transactions: everything before `lsn` was received. It never falls, though early keepalives do. */
  #advance(lsn: Lsn): void {
    if (lsn > this.#lsn) this.#lsn = lsn
    if (this.#events.length > 0) {
      this.#cut = this.#events.length
      this.#cutBytes = this.#bytes
      this.#cutLsn = this.#lsn
    } else {
      this.#bytes = 0
    }
    if (this.#stop !== undefined && this.#lsn >= this.#stop) this.#reachStop(this.#stop)
  }

  #reachStop(stop: Lsn): void {
    this.#stopped = true
    if (stop > this.#lsn) this.#lsn = stop
    if (this.#cut > 0) this.#cutLsn = this.#lsn
  }

  #position(lsn: Lsn, tx: Position['tx']): Position {
    const { tx: _, ...base } = this.#base
    return tx === undefined ? { ...base, lsn: formatLsn(lsn) } : { ...base, lsn: formatLsn(lsn), tx }
  }

  #notFound(why: string): never {
    const { commitLsn, seq } = this.#skip ?? { commitLsn: 0n, seq: 0 }
    throw new WalwireError('position_not_found', {
      what: `the position inside the transaction with commit LSN ${formatLsn(commitLsn)}, after ${seq} changes, was not found`,
      why,
      hint: 'the publication or the server is not what it was when the position was stored; take a new snapshot',
      slot: this.#base.slot,
      lsn: formatLsn(commitLsn),
    })
  }
}
