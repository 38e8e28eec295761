import { type Outcome, within } from '../../protocol/connection/within.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Lsn } from '../../protocol/messages/lsn.ts'
import {
  type CommandResult,
  createSlotCommand,
  dropSlotCommand,
  readCreateSlot,
} from '../../protocol/messages/replication-commands.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
import { type CommandConnection, type Queryable, queryRows } from '../catalog/queryable.ts'
import type { Logger } from '../logger.ts'
import type { SayWait } from '../waits.ts'
import { dropSlot } from './slot.ts'
import { type BlockerReport, blockersHint, describeBlockers, readSlotBlockers } from './slot-blockers.ts'

/** The connection that makes the slot: one with `replication=database`, and a way to interrupt its command. */
export interface SlotConnection extends CommandConnection {
  /** Sends a CancelRequest for whatever command is running. */
  cancel(signal?: AbortSignal): Promise<void>
}

/** Which slot to make, and how long that may take. */
export interface SlotRequest {
  readonly name: string
  /** The slot lives as long as the connection that makes it. */
  readonly temporary: boolean
  /** `export`: keep the snapshot of the slot's consistent point for other sessions, until this connection's next command. */
  readonly snapshot: 'export' | 'nothing'
  /** How long to wait for transactions that were open before. */
  readonly timeoutMs: number
  readonly logger: Logger
  /** As `server_version_num`. */
  readonly version: number
  readonly signal?: AbortSignal | undefined
  /** Called when it takes long, with what is waited for. */
  readonly onWait?: SayWait | undefined
}

/** A slot that was just made. */
export interface CreatedSlot {
  /** Transactions whose commit LSN is at or past this are streamed; all before are in the snapshot. */
  readonly consistentPoint: Lsn
  /** What `SET TRANSACTION SNAPSHOT` takes. */
  readonly snapshotName: string | undefined
}

/** When a wait is long enough to ask who is the cause, and how often to ask again at most. */
const firstLookMs = 2_000
const longestLookIntervalMs = 15_000
/** How long the server may take over each step of giving up: together well under a second. */
const cancelGraceMs = 400
const terminateGraceMs = 300

/**
 * Makes a logical slot for pgoutput.
 *
 * The server waits in it for every transaction with an xid that was open before, in any database, without a word:
 * one idle session can hold it up for ever. So the blockers are looked up over the ordinary connection and logged
 * every now and then; on timeout or abort the walsender is cancelled, which removes the unfinished slot.
 *
 * @throws {WalwireError} `slot_exists`, `slots_exhausted`, `wal_level`, `slot_creation_timeout` with the blockers named.
 * @throws the signal's reason, within a second of its abort.
 */
export async function createSlot(
  replication: SlotConnection,
  ordinary: Queryable,
  request: SlotRequest,
): Promise<CreatedSlot> {
  const { name, timeoutMs, signal, logger, onWait } = request
  signal?.throwIfAborted()
  const [[pidText] = []] = await queryRows(replication, 'SELECT pg_catalog.pg_backend_pid()')
  const pid = Number(pidText)
  const startedAt = performance.now()
  const elapsedMs = () => performance.now() - startedAt
  const { snapshot, temporary, version: serverVersion } = request
  const command = createSlotCommand({ slot: name, snapshot, temporary, serverVersion })
  const creation = replication.query(command, { isReported: true })

  let report: BlockerReport | undefined
  let lookAtMs = Math.min(firstLookMs, timeoutMs / 2)
  while (!signal?.aborted && elapsedMs() < timeoutMs) {
    const outcome = await within(creation, Math.min(lookAtMs, timeoutMs) - elapsedMs(), signal)
    if (outcome !== undefined) return finishCreation(outcome, request)
    if (signal?.aborted) break
    const look = readSlotBlockers(ordinary, pid, elapsedMs())
    const seen = await within(look, cancelGraceMs, signal)
    if (seen?.ok) {
      report = seen.value
      onWait?.(`slot ${name} to be made: ${describeBlockers(report)}`)
      logger.warn(
        { slot: name, waitedMs: Math.round(elapsedMs()), blockers: report.blockers },
        `slot ${name} is not made yet: ${describeBlockers(report)}`,
      )
    }
    lookAtMs = elapsedMs() + Math.min(elapsedMs(), longestLookIntervalMs)
  }
  return await giveUp({ replication, ordinary, request, pid, creation, report })
}

interface Creation {
  readonly replication: SlotConnection
  readonly ordinary: Queryable
  readonly request: SlotRequest
  readonly pid: number
  readonly creation: Promise<readonly CommandResult[]>
  readonly report: BlockerReport | undefined
}

/** Interrupts the creation: at the next check for interrupts the server ends the command and removes what it has of the slot. */
async function giveUp({ replication, ordinary, request, pid, creation, report }: Creation): Promise<CreatedSlot> {
  const { name, temporary, signal, logger } = request
  replication.cancel(AbortSignal.timeout(cancelGraceMs + terminateGraceMs)).catch(() => {})
  let outcome = await within(creation, cancelGraceMs)
  if (outcome === undefined) {
    // A cancel request takes a connection of its own, which a pooler or a firewall may swallow.
    ordinary.query(`SELECT pg_catalog.pg_terminate_backend(${pid})`).catch(() => {})
    outcome = await within(creation, terminateGraceMs)
  }
  if (outcome === undefined) {
    logger.warn({ slot: name, pid }, `slot ${name} may be left behind: process ${pid} does not answer`)
  } else if (outcome.ok) {
    // It was made in the very last moment.
    const made = finishCreation(outcome, request)
    if (!signal?.aborted) return made
    if (temporary) await replication.query(dropSlotCommand(name))
    else await dropSlot(ordinary, name, { deadlineMs: terminateGraceMs, pids: [pid], standsAt: made.consistentPoint })
  } else if (!signal?.aborted && !isInterruption(outcome.error)) {
    throw creationError(outcome.error, request)
  }
  signal?.throwIfAborted()
  throw new WalwireError('slot_creation_timeout', {
    what: `slot ${name} could not be made within ${request.timeoutMs / 1000} s`,
    why: report === undefined ? 'the server did not say what it waits for' : describeBlockers(report),
    hint: report === undefined ? 'try again, or wait longer (slotTimeoutMs)' : blockersHint(report),
    slot: name,
  })
}

function isInterruption(error: unknown): boolean {
  return error instanceof WalwireError && (error.sqlstate === '57014' || error.sqlstate === '57P01')
}

function finishCreation(outcome: Outcome<readonly CommandResult[]>, request: SlotRequest): CreatedSlot {
  if (!outcome.ok) throw creationError(outcome.error, request)
  const { consistentPoint, snapshotName } = readCreateSlot(outcome.value[0])
  return { consistentPoint, snapshotName }
}

/** What CREATE_REPLICATION_SLOT's errors mean, where they mean something of their own. */
function creationError(error: unknown, { name, version }: SlotRequest): unknown {
  if (!(error instanceof WalwireError)) return error
  const parts = {
    what: `slot ${name} could not be made`,
    why: error.why,
    slot: name,
    sqlstate: error.sqlstate,
    cause: error,
  }
  switch (error.sqlstate) {
    case '42710':
      return new WalwireError('slot_exists', {
        ...parts,
        why: 'a slot of that name exists',
        hint: 'somebody made it just now; use another name, or drop it when nobody needs it',
      })
    case '53400':
      return new WalwireError('slots_exhausted', {
        ...parts,
        hint: 'drop slots that nobody needs (SELECT pg_drop_replication_slot(…)), or raise max_replication_slots and restart the server',
      })
    case '55000':
      // The only prerequisite that a standby cannot tell beforehand is its primary's wal_level.
      return errorFieldsOf(error)?.routine === 'CheckLogicalDecodingRequirements'
        ? new WalwireError('wal_level', {
            ...parts,
            hint: 'ALTER SYSTEM SET wal_level = logical on the primary and on the standby; then restart both',
          })
        : error
    case '0A000':
      return version < 160_000
        ? new WalwireError('unsupported_server', { ...parts, hint: 'connect to the primary' })
        : error
    default:
      return error
  }
}
