import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../logger.ts'
import { type Queryable, queryRows } from './queryable.ts'
import { describeWait, readWait } from './session-wait.ts'

const pollIntervalMs = 50
/** After this it is said what is waited for. */
const quietMs = 3_000
/** Longer than this a commit is not waited for: the standby that it waits for may be this feed's own consumer. */
const patienceMs = 10_000

/**
 * Waits until other sessions see a transaction that was streamed. A walsender sends it as soon as its commit record is on
 * the disk; the catalog has what it made only when the transaction has ended, a moment later, or much later where its
 * commit waits for a synchronous standby. Who holds it up is said when it takes longer than a moment.
 *
 * @param xid of the transaction itself, as Begin has it: without the epoch
 * @returns whether they do
 * @see PG18: src/backend/access/transam/xact.c RecordTransactionCommit, before ProcArrayEndTransaction
 */
export async function waitUntilVisible(connection: Queryable, xid: number, logger: Logger): Promise<boolean> {
  const begunMs = performance.now()
  for (let said = false; ; ) {
    const [[snapshot] = []] = await queryRows(connection, 'SELECT pg_catalog.pg_current_snapshot()')
    if (isVisible(snapshot ?? '', xid)) return true
    const waitedMs = performance.now() - begunMs
    if (waitedMs >= quietMs && !said) {
      logger.warn({ xid }, await describeCommit(connection, xid))
      said = true
    }
    if (waitedMs >= patienceMs) {
      logger.warn({ xid }, `transaction ${xid} is still not visible: what it made or altered cannot be read`)
      return false
    }
    await delay(pollIntervalMs)
  }
}

/** What the commit of a transaction waits for: it holds the lock on its own number until it has ended. */
async function describeCommit(connection: Queryable, xid: number): Promise<string> {
  const what = `types of transaction ${xid} are waited for, whose commit nobody sees yet`
  const [[pid] = []] = await queryRows(
    connection,
    `SELECT l.pid FROM pg_catalog.pg_locks l WHERE l.locktype = 'transactionid' AND l.transactionid = '${xid}' AND l.granted`,
  )
  const wait = pid ? await readWait(connection, Number(pid)) : undefined
  return wait === undefined ? what : `${what}: ${describeWait(wait)}`
}

/**
 * Whether a transaction has ended in a snapshot.
 *
 * @param snapshot as the type pg_snapshot is printed: `xmin:xmax:running,…`, with epochs
 */
export function isVisible(snapshot: string, xid: number): boolean {
  const [, end = '0', running = ''] = snapshot.split(':')
  const xmax = BigInt(end)
  // the one of that number that is nearest to the snapshot's end
  const full = xmax - BigInt.asIntN(32, xmax - BigInt(xid))
  return full < xmax && !running.split(',').includes(String(full))
}
