import { WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows, type TextRow } from '../catalog/queryable.ts'

/** A replication slot as `pg_replication_slots` has it. What a version does not know is undefined or false. */
export interface SlotFacts {
  readonly name: string
  readonly type: 'logical' | 'physical'
  /** Undefined for a physical slot, as the database. */
  readonly plugin: string | undefined
  readonly database: string | undefined
  readonly temporary: boolean
  /** The process that has the slot in use, or is making it. */
  readonly activePid: number | undefined
  /** The oldest WAL that the server keeps for the slot. */
  readonly restartLsn: Lsn | undefined
  /** Undefined for a logical slot that is still being made. */
  readonly confirmedFlush: Lsn | undefined
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | undefined
  /** From 16 on: a standby's slot that needed what the primary has removed. */
  readonly conflicting: boolean
  /** From 17 on. */
  readonly invalidationReason: string | undefined
  /** From 17 on: the slot is a copy of the primary's, and of no use until this standby is promoted. */
  readonly synced: boolean
  /** It decodes prepared transactions where they are prepared, whatever a stream asks for. */
  readonly twoPhase: boolean
}

/** Reads a slot of any kind and database; undefined where there is none of that name. */
export async function readSlot(connection: Queryable, name: string): Promise<SlotFacts | undefined> {
  // As JSON, since versions differ in their columns: one that is not there reads as null.
  const [row] = await queryRows(
    connection,
    `SELECT s->>'slot_name', s->>'slot_type', s->>'plugin', s->>'database', s->>'temporary', s->>'active_pid',
      s->>'restart_lsn', s->>'confirmed_flush_lsn', s->>'wal_status', s->>'conflicting', s->>'invalidation_reason',
      s->>'synced', s->>'two_phase'
    FROM (SELECT to_jsonb(slots) AS s FROM pg_catalog.pg_replication_slots slots
      WHERE slot_name = ${quoteLiteral(name)}) found`,
  )
  return row && parseSlot(row)
}

function parseSlot(row: TextRow): SlotFacts {
  const [name, type, plugin, database, temporary, activePid, restartLsn, confirmedFlush] = row
  const [walStatus, conflicting, invalidationReason, synced, twoPhase] = row.slice(8)
  return {
    name: name ?? '',
    type: type === 'logical' ? 'logical' : 'physical',
    plugin: plugin ?? undefined,
    database: database ?? undefined,
    temporary: temporary === 'true',
    activePid: activePid ? Number(activePid) : undefined,
    restartLsn: restartLsn ? parseLsn(restartLsn) : undefined,
    confirmedFlush: confirmedFlush ? parseLsn(confirmedFlush) : undefined,
    walStatus: walStatus ?? undefined,
    conflicting: conflicting === 'true',
    invalidationReason: invalidationReason ?? undefined,
    synced: synced === 'true',
    twoPhase: twoPhase === 'true',
  }
}

/** What 16 says of both reasons that a standby has. */
export const conflictWithRecovery = 'conflict with recovery'

/** Why the server will never decode from this slot again, in its own words; undefined when it will. */
export function invalidation(slot: SlotFacts): string | undefined {
  if (slot.invalidationReason !== undefined) return slot.invalidationReason
  // PG14 and 15 tell only this; 16 tells the two reasons of a standby only as `conflicting`.
  if (slot.walStatus === 'lost') return 'wal_removed'
  if (slot.conflicting) return conflictWithRecovery
  return undefined
}

/** How {@link dropSlot} goes about it. */
export interface DropOptions {
  /** How long to wait for a session that has the slot in use. In ms. */
  readonly deadlineMs: number
  /** The walsenders of our own that may have it in use still, and are ended. Nobody else's ever is. */
  readonly pids?: readonly number[] | undefined
  /**
   * Where the slot that is meant stands: another one that was given its name since stands elsewhere, and is left alone.
   * The server cannot compare and drop in one step; it is done in one statement.
   */
  readonly standsAt?: Lsn | undefined
}

/**
 * Drops a slot; one that is gone already is as good.
 *
 * @throws {WalwireError} `slot_active` when another session has it in use until the deadline; `slot_recreated` when it is
 * not the one that is meant.
 */
export async function dropSlot(ordinary: Queryable, name: string, options: DropOptions): Promise<void> {
  const deadline = performance.now() + options.deadlineMs
  for (;;) {
    try {
      const dropped = await queryRows(ordinary, dropSql(name, options.standsAt))
      if (dropped.length === 0) await checkGone(ordinary, name)
      return
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error
      if (error.sqlstate === '42704') return
      if (error.sqlstate !== '55006') throw error
      const slot = await readSlot(ordinary, name)
      if (slot === undefined) return
      if (performance.now() >= deadline) throw slotActive(slot, error)
      if (slot.activePid !== undefined && options.pids?.includes(slot.activePid))
        await terminateBackend(ordinary, slot.activePid)
    }
    await new Promise((resolve) => setTimeout(resolve, dropRetryMs))
  }
}

const dropRetryMs = 50

function dropSql(name: string, standsAt: Lsn | undefined): string {
  const isMeant = standsAt === undefined ? '' : ` AND confirmed_flush_lsn = '${formatLsn(standsAt)}'`
  return `SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
    WHERE slot_name = ${quoteLiteral(name)}${isMeant}`
}

/** Of a slot that was not found where it was to stand. */
async function checkGone(ordinary: Queryable, name: string): Promise<void> {
  const slot = await readSlot(ordinary, name)
  if (slot === undefined) return
  throw new WalwireError('slot_recreated', {
    what: `slot ${name} was not dropped`,
    why: 'it is another one than the one that was to go: somebody dropped that, and made this, or moved it',
    hint: 'find out who uses the name; drop the slot by hand when nobody needs it',
    slot: name,
  })
}

/** Ends the walsender of our own that has a slot in use though its client is gone, as the server has not noticed. */
export async function freeSlot(
  ordinary: Queryable,
  name: string,
  { pids, deadlineMs }: { readonly pids: readonly number[]; readonly deadlineMs: number },
): Promise<void> {
  if (pids.length === 0) return
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const active = (await readSlot(ordinary, name))?.activePid
    if (active === undefined || !pids.includes(active) || performance.now() >= deadline) return
    await terminateBackend(ordinary, active)
    await new Promise((resolve) => setTimeout(resolve, dropRetryMs))
  }
}

async function terminateBackend(ordinary: Queryable, pid: number): Promise<void> {
  await ordinary.query(`SELECT pg_catalog.pg_terminate_backend(${pid})`)
}

/** Another session has the slot in use. */
export function slotActive(slot: SlotFacts, cause?: unknown): WalwireError {
  return new WalwireError('slot_active', {
    what: `slot ${slot.name} cannot be used`,
    why: `process ${slot.activePid ?? 'unknown'} of the server has it in use`,
    hint: 'stop the other follower of this slot, or wait until the server notices that it is gone',
    slot: slot.name,
    sqlstate: '55006',
    cause,
  })
}
