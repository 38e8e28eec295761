import { WalwireError } from '../protocol/messages/errors.ts'
import { type Lsn, parseLsn } from '../protocol/messages/lsn.ts'

/** The version of the format that this release writes. */
export const positionVersion = 1

/** What changes how events are counted: continuing inside a transaction under others would miscount. */
export interface PositionOptions {
  /** In alphabetical order. */
  readonly publications: readonly string[]
}

/** How far the copy of one table has come. */
export interface SnapshotTable {
  readonly oid: number
  /** `schema.name`. */
  readonly table: string
  /** LSN of the snapshot in which the table is read. */
  readonly at: string
  /** Rows delivered. */
  readonly rows: number
  /** Whether `snapshot-begin` (`copying`) and `snapshot-end` (`done`) were delivered. */
  readonly state: 'waiting' | 'copying' | 'done'
}

/**
 * Where a feed stands: plain JSON data, to be stored with what was made of the events before it.
 * Continuing from it repeats none of those and loses none after them.
 *
 * - `new`: nothing was delivered, the slot is about to be made.
 * - `snapshot`: the tables are being copied.
 * - `stream`: every transaction whose commit LSN is below `lsn` was delivered, and of the one in `tx` its first `seq` changes.
 */
export interface Position {
  readonly version: typeof positionVersion
  /** The cluster's identifier, as IDENTIFY_SYSTEM gives it: an unsigned 64-bit number. */
  readonly systemId: string
  readonly timeline: number
  readonly database: string
  readonly slot: string
  /** Where the slot began, which tells it from another one of the same name. Absent when walwire did not make the slot. */
  readonly consistentPoint?: string
  readonly options: PositionOptions
  readonly phase: 'new' | 'snapshot' | 'stream'
  /** LSN of the end of the last whole transaction. */
  readonly lsn: string
  /** Inside a transaction: its commit LSN and how many of its changes were delivered. */
  readonly tx?: { readonly commitLsn: string; readonly seq: number }
  /** The tables of a snapshot under way. */
  readonly tables?: readonly SnapshotTable[]
}

const phases = ['new', 'snapshot', 'stream'] as const

/**
 * Orders two positions of one feed: negative when `a` is before `b`, zero when they are the same place.
 *
 * @throws {WalwireError} `position_incompatible` when they are not of one feed (another system, database or slot).
 */
export function comparePositions(a: Position, b: Position): number {
  if (a.systemId !== b.systemId || a.database !== b.database || a.slot !== b.slot) {
    throw new WalwireError('position_incompatible', {
      what: 'the two positions cannot be compared',
      why: `one is of ${describeFeed(a)}, the other of ${describeFeed(b)}`,
      hint: 'compare positions of one feed only',
    })
  }
  return (
    // a slot that was made anew begins later than the one before it ended
    (a.consistentPoint && b.consistentPoint ? compareLsn(a.consistentPoint, b.consistentPoint) : 0) ||
    phases.indexOf(a.phase) - phases.indexOf(b.phase) ||
    compareLsn(a.lsn, b.lsn) ||
    snapshotProgress(a) - snapshotProgress(b) ||
    compareLsn(a.tx?.commitLsn ?? '0/0', b.tx?.commitLsn ?? '0/0') ||
    (a.tx?.seq ?? 0) - (b.tx?.seq ?? 0)
  )
}

/** Grows with every event of a snapshot, in whatever order its tables are read. */
function snapshotProgress(position: Position): number {
  let progress = 0
  for (const { rows, state } of position.tables ?? []) progress += rows + { waiting: 0, copying: 1, done: 2 }[state]
  return progress
}

function describeFeed(position: Position): string {
  return `slot ${position.slot} of database ${position.database} in system ${position.systemId}`
}

function compareLsn(a: string, b: string): number {
  const left = parseLsn(a)
  const right = parseLsn(b)
  return left < right ? -1 : left > right ? 1 : 0
}

/** The LSN up to which the server may forget, once everything up to this position is durable. */
export function flushLsn(position: Position): Lsn {
  return position.phase === 'stream' ? parseLsn(position.lsn) : 0n
}

const shape: Record<string, (value: unknown) => boolean> = {
  version: (value) => value === positionVersion,
  systemId: (value) => typeof value === 'string' && /^\d{1,20}$/.test(value),
  timeline: (value) => isCount(value),
  database: (value) => typeof value === 'string' && value !== '',
  slot: (value) => typeof value === 'string' && value !== '',
  consistentPoint: (value) => value === undefined || isLsn(value),
  options: (value) => isObject(value) && Array.isArray(value.publications) && value.publications.every(isName),
  phase: (value) => phases.some((phase) => phase === value),
  lsn: isLsn,
  tx: (value) =>
    value === undefined || (isObject(value) && isLsn(value.commitLsn) && isCount(value.seq) && value.seq !== 0),
  tables: (value) => value === undefined || (Array.isArray(value) && value.every(isSnapshotTable)),
}

/**
 * Checks that a value read from storage is a position, and of a version that this release understands.
 *
 * @throws {WalwireError} `position_malformed`, naming the field.
 */
export function parsePosition(value: unknown): Position {
  if (isPosition(value)) return value
  const field = isObject(value) ? Object.keys(shape).find((key) => !shape[key]!(value[key])) : undefined
  const version = isObject(value) && typeof value.version === 'number' ? value.version : positionVersion
  throw new WalwireError('position_malformed', {
    what: 'the stored position cannot be used',
    why:
      version > positionVersion
        ? `it has format version ${version}, this release knows up to ${positionVersion}`
        : field === undefined
          ? 'it is not an object'
          : `its field ${field} is ${isObject(value) ? show(value[field]) : 'missing'}`,
    hint:
      version > positionVersion
        ? 'use the release of walwire that wrote it, or a newer one'
        : 'give back exactly what the batch had as its position, as JSON',
  })
}

/** JSON alone fails on a bigint, which an LSN is everywhere else, and on what refers to itself. */
function show(value: unknown): string {
  try {
    return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'missing'
  } catch {
    return 'not JSON'
  }
}

function isPosition(value: unknown): value is Position {
  return isObject(value) && Object.keys(shape).every((key) => shape[key]!(value[key]))
}

function isSnapshotTable(value: unknown): boolean {
  return (
    isObject(value) &&
    isCount(value.oid) &&
    isName(value.table) &&
    isLsn(value.at) &&
    isCount(value.rows) &&
    (value.state === 'waiting' || value.state === 'copying' || value.state === 'done')
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isLsn(value: unknown): boolean {
  try {
    return typeof value === 'string' && parseLsn(value) >= 0n
  } catch {
    return false
  }
}
