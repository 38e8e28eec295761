import type { Connection } from '../../protocol/connection/connection.ts'
import { quoteIdentifier, quoteLiteral } from '../../protocol/messages/quote.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
import { type Queryable, queryRows } from '../catalog/queryable.ts'
import type { Logger } from '../logger.ts'
import { qualified } from '../publication/copy-command.ts'
import type { PublishedTable } from '../publication/publication.ts'
import type { SayWait, Waits } from '../waits.ts'
import { insufficientPrivilege } from './copy-failure.ts'

/** What a table is locked with. */
export interface TableLockParts {
  /** Gets the transaction that has the lock. */
  readonly worker: Connection
  /** Another connection, which sees who holds the lock. */
  readonly ordinary: Queryable
  readonly snapshotName: string
  readonly logger: Logger
  readonly waits: Waits
}

/**
 * Begins a transaction in an exported snapshot and locks a table in it, its partitions too, so that nobody rewrites,
 * empties or alters it until the transaction ends.
 *
 * LOCK TABLE wants rights on the whole table. A role that may read only some columns locks it by reading these.
 */
export async function lockTable(parts: TableLockParts, table: PublishedTable): Promise<void> {
  const { worker, snapshotName } = parts
  const begin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}`
  const name = `${table.partitioned ? '' : 'ONLY '}${qualified(table.relation)}`
  const lock = async (statement: string) => {
    await parts.waits.during((say) => {
      const locked = worker.query(`${begin}; ${statement}`, { isReported: true })
      return whileWaiting(locked, () => reportLockHolders(parts, table, say))
    })
  }
  try {
    await lock(`LOCK TABLE ${name} IN ACCESS SHARE MODE`)
  } catch (error) {
    if (errorFieldsOf(error)?.code !== insufficientPrivilege) throw error
    await worker.query('ROLLBACK')
    const columns = table.relation.columns.map((column) => quoteIdentifier(column.name)).join(', ')
    await lock(`SELECT ${columns} FROM ${name} LIMIT 0`)
  }
}

/** A migration that is open keeps the copy waiting, and slot and WAL with it. */
async function reportLockHolders(
  { worker, ordinary, logger }: TableLockParts,
  table: PublishedTable,
  say: SayWait,
): Promise<void> {
  const { table: label } = table.relation
  const rows = await queryRows(
    ordinary,
    `SELECT pid, usename, state, round(extract(epoch FROM clock_timestamp() - xact_start))
    FROM pg_catalog.pg_stat_activity WHERE pid = ANY (pg_catalog.pg_blocking_pids(${worker.processId}))`,
  )
  const blockers = rows.map(([pid, role, state, seconds]) => ({
    pid: Number(pid),
    role: role ?? undefined,
    state: state ?? undefined,
    seconds: seconds === null || seconds === undefined ? undefined : Number(seconds),
  }))
  const names = blockers.map(({ pid, role, state, seconds }) => {
    const facts = [role && `role ${role}`, state, seconds !== undefined && `in its transaction for ${seconds} s`]
    return [`process ${pid}`, ...facts.filter(Boolean)].join(', ')
  })
  // a prepared transaction has no process
  const holder = names.length === 0 ? 'another session or a prepared transaction' : names.join('; ')
  const lock = `a lock that is held or awaited by ${holder}`
  say(`${lock}, to copy ${label}`)
  logger.warn({ table: label, blockers }, `the copy of ${label} waits for ${lock}`)
}

const firstReportMs = 2_000
const reportIntervalMs = 60_000

/** Awaits something that may take long, and reports now and then that it does. A report that fails is none. */
async function whileWaiting<T>(work: Promise<T>, report: () => Promise<void>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const schedule = (ms: number) => {
    timer = setTimeout(() => {
      report().catch(() => {})
      schedule(reportIntervalMs)
    }, ms)
  }
  schedule(firstReportMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}
