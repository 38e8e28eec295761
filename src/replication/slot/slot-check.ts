import { WalwireError } from '../../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import type { ServerFacts } from '../catalog/server-facts.ts'
import type { Position } from '../position.ts'
import { conflictWithRecovery, invalidation, type SlotFacts } from './slot.ts'

/** A slot that can be continued. */
export interface UsableSlot extends SlotFacts {
  readonly confirmedFlush: Lsn
}

/**
 * Checks that a slot is there and that the server will decode from it for this feed.
 *
 * @throws {WalwireError} `slot_lost`, `slot_physical`, `slot_plugin`, `slot_two_phase`, `slot_database`, `slot_invalidated`,
 * `slot_synchronized`, `slot_active` when it is still being made.
 */
export function checkSlotUsable(name: string, slot: SlotFacts | undefined, server: ServerFacts): UsableSlot {
  if (slot === undefined) {
    throw new WalwireError('slot_lost', {
      what: `slot ${name} cannot be continued`,
      why: 'there is no such slot on this server, so it has kept nothing since the position',
      hint: `check the name and the server; ${startOver}`,
      slot: name,
    })
  }
  checkSlotKind(slot, server)
  const reason = invalidation(slot)
  if (reason !== undefined) {
    const { cause, advice } = invalidations[reason] ?? { cause: 'it says no more', advice: '' }
    throw new WalwireError('slot_invalidated', {
      what: `slot ${name} cannot be continued`,
      why: `the server has given it up (${reason}: ${cause}), and with it the changes since`,
      hint: `${advice}drop the slot and begin without a position: a new slot and snapshot (onLostSlot: 'resnapshot' does so by itself)`,
      slot: name,
    })
  }
  if (slot.confirmedFlush === undefined) {
    throw new WalwireError('slot_active', {
      what: `slot ${name} cannot be continued`,
      why: `process ${slot.activePid ?? 'unknown'} of the server is still making it`,
      hint: 'wait until it is made, or stop who makes it',
      slot: name,
    })
  }
  return { ...slot, confirmedFlush: slot.confirmedFlush }
}

const startOver =
  "to start over, begin without a position: a new slot and snapshot (onLostSlot: 'resnapshot' does so by itself)"

/** By reason, in the server's word for it: what is missing, and what keeps it from happening again. */
const invalidations: Readonly<Record<string, { readonly cause: string; readonly advice: string }>> = {
  wal_removed: {
    cause: 'WAL that it needed was removed, since it kept more than max_slot_wal_keep_size allows',
    advice: 'raise max_slot_wal_keep_size, or follow more steadily; ',
  },
  rows_removed: {
    cause: 'the primary has removed rows of its catalogs that it needed',
    advice: 'set hot_standby_feedback = on, with a physical slot for the standby; ',
  },
  wal_level_insufficient: {
    cause: "the primary's wal_level was lowered, and its WAL has too little in it since",
    advice: 'keep wal_level = logical on the primary; ',
  },
  idle_timeout: {
    cause: 'nobody read it for longer than idle_replication_slot_timeout allows',
    advice: 'raise idle_replication_slot_timeout, or follow more steadily; ',
  },
  [conflictWithRecovery]: {
    cause: "the primary has removed rows of its catalogs that it needed, or the primary's wal_level was lowered",
    advice: 'set hot_standby_feedback = on, with a physical slot for the standby, and keep wal_level = logical; ',
  },
}

/**
 * Whether a slot is lost: gone, or given up by the server. Whatever else keeps it from being continued is thrown, since
 * somebody has done that to it.
 *
 * @returns the refusal, `slot_lost` or `slot_invalidated`; undefined where the slot is there and can be decoded from
 */
export function slotLoss(name: string, slot: SlotFacts | undefined, server: ServerFacts): WalwireError | undefined {
  try {
    checkSlotUsable(name, slot, server)
    return undefined
  } catch (error) {
    if (isSlotLoss(error)) return error
    throw error
  }
}

/** What becomes of a feed that is not refused for {@link slotLoss}. */
export const beginsAnew =
  "the feed begins anew with a new slot, and all tables are copied again (onLostSlot: 'resnapshot'); what came and went in between is not told"

/** Whether a feed failed because its slot is gone, or was given up. */
export function isSlotLoss(error: unknown): error is WalwireError {
  return error instanceof WalwireError && (error.code === 'slot_lost' || error.code === 'slot_invalidated')
}

/**
 * Checks that a slot in the way of a new one can be what an earlier run left: only then may it be dropped.
 *
 * @throws {WalwireError} `slot_physical`, `slot_plugin`, `slot_two_phase`, `slot_database`, `slot_synchronized`
 */
export function checkSlotIsLeftover(slot: SlotFacts, server: ServerFacts): void {
  checkSlotKind(slot, server)
}

/** 14 keeps the setting in the slot, and its pgoutput does not look at it. */
const decodesPrepared = 150_000

function checkSlotKind(slot: SlotFacts, server: ServerFacts): void {
  const parts = { what: `slot ${slot.name} cannot be used`, slot: slot.name }
  if (slot.type === 'physical') {
    throw new WalwireError('slot_physical', {
      ...parts,
      why: 'it is a physical slot, which serves standbys and backups',
      hint: 'use another name',
    })
  }
  if (slot.plugin !== 'pgoutput') {
    throw new WalwireError('slot_plugin', {
      ...parts,
      why: `its plugin is ${slot.plugin}, and walwire reads pgoutput`,
      hint: 'use another name',
    })
  }
  if (slot.twoPhase && server.version >= decodesPrepared) {
    throw new WalwireError('slot_two_phase', {
      ...parts,
      why: 'it was made with two_phase, so that the server sends prepared transactions before they are committed, which walwire does not read yet',
      hint: 'use another name, or drop the slot and let walwire make its own; from 18 on ALTER_REPLICATION_SLOT … (TWO_PHASE false) takes it back',
    })
  }
  if (slot.database !== server.database) {
    throw new WalwireError('slot_database', {
      ...parts,
      why: `it is of the database ${slot.database}, and the connection is to ${server.database}`,
      hint: `connect to ${slot.database}, or use another name`,
    })
  }
  if (slot.synced && server.inRecovery) {
    throw new WalwireError('slot_synchronized', {
      ...parts,
      why: "it is this standby's copy of the primary's slot, which serves only after a promotion",
      hint: 'connect to the primary, or use another name',
    })
  }
}

/**
 * Checks that a slot can be the one in which a position was made. A slot's confirmed_flush_lsn begins at its consistent
 * point and is durable from then on, so one that is behind belongs to another slot (a copy of an older one, say).
 *
 * The usual case of a slot dropped and made anew shows as a gap: the new one begins past every position of the old
 * one, and nothing in the catalogs tells it from the old one moved on by somebody else.
 *
 * @throws {WalwireError} `slot_recreated`
 */
export function checkSlotIsSame(slot: UsableSlot, { consistentPoint }: Pick<Position, 'consistentPoint'>): void {
  if (consistentPoint === undefined || slot.confirmedFlush >= parseLsn(consistentPoint)) return
  throw slotRecreated(
    slot,
    `the position's slot began at ${consistentPoint}, and this one stands at ${formatLsn(slot.confirmedFlush)}, before that`,
  )
}

/**
 * Checks that a slot still has everything from `lsn` on: the server would start at its confirmed_flush_lsn instead and
 * not say so.
 *
 * @throws {WalwireError} `gap`, naming both LSNs
 */
export function checkSlotReaches(slot: UsableSlot, lsn: Lsn): void {
  if (slot.confirmedFlush <= lsn) return
  const keepsNothing =
    slot.restartLsn !== undefined && slot.restartLsn > lsn
      ? `; it keeps WAL from ${formatLsn(slot.restartLsn)} on only, so it may have been dropped and made anew`
      : ''
  throw new WalwireError('gap', {
    what: `slot ${slot.name} cannot be continued from ${formatLsn(lsn)}`,
    why: `the slot stands at ${formatLsn(slot.confirmedFlush)}, and what was committed between would be missing${keepsNothing}`,
    hint: "find out who else reads or moves this slot; to start over, drop it and begin without a position (a new snapshot); to accept the gap, start: 'slot'",
    slot: slot.name,
    lsn: formatLsn(lsn),
  })
}

/**
 * Looks at the slot again, now that START_REPLICATION holds it and nobody else can move it: between the first look and
 * that, somebody may have. Before the first delivery and the first feedback.
 *
 * @param from where the stream was started
 * @throws {WalwireError} `slot_lost`, `slot_recreated`, `gap`
 */
export function checkSlotUnmoved(from: Lsn, before: SlotFacts, after: SlotFacts | undefined): void {
  if (after?.confirmedFlush === undefined) {
    throw new WalwireError('slot_lost', {
      what: `slot ${before.name} cannot be continued`,
      why: 'it was dropped while the stream was starting',
      hint: `find out who drops it; ${startOver}`,
      slot: before.name,
    })
  }
  const slot = { ...after, confirmedFlush: after.confirmedFlush }
  if (before.confirmedFlush !== undefined && slot.confirmedFlush < before.confirmedFlush) {
    throw slotRecreated(
      slot,
      `it stood at ${formatLsn(before.confirmedFlush)} a moment ago, and now stands before that, at ${formatLsn(slot.confirmedFlush)}`,
    )
  }
  checkSlotReaches(slot, from)
}

function slotRecreated(slot: UsableSlot, why: string): WalwireError {
  return new WalwireError('slot_recreated', {
    what: `slot ${slot.name} is not the one that the position is of`,
    why,
    hint: 'drop the slot and begin without a position: a new slot and snapshot',
    slot: slot.name,
    lsn: formatLsn(slot.confirmedFlush),
  })
}

/** The slot that a run made is not there any more, or another one is. */
export function slotExchanged(slot: string): WalwireError {
  return new WalwireError('slot_lost', {
    what: `slot ${slot} is not the one any more that this feed made`,
    why: 'it was dropped, moved or made anew while the connection was lost that told others of this run',
    hint: 'begin again with the position that was stored last: a new slot and snapshot',
    slot,
  })
}
