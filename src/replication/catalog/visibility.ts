import { setTimeout as delay } from 'node:timers/promises'
import { type Queryable, queryRows } from './queryable.ts'

const pollIntervalMs = 50
/** Longer than this a commit is not waited for: the standby that it waits for may be this feed's own consumer. */
const patienceMs = 10_000

/**
 * Waits until other sessions see a transaction that was streamed. A walsender sends it as soon as its commit record is on
 * the disk; the catalog has what it made only when the transaction has ended, a moment later, or much later where its
 * commit waits for a synchronous standby.
 *
 * @param xid of the transaction itself, as Begin has it: without the epoch
 * @returns whether they do
 * @see PG18: src/backend/access/transam/xact.c RecordTransactionCommit, before ProcArrayEndTransaction
 */
export async function waitUntilVisible(connection: Queryable, xid: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const [[snapshot] = []] = await queryRows(connection, 'SELECT pg_catalog.pg_current_snapshot()')
    if (isVisible(snapshot ?? '', xid)) return true
    if (performance.now() >= deadline) return false
    await delay(pollIntervalMs)
  }
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
