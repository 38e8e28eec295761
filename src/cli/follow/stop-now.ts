import { setTimeout as delay } from 'node:timers/promises'
import { formatLsn, type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { type Queryable, queryRows } from '../../replication/catalog/queryable.ts'
import { flushWritten } from '../../replication/catalog/wait-for-lsn.ts'

/** How often to ask whether the log has reached the disk. */
const pollMs = 50

/** Bytes of a page header in the log: of an ordinary page, and of a segment's first (xlog_internal.h). */
const pageHeaderBytes = [24n, 40n]

/**
 * The LSN below which everything lies that had committed when this was called, once the server has it on its disk: a
 * walsender sends nothing that is not, and a commit that did not wait for the disk (synchronous_commit = off) is visible
 * before.
 */
export async function stopNow(connection: Queryable, signal: AbortSignal): Promise<string> {
  const [[isStandby, end, blockSize] = []] = await queryRows(
    connection,
    `SELECT pg_is_in_recovery(),
      CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END,
      current_setting('wal_block_size')`,
  )
  const stop = endOfLastRecord(parseLsn(end ?? ''), BigInt(blockSize ?? '8192'))
  while (isStandby !== 't') {
    const [[flushed] = []] = await queryRows(connection, 'SELECT pg_current_wal_flush_lsn()')
    if (parseLsn(flushed ?? '') >= stop) break
    // what a transaction wrote that stays open would not get there by itself
    await flushWritten(connection)
    await delay(pollMs, undefined, { signal })
  }
  return formatLsn(stop)
}

/**
 * The insert LSN is where the next record will begin: behind the page's header where a page is just full, or a segment
 * just left. Neither the flush LSN nor a walsender gets there before that record is written, which may be never.
 */
export function endOfLastRecord(insertLsn: Lsn, blockSize: bigint): Lsn {
  const inPage = insertLsn % blockSize
  return pageHeaderBytes.includes(inPage) ? insertLsn - inPage : insertLsn
}
