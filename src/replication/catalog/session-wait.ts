import { type Queryable, queryRows, type TextRow } from './queryable.ts'

/** What a session is at, and who keeps it from going on. */
export interface SessionWait {
  readonly pid: number
  /** As in pg_stat_activity: `active`, `idle` … Undefined where the role may not see it. */
  readonly state: string | undefined
  /** What it waits for: `Lock relation`, `IPC SyncRep` … */
  readonly event: string | undefined
  /** Whether a prepared transaction, which has no session, holds a lock that it waits for. */
  readonly isPrepared: boolean
  /** Sessions that hold, or await before it, the lock that it waits for. */
  readonly holders: readonly LockHolder[]
}

/** A session in somebody's way. What it runs is nobody's business: statements may hold secrets. */
export interface LockHolder {
  readonly pid: number
  readonly role: string | undefined
  readonly application: string | undefined
  readonly state: string | undefined
  /** How long its transaction has been open. */
  readonly seconds: number | undefined
}

/** Whoever looks after one that waits must not wait for long. */
const lookMs = 5_000

/**
 * Looks at a session of the server over another one. Undefined when there is none of this process ID. It asks for as
 * little of the catalog as it can, since that may be what is locked; and as the role that logged in, since the one that it may act
 * as sees nothing of what its own sessions do.
 */
export async function readWait(connection: Queryable, pid: number): Promise<SessionWait | undefined> {
  const rows = await queryRows(
    connection,
    `SET LOCAL ROLE NONE; SELECT a.state, a.wait_event_type, a.wait_event, 0 = ANY (pg_catalog.pg_blocking_pids(a.pid)),
      b.pid, b.usename, b.application_name, b.state, extract(epoch FROM clock_timestamp() - b.xact_start)
    FROM pg_catalog.pg_stat_activity a
      LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))
    WHERE a.pid = ${Math.trunc(pid)}`,
    { limitMs: lookMs },
  )
  const [first] = rows
  if (first === undefined) return undefined
  const [state, eventType, event, isPrepared] = first
  return {
    pid,
    state: state ?? undefined,
    event: eventType ? `${eventType} ${event ?? ''}` : undefined,
    isPrepared: isPrepared === 't',
    holders: rows.flatMap(([, , , , ...holder]) => readHolder(holder) ?? []),
  }
}

function readHolder([pid, role, application, state, seconds]: TextRow): LockHolder | undefined {
  if (!pid) return undefined
  return {
    pid: Number(pid),
    role: role ?? undefined,
    application: application || undefined,
    state: state ?? undefined,
    seconds: seconds ? Math.round(Number(seconds)) : undefined,
  }
}

/** The sentence that says what a session waits for. */
export function describeWait({ pid, event, isPrepared, holders }: SessionWait): string {
  const what = event === undefined ? `process ${pid} works on it` : `process ${pid} waits for ${event}`
  const inTheWay = [
    ...(isPrepared ? ['a prepared transaction (see pg_prepared_xacts)'] : []),
    ...holders.map(describeHolder),
  ]
  return inTheWay.length === 0 ? what : `${what}, in the way is ${inTheWay.join('; ')}`
}

/** A session that holds something up, without what it runs. */
export function describeHolder({ pid, role, application, state, seconds }: LockHolder): string {
  const facts = [
    role && `role ${role}`,
    application && `application ${application}`,
    state,
    seconds !== undefined && `in its transaction for ${seconds} s`,
  ]
  return [`process ${pid}`, ...facts.filter(Boolean)].join(', ')
}
