import { WalwireError } from '../protocol/messages/errors.ts'
import { type Lsn, parseLsn } from '../protocol/messages/lsn.ts'
import { readCopiedTables } from './copied-tables.ts'
import { readMembers } from './members.ts'
import { fromFormat1, isFormat1 } from './position-format-1.ts'

/** The version of the format that this release writes. It reads all from 1 on. */
export const positionVersion = 2

/** What changes how events are counted: continuing inside a transaction under others would miscount. */
export interface PositionOptions {
  /** In alphabetical order. */
  readonly publications: readonly string[]
  /** Prepared transactions were asked for. Absent: they were not. */
  readonly twoPhase?: true
  /** Changes of which origin were asked for. Absent: of any. */
  readonly origin?: string
}

/** How far the copy of one table has come. */
export interface UnfinishedTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** LSN of the snapshot in which the table is read. */
  readonly at: string
  /** Rows delivered. */
  readonly rows: number
}

/** The tables of copies that are not over. A table that is published and not among them waits for its copy. */
export interface PositionTables {
  /** Those whose `snapshot-end` was delivered, as compact text: see copied-tables.ts. One string, shared until it grows. */
  readonly done?: string
  /** Those whose `snapshot-begin` was delivered, and whose `snapshot-end` was not. */
  readonly copying?: readonly UnfinishedTable[]
  /** Those of copies that came to nothing and began again: what was delivered of them is void. Compact text as `done`. */
  readonly held?: string
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
  /** The tables of copies under way. */
  readonly tables?: PositionTables
  /**
   * In phase `stream`: the published tables that the feed knows, as compact text (see members.ts), so that the next start
   * tells which joined or left while no feed ran. One string, shared by all positions until it changes. Absent where nothing
   * is known: what is found then counts as known.
   */
  readonly members?: string
  /** Events of copies that were ever delivered to this feed: `snapshot-begin`, `snapshot`, `snapshot-end`. Absent: none. */
  readonly copied?: number
}

const phases = ['new', 'snapshot', 'stream'] as const

/**
 * Orders two positions of one feed: negative when `a` is before `b`, zero when they are the same place. It is the order in
 * which a feed delivers them, whatever is copied beside its stream, and a total one.
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
    compareLsn(slotBegin(a), slotBegin(b)) ||
    phases.indexOf(a.phase) - phases.indexOf(b.phase) ||
    compareLsn(a.lsn, b.lsn) ||
    compareLsn(a.tx?.commitLsn ?? '0/0', b.tx?.commitLsn ?? '0/0') ||
    (a.tx?.seq ?? 0) - (b.tx?.seq ?? 0) ||
    (a.copied ?? 0) - (b.copied ?? 0)
  )
}

/**
 * Where it is not known where the slot began, the position stands as if it began there: behind all that came of slots from
 * before, and before all that comes of one that is made later. It is the same for a slot that is yet to be made. Whatever
 * is chosen must not depend on the other position, or three of them would stand in a circle.
 */
function slotBegin({ consistentPoint, lsn }: Position): string {
  return consistentPoint ?? lsn
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

const shape: Record<keyof Position, (value: unknown) => boolean> = {
  version: (value) => value === positionVersion,
  systemId: (value) => typeof value === 'string' && /^\d{1,20}$/.test(value),
  timeline: (value) => isCount(value),
  database: isName,
  slot: isName,
  consistentPoint: (value) => value === undefined || isLsn(value),
  options: isOptions,
  phase: (value) => phases.some((phase) => phase === value),
  lsn: isLsn,
  tx: (value) =>
    value === undefined || (isObject(value) && isLsn(value.commitLsn) && isCount(value.seq) && value.seq !== 0),
  tables: (value) => value === undefined || isTables(value),
  members: (value) => value === undefined || (typeof value === 'string' && readMembers(value) !== undefined),
  copied: (value) => value === undefined || isCount(value),
}

/**
 * Checks that a value read from storage is a position, and of a version that this release understands. One of an older
 * format is given as the same position in the present one.
 *
 * @throws {WalwireError} `position_malformed`, naming the field.
 */
export function parsePosition(value: unknown): Position {
  const current = isObject(value) && isFormat1(value) ? fromFormat1(value) : value
  if (isPosition(current)) return current
  const version = isObject(current) && typeof current.version === 'number' ? current.version : positionVersion
  throw new WalwireError('position_malformed', {
    what: 'the stored position cannot be used',
    why:
      version > positionVersion
        ? `it has format version ${version}, this release knows up to ${positionVersion}`
        : isObject(current)
          ? describeFault(current)
          : 'it is not an object',
    hint:
      version > positionVersion
        ? 'use the release of walwire that wrote it, or a newer one'
        : 'give back exactly what the batch had as its position, as JSON',
  })
}

function describeFault(value: Record<string, unknown>): string {
  const [field = '', fault] = Object.entries(shape).find(([key, isRight]) => !isRight(value[key])) ?? []
  return `its field ${field} is ${fault === undefined ? 'missing' : show(value[field])}`
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
  return isObject(value) && Object.entries(shape).every(([key, isRight]) => isRight(value[key]))
}

function isOptions(value: unknown): boolean {
  if (!isObject(value)) return false
  const { publications, twoPhase, origin } = value
  const isOn = twoPhase === undefined || twoPhase === true
  return Array.isArray(publications) && publications.every(isName) && isOn && (origin === undefined || isName(origin))
}

function isTables(value: unknown): boolean {
  if (!isObject(value)) return false
  const { done, copying, held } = value
  const areTexts = [done, held].every(
    (text) => text === undefined || (typeof text === 'string' && readCopiedTables(text) !== undefined),
  )
  return areTexts && (copying === undefined || (Array.isArray(copying) && copying.every(isUnfinishedTable)))
}

function isUnfinishedTable(value: unknown): boolean {
  return (
    isObject(value) &&
    isCount(value.oid) &&
    isName(value.schema) &&
    isName(value.name) &&
    isLsn(value.at) &&
    isCount(value.rows)
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
