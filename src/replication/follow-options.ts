import { randomBytes } from 'node:crypto'
import { TypeRegistry } from '../decoder/types/registry.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { type Lsn, type LsnInput, parseLsn } from '../protocol/messages/lsn.ts'
import type { FeedStart, FollowOptions } from './feed.ts'
import { type Logger, silentLogger } from './logger.ts'
import { type Position, parsePosition } from './position.ts'
import { defaultReconnectPolicy, type ReconnectOptions, type ReconnectPolicy } from './reconnection.ts'
import { isSlotName } from './slot/slot-name.ts'

/** A {@link FeedStart} that was looked at. */
export type CheckedStart = Position | Lsn | 'slot' | undefined

/** {@link FollowOptions} checked, with defaults in place. */
export interface FollowSettings extends Omit<FollowOptions, 'publication' | 'stop' | 'start' | 'reconnect'> {
  /** In alphabetical order, each once. */
  readonly publications: readonly string[]
  readonly slot: string
  readonly start: CheckedStart | (() => FeedStart | Promise<FeedStart>)
  readonly stop: Lsn | undefined
  readonly snapshot: 'initial' | 'never' | 'only'
  readonly temporary: boolean
  readonly onLostSlot: 'fail' | 'resnapshot'
  readonly reconnect: ReconnectPolicy | false
  readonly maxBatchRows: number
  readonly maxBatchBytes: number
  readonly maxBufferedBytes: number
  readonly slotTimeoutMs: number
  readonly binary: boolean
  readonly invalidText: 'error' | 'bytes'
  readonly logger: Logger
}

/**
 * A batch is alive while it is made and while it is taken, and as objects it is some ten times as large as on the wire.
 * One that is large beside the garbage collector's young generation outlives that and is collected late: with 1 MiB, up
 * to 170 MB were resident and the CPU had half as much more to do; with 256 KiB 105 MB; with this some 95 MB, and less
 * gains no more.
 */
const defaultMaxBatchBytes = 128 * 1024

const knownOptions = {
  connection: true,
  publication: true,
  slot: true,
  start: true,
  stop: true,
  snapshot: true,
  temporary: true,
  onLostSlot: true,
  reconnect: true,
  signal: true,
  maxBatchRows: true,
  maxBatchBytes: true,
  maxBufferedBytes: true,
  slotTimeoutMs: true,
  types: true,
  values: true,
  binary: true,
  invalidText: true,
  logger: true,
} satisfies Record<keyof FollowOptions, true>

/** @throws {WalwireError} `bad_option`, or `position_malformed` for `start`. */
export function checkFollowOptions(options: FollowOptions): FollowSettings {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(knownOptions, name))
  if (unknown !== undefined) reject(unknown, 'there is no such option', `use ${Object.keys(knownOptions).join(', ')}`)
  if (options.publication === undefined) reject('publication', 'it is missing', "name a publication: 'shop'")
  // whatever is wrong with them is said here and not in the middle of connecting
  new TypeRegistry({ overrides: options.types, values: options.values })
  const publications = typeof options.publication === 'string' ? [options.publication] : [...options.publication]
  if (publications.length === 0 || publications.some((name) => typeof name !== 'string' || name === '')) {
    reject('publication', 'it names no publication', "give the name of a publication, or several in an array: 'shop'")
  }
  const snapshot = options.snapshot ?? 'initial'
  if (snapshot !== 'initial' && snapshot !== 'never' && snapshot !== 'only') {
    reject('snapshot', `it is ${JSON.stringify(snapshot)}`, "use 'initial', 'never' or 'only'")
  }
  const temporary = options.temporary ?? (snapshot === 'only' && options.slot === undefined)
  const { slot = temporary ? `walwire_${randomBytes(8).toString('hex')}` : undefined } = options
  if (slot === undefined) reject('slot', 'it is missing', 'name the replication slot, or ask for a temporary one')
  if (!isSlotName(slot)) {
    reject(
      'slot',
      `${JSON.stringify(slot)} cannot be the name of a slot`,
      'use lower-case letters, digits and underscores, 63 at most',
    )
  }
  if (options.binary && options.values === 'text') {
    reject('binary', "it cannot give the server's text, which values: 'text' asks for", 'leave out one of the two')
  }
  const { invalidText = 'error' } = options
  if (invalidText !== 'error' && invalidText !== 'bytes') {
    reject('invalidText', `it is ${JSON.stringify(invalidText)}`, "use 'error' or 'bytes'")
  }
  const start = typeof options.start === 'function' ? options.start : checkStart(options.start)
  if (temporary && start !== undefined) {
    reject('start', 'a temporary slot begins anew with every run', "leave out either 'start' or 'temporary'")
  }
  const onLostSlot = checkOnLostSlot(options.onLostSlot, { snapshot, temporary })
  return {
    ...options,
    publications: [...new Set(publications)].sort(),
    slot,
    start,
    stop: options.stop === undefined ? undefined : checkLsn('stop', options.stop),
    snapshot,
    temporary,
    onLostSlot,
    reconnect: checkReconnect(options.reconnect),
    maxBatchRows: checkCount('maxBatchRows', options.maxBatchRows, 10_000),
    maxBatchBytes: checkCount('maxBatchBytes', options.maxBatchBytes, defaultMaxBatchBytes),
    maxBufferedBytes: checkCount('maxBufferedBytes', options.maxBufferedBytes, 8 * 1024 * 1024),
    slotTimeoutMs: checkCount('slotTimeoutMs', options.slotTimeoutMs, 60_000),
    binary: options.binary ?? false,
    invalidText,
    logger: options.logger ?? silentLogger,
  }
}

/** @throws {WalwireError} `bad_option` for what cannot be an LSN, `position_malformed` */
export function checkStart(start: FeedStart): CheckedStart {
  if (start === undefined || start === 'slot') return start
  if (typeof start === 'bigint' || typeof start === 'string') return checkLsn('start', start)
  return parsePosition(start)
}

function checkOnLostSlot(
  onLostSlot: FollowOptions['onLostSlot'],
  { snapshot, temporary }: Pick<FollowSettings, 'snapshot' | 'temporary'>,
): FollowSettings['onLostSlot'] {
  if (onLostSlot === undefined || onLostSlot === 'fail') return 'fail'
  if (onLostSlot !== 'resnapshot') {
    reject('onLostSlot', `it is ${JSON.stringify(onLostSlot)}`, "use 'fail' or 'resnapshot'")
  }
  if (temporary) reject('onLostSlot', 'a temporary slot is never made anew', "leave out 'onLostSlot' or 'temporary'")
  if (snapshot !== 'initial') {
    reject(
      'onLostSlot',
      `it copies the tables again and follows them, and snapshot is '${snapshot}'`,
      "leave it out, or use snapshot: 'initial'",
    )
  }
  return 'resnapshot'
}

const knownReconnectOptions = {
  maxAttempts: true,
  minDelayMs: true,
  maxDelayMs: true,
  first: true,
} satisfies Record<keyof ReconnectOptions, true>

function checkReconnect(given: FollowOptions['reconnect']): ReconnectPolicy | false {
  if (given === false) return false
  const standard = defaultReconnectPolicy
  if (given === undefined) return standard
  if (typeof given !== 'object' || given === null) {
    reject('reconnect', `it is ${JSON.stringify(given)}`, 'give false, or an object: { maxAttempts: 10 }')
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(knownReconnectOptions, name))
  if (unknown !== undefined) {
    reject(`reconnect.${unknown}`, 'there is no such option', `use ${Object.keys(knownReconnectOptions).join(', ')}`)
  }
  const { maxAttempts = standard.maxAttempts, first = standard.first } = given
  const minDelayMs = checkCount('reconnect.minDelayMs', given.minDelayMs, standard.minDelayMs)
  const maxDelayMs = checkCount('reconnect.maxDelayMs', given.maxDelayMs, Math.max(standard.maxDelayMs, minDelayMs))
  if (maxDelayMs < minDelayMs) {
    reject('reconnect.maxDelayMs', `it is ${maxDelayMs}, below minDelayMs, ${minDelayMs}`, 'swap or mend them')
  }
  if (typeof first !== 'boolean') reject('reconnect.first', `it is ${JSON.stringify(first)}`, 'give true or false')
  return {
    maxAttempts:
      maxAttempts === Number.POSITIVE_INFINITY ? maxAttempts : checkCount('reconnect.maxAttempts', maxAttempts, 1),
    minDelayMs,
    maxDelayMs,
    first,
  }
}

function checkLsn(option: string, value: LsnInput): Lsn {
  try {
    return parseLsn(value)
  } catch (error) {
    reject(
      option,
      error instanceof Error ? error.message : String(error),
      'give an LSN as a bigint or as text, like 16/B374D848',
    )
  }
}

function checkCount(option: string, value: number | undefined, standard: number): number {
  if (value === undefined) return standard
  if (!Number.isSafeInteger(value) || value < 1) reject(option, `it is ${value}`, 'give a whole number above 0')
  return value
}

function reject(option: string, why: string, hint: string): never {
  throw new WalwireError('bad_option', { what: `the option '${option}' cannot be used`, why, hint })
}
