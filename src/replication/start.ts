import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn, type Lsn, type LsnInput, parseLsn } from '../protocol/messages/lsn.ts'
import { reached, type ServerFacts } from './catalog/server-facts.ts'
import { switchPoint, type TimelineSwitch } from './catalog/timeline-history.ts'
import { positionAhead } from './catalog/wait-for-lsn.ts'
import { type Position, type PositionOptions, parsePosition, positionVersion } from './position.ts'
import type { SlotFacts } from './slot/slot.ts'
import { checkSlotIsLeftover, checkSlotIsSame, checkSlotReaches, checkSlotUsable, slotLoss } from './slot/slot-check.ts'
import { checkSlotName } from './slot/slot-name.ts'

/** What the caller asked for. */
export interface StartRequest {
  /** As the caller gave it: a position is checked here. */
  readonly start: Position | LsnInput | undefined
  readonly slotName: string
  readonly temporary: boolean
  readonly snapshot: 'initial' | 'never' | 'only'
  readonly publications: readonly string[]
  /** What becomes of a feed whose slot is gone or was given up. */
  readonly onLostSlot: 'fail' | 'resnapshot'
}

/** What a feed has to do before the first event. */
export type StartPlan =
  | {
      /** A first run: deliver `position`, which is of phase `new`, and make the slot when the next batch is pulled. */
      readonly kind: 'create'
      readonly position: Position
    }
  | {
      /**
       * An earlier run was cut off before its stream: drop its slot where it left one, and make the slot at once. It may
       * have delivered rows, also where `new` was stored last.
       */
      readonly kind: 'remake'
      readonly dropSlot: boolean
      readonly position: Position
    }
  | {
      /**
       * The slot of the stored position is gone or was given up, and the caller has said that the feed is to begin anew then:
       * deliver `position`, which is of phase `new`, drop what is left of the slot when the next batch is pulled, and make it.
       */
      readonly kind: 'renew'
      /** What the feed would have been refused with. */
      readonly refusal: WalwireError
      readonly dropSlot: boolean
      /** As where a feed is continued: what is copied must not be older than what was delivered. */
      readonly waitFor: Lsn | undefined
      readonly position: Position
    }
  | {
      readonly kind: 'continue'
      /** Where to start the stream: transactions with a commit LSN below were delivered. */
      readonly from: Lsn
      /** What was delivered of the first transaction. */
      readonly skip: { readonly commitLsn: Lsn; readonly seq: number } | undefined
      /** The server has not come so far yet: wait for it (`waitForLsn`) before the stream is started. */
      readonly waitFor: Lsn | undefined
      /** Where the feed stands, in terms of this server and these options; later positions extend it. */
      readonly position: Position
      /**
       * Where the slot stands, when the caller gave an LSN: that is all that is known to be durable. Undefined for a position,
       * which is the caller's own acknowledgement.
       */
      readonly confirmedFlush: Lsn | undefined
    }

/**
 * Decides how a feed starts, from what the caller stored and what the server has. Nothing is done to the server before
 * this has passed: wherever the server would start with a gap and say nothing, it throws.
 *
 * @param history the ancestors of the server's timeline
 * @throws {WalwireError} `bad_option`, `position_malformed`, `slot_exists`, `slot_lost`, `slot_recreated`, `slot_physical`,
 * `slot_plugin`, `slot_database`, `slot_invalidated`, `slot_synchronized`, `slot_active` (it is still being made), `gap`,
 * `position_ahead`, `position_incompatible`, `other_system`, `other_database`, `other_slot`, `timeline_diverged`.
 */
export function planStart(
  request: StartRequest,
  server: ServerFacts,
  slot: SlotFacts | undefined,
  history: readonly TimelineSwitch[],
): StartPlan {
  const { start } = request
  checkSlotName(request.slotName)
  if (start === undefined) return planFirstRun(request, server, slot)
  if (start === 'slot') return planFromSlot(request, server, slot)
  if (typeof start === 'bigint' || typeof start === 'string') return planFromLsn(request, server, slot, readLsn(start))
  return planFromPosition(request, server, slot, history, parsePosition(start))
}

function planFirstRun(request: StartRequest, server: ServerFacts, slot: SlotFacts | undefined): StartPlan {
  const { slotName } = request
  if (slot !== undefined) {
    const usable = slot.plugin === 'pgoutput' && slot.database === server.database
    throw new WalwireError('slot_exists', {
      what: `slot ${slotName} cannot be made`,
      why: 'a slot of that name exists, and no position was given to continue it from',
      hint: usable
        ? "give the position that was stored; or start: 'slot' to continue it without a snapshot; or use another name, or drop the slot"
        : 'use another name: that slot is not one for pgoutput in this database',
      slot: slotName,
    })
  }
  return { kind: 'create', position: newPosition(request, server, {}) }
}

function planFromSlot(request: StartRequest, server: ServerFacts, slot: SlotFacts | undefined): StartPlan {
  checkOptionsToContinue(request, "start: 'slot'")
  const { confirmedFlush: lsn } = checkSlotUsable(request.slotName, slot, server)
  return {
    kind: 'continue',
    from: lsn,
    skip: undefined,
    // Not refused: the slot may have been moved on since the server was asked how far it is.
    waitFor: lsn <= reached(server) ? undefined : lsn,
    position: streamPosition(request, server, lsn, {}),
    confirmedFlush: lsn,
  }
}

function planFromLsn(request: StartRequest, server: ServerFacts, slot: SlotFacts | undefined, lsn: Lsn): StartPlan {
  checkOptionsToContinue(request, 'an LSN as start')
  const usable = checkSlotUsable(request.slotName, slot, server)
  checkSlotReaches(usable, lsn)
  return {
    kind: 'continue',
    from: lsn,
    skip: undefined,
    // Callers take LSNs from where they like, pg_current_wal_lsn() for one, which is ahead of what is flushed.
    waitFor: whatToWaitFor(server, lsn, server.insertLsn ?? server.flushLsn),
    position: streamPosition(request, server, lsn, {}),
    confirmedFlush: usable.confirmedFlush,
  }
}

function planFromPosition(
  request: StartRequest,
  server: ServerFacts,
  slot: SlotFacts | undefined,
  history: readonly TimelineSwitch[],
  position: Position,
): StartPlan {
  checkSameFeed(request, server, position)
  if (position.phase !== 'stream') return planRemake(request, server, slot, position)
  checkOptionsToContinue(request, 'a position')
  const lsn = parseLsn(position.lsn)
  const skip = position.tx && { commitLsn: parseLsn(position.tx.commitLsn), seq: position.tx.seq }
  const furthest = skip !== undefined && skip.commitLsn > lsn ? skip.commitLsn : lsn
  const refusal = request.onLostSlot === 'resnapshot' ? slotLoss(request.slotName, slot, server) : undefined
  if (refusal !== undefined) {
    checkTimeline(server, history, position)
    return planRenewal(request, server, slot, position, { refusal, furthest })
  }
  const usable = checkSlotUsable(request.slotName, slot, server)
  checkTimeline(server, history, position)
  checkSlotIsSame(usable, position)
  checkSlotReaches(usable, lsn)
  if (skip !== undefined) checkSameCounting(request, position)
  return {
    kind: 'continue',
    from: lsn,
    skip,
    // Only what is flushed is ever sent, so a position past that is of WAL that was lost since.
    waitFor: whatToWaitFor(server, furthest, server.flushLsn),
    position: streamPosition(request, server, lsn, position),
    confirmedFlush: undefined,
  }
}

/**
 * Nothing was acknowledged yet, so whatever slot there is keeps nothing that is needed: it is this run's own leftover,
 * perhaps made after the position was stored. Dropped all the same only if it can be one of walwire's.
 */
function planRemake(
  request: StartRequest,
  server: ServerFacts,
  slot: SlotFacts | undefined,
  { phase, copied }: Position,
): StartPlan {
  if (phase === 'snapshot' && request.snapshot === 'never') {
    throw new WalwireError('bad_option', {
      what: "snapshot: 'never' cannot continue this position",
      why: 'it stands in the middle of a snapshot, whose other rows would never come',
      hint: "use snapshot: 'initial'; or drop the slot and start without a position",
      slot: request.slotName,
    })
  }
  if (slot !== undefined) checkSlotIsLeftover(slot, server)
  return { kind: 'remake', dropSlot: slot !== undefined, position: newPosition(request, server, { copied }) }
}

/**
 * What was committed since the position is gone with the slot, so all is copied again. The first position, which is stored
 * before the slot is made, says so to the next run, and stands behind the one before it: the slot that is going to be made
 * begins behind all that the server has.
 */
function planRenewal(
  request: StartRequest,
  server: ServerFacts,
  slot: SlotFacts | undefined,
  { lsn, copied }: Position,
  { refusal, furthest }: { readonly refusal: WalwireError; readonly furthest: Lsn },
): StartPlan {
  const first = newPosition(request, server, { copied })
  const behind = parseLsn(lsn) + 1n
  return {
    kind: 'renew',
    refusal,
    dropSlot: slot !== undefined,
    waitFor: whatToWaitFor(server, furthest, server.flushLsn),
    position: parseLsn(first.lsn) >= behind ? first : { ...first, lsn: formatLsn(behind) },
  }
}

function checkOptionsToContinue({ temporary, snapshot, slotName }: StartRequest, start: string): void {
  if (!temporary && snapshot !== 'only') return
  throw new WalwireError('bad_option', {
    what: `the option ${temporary ? 'temporary' : "snapshot: 'only'"} does not go with ${start}`,
    why: temporary
      ? 'a temporary slot lasts as long as the connection that made it, so there is none to continue'
      : 'a snapshot is taken when the slot is made, and this start continues a slot',
    hint: 'leave out one of the two',
    slot: slotName,
  })
}

function checkSameFeed({ slotName }: StartRequest, server: ServerFacts, position: Position): void {
  const parts = { what: `slot ${slotName} cannot be continued from this position`, slot: slotName, lsn: position.lsn }
  if (position.systemId !== server.systemId) {
    throw new WalwireError('other_system', {
      ...parts,
      why: `it is of the system ${position.systemId}, and this server is the system ${server.systemId}`,
      hint: 'connect to the server that the position is of; or start without a position, with a new slot and snapshot',
    })
  }
  if (position.database !== server.database) {
    throw new WalwireError('other_database', {
      ...parts,
      why: `it is of the database ${position.database}, and the connection is to ${server.database}`,
      hint: `connect to the database ${position.database}`,
    })
  }
  if (position.slot !== slotName) {
    throw new WalwireError('other_slot', {
      ...parts,
      why: `it is of the slot ${position.slot}`,
      hint: `use the slot ${position.slot}; or start ${slotName} without a position`,
    })
  }
}

/** An LSN names the same WAL on two timelines only below the point where the one left the other. */
function checkTimeline(server: ServerFacts, history: readonly TimelineSwitch[], position: Position): void {
  if (position.timeline === server.timeline) return
  const left = switchPoint(history, position.timeline)
  const isAncestor = position.timeline < server.timeline && left !== undefined
  // A commit record that starts at the switch point was written on the timeline that was left.
  if (isAncestor && parseLsn(position.lsn) <= left && (!position.tx || parseLsn(position.tx.commitLsn) < left)) return
  throw new WalwireError('timeline_diverged', {
    what: `slot ${position.slot} cannot be continued from ${position.lsn}`,
    why: isAncestor
      ? `the position is on timeline ${position.timeline}, which this server left at ${formatLsn(left)}: what came after is not part of its history`
      : `the position is on timeline ${position.timeline}, which is not part of the history of this server, on timeline ${server.timeline}`,
    hint:
      server.inRecovery && position.timeline > server.timeline
        ? 'wait until this standby follows the promoted primary; or start over with a new slot and snapshot'
        : 'connect to the server that the position is of; or start over with a new slot and snapshot, since rows may differ',
    retryable: server.inRecovery && position.timeline > server.timeline,
    slot: position.slot,
    lsn: position.lsn,
  })
}

function checkSameCounting({ publications, slotName }: StartRequest, position: Position): void {
  const now = describeOptions(optionsOf(publications))
  const then = describeOptions(position.options)
  if (now === then) return
  throw new WalwireError('position_incompatible', {
    what: `slot ${slotName} cannot be continued from this position`,
    why: `it stands inside a transaction that was read under ${then}, and its changes count differently under ${now}`,
    hint: `continue with ${then} past the next commit (atCommit), then change them`,
    slot: slotName,
    lsn: position.lsn,
  })
}

/** All that changes what is counted: equal where it counts the same. */
function describeOptions({ publications, twoPhase, origin }: PositionOptions): string {
  const others = [twoPhase && 'two-phase commit', origin && `the origin ${origin}`].filter(
    (other) => other !== undefined,
  )
  return [`the publications ${sortedNames(publications).join(', ')}`, ...others].join(' and ')
}

/** @param limit what a primary has at most; a standby may be behind by any amount */
function whatToWaitFor(server: ServerFacts, lsn: Lsn, limit: Lsn): Lsn | undefined {
  if (lsn <= reached(server)) return undefined
  if (server.inRecovery || lsn <= limit) return lsn
  throw positionAhead(lsn, limit)
}

function readLsn(start: LsnInput): Lsn {
  try {
    return parseLsn(start)
  } catch (cause) {
    throw new WalwireError('bad_option', {
      what: 'the option start cannot be used',
      why: cause instanceof Error ? cause.message : String(cause),
      hint: "give a stored position, an LSN, or 'slot'",
      cause,
    })
  }
}

/**
 * The slot that is going to be made begins at or behind what the server has now, on a standby behind what is replayed: so
 * this position comes before all of the slot.
 */
function newPosition(request: StartRequest, server: ServerFacts, known: Known): Position {
  return { ...streamPosition(request, server, reached(server), known), phase: 'new' }
}

/** What a position takes over from the one before it. */
type Known = { readonly [Field in 'consistentPoint' | 'tx' | 'members' | 'copied']?: Position[Field] | undefined }

function streamPosition(
  { slotName, publications }: StartRequest,
  { systemId, timeline, database }: ServerFacts,
  lsn: Lsn,
  { consistentPoint, tx, members, copied }: Known,
): Position {
  return {
    version: positionVersion,
    systemId,
    timeline,
    database,
    slot: slotName,
    ...(consistentPoint === undefined ? {} : { consistentPoint }),
    options: optionsOf(publications),
    phase: 'stream',
    lsn: formatLsn(lsn),
    ...(tx === undefined ? {} : { tx }),
    ...(members === undefined ? {} : { members }),
    ...(copied === undefined ? {} : { copied }),
  }
}

function optionsOf(publications: readonly string[]): PositionOptions {
  return { publications: sortedNames(publications) }
}

function sortedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
