import { Connection } from '../protocol/connection/connection.ts'
import type { ConnectionInput } from '../protocol/connection/connection-options.ts'
import { resolveConnection } from '../protocol/connection/resolve-connection.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../protocol/messages/lsn.ts'
import { Lookout, reachableWithinMs } from './catalog/lookout.ts'
import {
  asReplicationRefusal,
  checkServer,
  reached,
  readServerFacts,
  type ServerFacts,
} from './catalog/server-facts.ts'
import { type Logger, silentLogger } from './logger.ts'
import { readMembers } from './members.ts'
import { type Position, parsePosition, positionVersion } from './position.ts'
import { readMembers as readPublished } from './publication/publication.ts'
import { RunLock, slotTaken } from './slot/run-lock.ts'
import { readSlot, slotActive } from './slot/slot.ts'
import { checkSlotUsable, type UsableSlot } from './slot/slot-check.ts'
import { Waits } from './waits.ts'

/** How {@link adoptPosition} goes about it. */
export interface AdoptOptions {
  /** The slot to go on with. Default: that of the position. */
  readonly slot?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Default: silent. */
  readonly logger?: Logger | undefined
}

/** What stands on the server that a position is taken over to. LSNs are text. */
export interface AdoptingServer {
  readonly systemId: string
  readonly timeline: number
  readonly database: string
  /** As `server_version_num`. */
  readonly version: number
  readonly inRecovery: boolean
  /** How far it can send. */
  readonly lsn: string
  readonly slot: string
  /** From here on the slot has all changes. */
  readonly confirmedFlush: string
  /** From here on the server keeps WAL for it. */
  readonly restartLsn: string | undefined
  /** How many tables the publications of the position have there. */
  readonly tables: number
}

/** A position that was taken over, and all that can be said of how it came about. */
export interface Adoption {
  /** Where a feed goes on: in phase `stream`, where the slot stands. To be stored in place of the other one. */
  readonly position: Position
  /** What was stored. */
  readonly stored: Position
  /** How many tables that knew; undefined where it does not say. */
  readonly storedTables: number | undefined
  readonly server: AdoptingServer
  /** What neither side can tell, in full sentences without their full stops: whoever adopts answers for it. */
  readonly unknown: readonly string[]
}

/**
 * Takes a position over to the server and the slot that now stand for those that it is of: after an upgrade, a restored
 * backup, a move. Nothing is changed there. It is for whoever knows by other means that the slot has all that the
 * destination lacks; what walwire cannot know of that is in {@link Adoption.unknown}.
 *
 * @param stored as it was stored, in phase `stream`
 * @throws {WalwireError} where no slot stands, or none that can be continued: as `follow` refuses it. `position_malformed`;
 * `position_incompatible` where its copy is not over; `publication_missing`; `slot_active` and `slot_taken` where somebody
 * follows the slot.
 */
export async function adoptPosition(
  stored: Position,
  connection?: ConnectionInput,
  options: AdoptOptions = {},
): Promise<Adoption> {
  const { signal, logger = silentLogger } = options
  const position = parsePosition(stored)
  const { slot = position.slot } = options
  if (position.phase !== 'stream') throw copyNotOver(position)
  const resolved = await resolveConnection(connection)
  const lookout = new Lookout(
    { open: (stop) => Connection.open(resolved, { signal: stop }), logger, waits: new Waits() },
    reachableWithinMs(resolved.connectTimeoutMs),
  )
  const replication = await Connection.open(resolved, {
    replication: 'database',
    signal,
    onUnanswered: (wait) => void lookout.lookAfter(wait, 'a question before a position is adopted'),
  }).catch((error: unknown) => {
    throw asReplicationRefusal(error, resolved.user)
  })
  try {
    const server = await readServerFacts(replication)
    checkServer(server)
    const usable = checkSlotUsable(slot, await readSlot(replication, slot), server)
    if (usable.activePid !== undefined) throw slotActive(usable)
    const holder = await new RunLock(replication, server.systemId, slot).take()
    if (holder !== undefined) throw slotTaken(slot, holder)
    const published = await readPublished(replication, position.options.publications, server.version)
    return adoption(position, server, usable, published.members.length)
  } finally {
    await replication.close()
  }
}

function adoption(stored: Position, server: ServerFacts, slot: UsableSlot, tables: number): Adoption {
  const { systemId, timeline, database, version, inRecovery } = server
  const isSameSystem = stored.systemId === systemId && stored.database === database
  const lsn = formatLsn(slot.confirmedFlush)
  const known = stored.members === undefined ? undefined : readMembers(stored.members)
  return {
    position: {
      version: positionVersion,
      ...{ systemId, timeline, database, slot: slot.name, options: stored.options, phase: 'stream', lsn },
      // the OIDs of another system are those of other tables
      ...(isSameSystem && stored.members !== undefined ? { members: stored.members } : {}),
      ...(stored.copied === undefined ? {} : { copied: stored.copied }),
    },
    stored,
    storedTables: known && new Set(known.map(({ table }) => table)).size,
    server: {
      ...{ systemId, timeline, database, version, inRecovery, slot: slot.name, confirmedFlush: lsn, tables },
      lsn: formatLsn(reached(server)),
      restartLsn: slot.restartLsn === undefined ? undefined : formatLsn(slot.restartLsn),
    },
    unknown: unknownOf(stored, server, slot.confirmedFlush),
  }
}

function unknownOf(stored: Position, { systemId, timeline, database }: ServerFacts, confirmed: Lsn): string[] {
  const unknown: string[] = []
  const [from, to] = [parseLsn(stored.lsn), confirmed]
  const isSameSystem = stored.systemId === systemId && stored.database === database
  if (!isSameSystem) {
    unknown.push(
      'whether the rows here are those that were delivered from there, and whether anything was written on either side in between: LSNs of two systems and databases say nothing of each other',
      'which tables joined or left: what is published here counts as known',
    )
  } else {
    if (stored.timeline !== timeline) {
      unknown.push(
        `whether what was delivered on timeline ${stored.timeline} is part of the history of timeline ${timeline}`,
      )
    }
    if (to > from) {
      unknown.push(
        `what was committed from ${stored.lsn} to ${formatLsn(to)}: it is not delivered, unless it was by other means`,
      )
    }
    if (to < from) {
      unknown.push(
        `whether what was delivered from ${formatLsn(to)} to ${stored.lsn} is part of this server's history: what it has there comes, once more or as something else`,
      )
    }
  }
  if (stored.tx !== undefined) {
    unknown.push(
      `what became of the transaction at ${stored.tx.commitLsn}, of which ${stored.tx.seq} changes were delivered`,
    )
  }
  unknown.push('whether the slot is as old as what the destination lacks: the server does not say where a slot began')
  return unknown
}

function copyNotOver({ slot, phase, lsn }: Position): WalwireError {
  return new WalwireError('position_incompatible', {
    what: 'the position cannot be adopted',
    why: `it is of phase ${phase}: its copy is not over, and the other rows would never come`,
    hint: 'begin without a position: a new slot and snapshot',
    slot,
    lsn,
  })
}
