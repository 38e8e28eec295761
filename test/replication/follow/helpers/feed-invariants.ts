import type { Batch, Event, Position, Relation, Transaction } from '../../../../src/index.ts'
import { comparePositions, formatLsn, parseLsn } from '../../../../src/index.ts'

/**
 * What holds for every feed, whatever is written: checked batch by batch, so that each test is one of these too.
 *
 * Positions rise; transactions come whole, one after the other, in the order of their commits; the changes of one are
 * counted without a hole; no event is at LSN 0; and a table is announced before it is used.
 */
export class FeedInvariants {
  #position: Position | undefined
  #tx: Transaction | undefined
  /** `seq` of the next change; undefined where the transaction was begun in an earlier run. */
  #nextSeq: number | undefined
  #lastCommit = 0n
  #begun = false
  readonly #announced = new Map<string, Relation>()

  check(batch: Batch): void {
    for (const event of batch.events) this.#checkEvent(event)
    const { position, atCommit } = batch
    const before = this.#position
    if (before !== undefined && comparePositions(before, position) >= 0) {
      fail(`position ${JSON.stringify(position)} does not come after ${JSON.stringify(before)}`)
    }
    if (atCommit !== (this.#tx === undefined && position.phase !== 'snapshot')) {
      fail(`atCommit is ${atCommit} at ${JSON.stringify(position)}`)
    }
    if (this.#tx !== undefined && position.tx?.commitLsn !== formatLsn(this.#tx.commitLsn)) {
      fail('the batch ends inside a transaction that its position does not name')
    }
    if (this.#tx === undefined && position.tx !== undefined) fail('the position names a transaction that is over')
    if (position.phase === 'stream' && parseLsn(position.lsn) < this.#lastCommit) {
      fail(`position ${position.lsn} is before the commit ${formatLsn(this.#lastCommit)} that was delivered`)
    }
    this.#position = position
  }

  #checkEvent(event: Event): void {
    if (event.lsn <= 0n) fail(`${event.kind} is at LSN ${event.lsn}`)
    if ('relation' in event && event.table !== event.relation.table)
      fail(`${event.table} is not ${event.relation.table}`)
    switch (event.kind) {
      case 'relation':
        this.#announced.set(event.table, event.relation)
        break
      case 'table-left':
        this.#announced.delete(event.table)
        break
      case 'snapshot-begin':
      case 'snapshot':
      case 'snapshot-end':
        this.#checkAnnounced(event.relation)
        break
      case 'begin':
        this.#begin(event.tx)
        this.#begun = true
        break
      case 'commit':
        this.#commit(event.tx)
        break
      case 'insert':
      case 'update':
      case 'delete':
        this.#count(event.tx, event.seq)
        this.#checkAnnounced(event.relation)
        break
      case 'truncate':
        this.#count(event.tx, event.seq)
        for (const relation of event.relations) this.#checkAnnounced(relation)
        break
      case 'message':
        if (event.transactional) this.#count(event.tx, event.seq)
        else if (this.#tx !== undefined) fail('a message without transaction came inside of one')
        break
      default:
        event satisfies never
    }
  }

  #checkAnnounced(relation: Relation): void {
    if (this.#announced.get(relation.table) !== relation) fail(`${relation.table} was not announced as it is used`)
  }

  #begin(tx: Transaction): void {
    if (this.#tx !== undefined) fail(`transaction ${tx.xid} begins inside transaction ${this.#tx.xid}`)
    if (tx.commitLsn < this.#lastCommit) {
      fail(`transaction at ${formatLsn(tx.commitLsn)} comes after the one that ended at ${formatLsn(this.#lastCommit)}`)
    }
    this.#tx = tx
    this.#nextSeq = 0
  }

  #count(tx: Transaction, seq: number): void {
    if (this.#tx === undefined) {
      // the rest of a transaction that an earlier run began, which only the first one can be
      if (this.#begun) fail(`a change of transaction ${tx.xid} comes before its begin`)
      this.#begin(tx)
      this.#nextSeq = seq
    }
    if (this.#tx !== tx) fail(`a change of transaction ${tx.xid} came inside of transaction ${this.#tx?.xid}`)
    if (this.#nextSeq !== seq) fail(`change ${seq} of transaction ${tx.xid} came where ${this.#nextSeq} should`)
    this.#nextSeq = seq + 1
  }

  #commit(tx: Transaction): void {
    // a transaction whose changes were all delivered before has only its commit left
    if (this.#tx === undefined && !this.#begun) this.#begin(tx)
    if (this.#tx !== tx) fail(`transaction ${tx.xid} commits and did not begin`)
    if (tx.endLsn === undefined || tx.endLsn <= tx.commitLsn) fail(`a commit ends at ${tx.endLsn}, before it begins`)
    this.#lastCommit = tx.endLsn
    this.#tx = undefined
    this.#begun = true
  }
}

function fail(why: string): never {
  throw new Error(`the feed broke its promise: ${why}`)
}
