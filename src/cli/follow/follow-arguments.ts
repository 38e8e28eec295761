import { resolve } from 'node:path'
import { besides, isTaken } from '../../delivery/file/file-destination.ts'
import type { RotatePolicy } from '../../delivery/file/rotate-policy.ts'
import { formatLsn, parseLsn } from '../../protocol/messages/lsn.ts'
import type { ReconnectOptions } from '../../replication/reconnection.ts'
import {
  oneOf,
  readDuration,
  readNumber,
  readSeconds,
  readUrl,
  type SortedArguments,
  sortArguments,
  usageError,
} from '../arguments.ts'
import { type LogLevel, logLevels } from '../diagnostics.ts'
import { quotedArgument } from '../quoted-argument.ts'
import { followOptionKinds } from './follow-options.ts'
import { readRotate } from './rotate-argument.ts'
import { parseTableList, type TableName } from './table-list.ts'

/** The server cuts longer names (NAMEDATALEN). */
const longestNameBytes = 63

/** What `walwire follow` was asked for. Paths are absolute, LSNs in the server's own form. */
export interface FollowArguments {
  /** Where the server is; PG* variables and ~/.pgpass fill in what it lacks. */
  readonly url: string | undefined
  /** In alphabetical order, each once. */
  readonly publications: readonly string[]
  readonly slot: string | undefined
  readonly snapshot: 'initial' | 'never' | 'only'
  readonly start: string | undefined
  readonly stop: string | undefined
  readonly checkpoint: string | undefined
  /** Undefined is stdout. */
  readonly output: string | undefined
  /** Undefined is one file. */
  readonly rotate: RotatePolicy | undefined
  readonly format: 'jsonl' | 'pretty'
  /** Always `text` for the format pretty, which shows what the server wrote. */
  readonly values: 'native' | 'text'
  readonly binary: boolean
  readonly createPublication: 'all' | readonly TableName[] | undefined
  readonly temporary: boolean
  readonly slotTimeoutMs: number | undefined
  readonly reconnect: ReconnectOptions | false
  readonly onLostSlot: 'fail' | 'resnapshot'
}

/** How the command talks about itself: known before anything else is judged. */
export interface DiagnosticsArguments {
  readonly level: LogLevel
  readonly json: boolean
}

/** Sorts the arguments of `walwire follow`. */
export function sortFollowArguments(argv: readonly string[]): SortedArguments {
  return sortArguments('follow', argv, followOptionKinds)
}

/** Reads `--log` and `--log-level`. */
export function readDiagnosticsArguments(given: SortedArguments): DiagnosticsArguments {
  const log = given.value('log')
  if (log !== undefined) oneOf('log', log, ['json'])
  // what is read by people says by itself how it goes
  const usual = given.value('format') === 'pretty' ? 'warn' : 'info'
  return { level: oneOf('log-level', given.value('log-level') ?? usual, logLevels), json: log !== undefined }
}

/**
 * Reads everything else, and judges whether it goes together.
 *
 * @throws {CommandError} `usage`
 */
export function readFollowArguments(given: SortedArguments): FollowArguments {
  const output = given.value('output')
  const checkpoint = given.value('checkpoint')
  const createPublication = given.value('create-publication')
  const format = readFormat(given)
  const parsed: FollowArguments = {
    url: readUrl('follow', given),
    publications: [...new Set(given.values('publication'))].sort(),
    slot: given.value('slot'),
    snapshot: oneOf('snapshot', given.value('snapshot') ?? 'initial', ['initial', 'never', 'only']),
    start: readLsnOr('start', 'slot', given.value('start')),
    stop: readLsnOr('stop', 'now', given.value('stop')),
    checkpoint: checkpoint === undefined ? undefined : resolve(checkpoint),
    output: output === undefined || output === '-' ? undefined : resolve(output),
    rotate: readRotate(given.values('rotate')),
    format,
    values: oneOf('values', given.value('values') ?? (format === 'pretty' ? 'text' : 'native'), ['native', 'text']),
    binary: given.has('binary'),
    createPublication: createPublication === undefined ? undefined : parseTableList(createPublication),
    temporary: given.has('temporary'),
    slotTimeoutMs: readSeconds('slot-timeout', given.value('slot-timeout')),
    reconnect: readReconnect(given),
    onLostSlot: oneOf('on-lost-slot', given.value('on-lost-slot') ?? 'fail', ['fail', 'resnapshot']),
  }
  refuseContradictions(parsed, given)
  return parsed
}

function readReconnect(given: SortedArguments): ReconnectOptions | false {
  const times = given.value('reconnect')
  const maxAttempts =
    times === undefined ? undefined : readNumber('reconnect', times, { standard: 10, least: 0, most: 1e9, whole: true })
  const minDelayMs = readDuration('reconnect-min', given.value('reconnect-min'))
  const maxDelayMs = readDuration('reconnect-max', given.value('reconnect-max'))
  const first = given.has('wait')
  if (maxAttempts === 0) {
    if (!first && minDelayMs === undefined && maxDelayMs === undefined) return false
    throw usageError(
      `--reconnect 0 contradicts --${first ? 'wait' : `reconnect-${minDelayMs === undefined ? 'max' : 'min'}`}`,
      'with 0 nothing is tried again',
      'leave out one of the two',
    )
  }
  if (minDelayMs !== undefined && maxDelayMs !== undefined && maxDelayMs < minDelayMs) {
    throw usageError('--reconnect-max is below --reconnect-min', 'no wait lies between the two', 'swap or mend them')
  }
  return { maxAttempts, minDelayMs, maxDelayMs, first }
}

function refuseContradictions(parsed: FollowArguments, given: SortedArguments): void {
  const { publications, slot, snapshot, start, stop, checkpoint, output, createPublication, temporary } = parsed
  if (publications.length === 0) {
    throw usageError(
      'no publication is given',
      'the publication says which tables are followed',
      'give --publication NAME; with --create-publication TABLE,… or all it is made',
    )
  }
  if (createPublication !== undefined && publications.length > 1) {
    throw usageError(
      '--create-publication cannot be used with several publications',
      `it makes one, and ${publications.length} are given`,
      'give one --publication, or make them by hand with CREATE PUBLICATION',
    )
  }
  if (createPublication !== undefined && Buffer.byteLength(publications[0] ?? '') > longestNameBytes) {
    throw usageError(
      `--create-publication cannot make ${publications[0]}`,
      `the name has more than ${longestNameBytes} bytes, and the server would cut it short`,
      'give a shorter --publication',
    )
  }
  if (slot === undefined && !temporary && snapshot !== 'only') {
    throw usageError(
      'no slot is given',
      'the slot holds what was not yet followed, and needs a name',
      'give --slot NAME, or --temporary for a slot that ends with this run',
    )
  }
  if (checkpoint !== undefined && (temporary || slot === undefined)) {
    throw usageError(
      '--checkpoint needs a slot that lasts',
      `a checkpoint is to be continued, and ${temporary ? '--temporary makes a slot' : 'a slot without a name'} ends with this run`,
      temporary ? 'leave out one of --checkpoint and --temporary' : 'give --slot NAME',
    )
  }
  if (parsed.onLostSlot === 'resnapshot' && (temporary || snapshot !== 'initial' || slot === undefined)) {
    throw usageError(
      `--on-lost-slot resnapshot contradicts ${temporary || slot === undefined ? 'a temporary slot' : `--snapshot ${snapshot}`}`,
      'it makes the slot anew, copies all tables again and follows them',
      'leave out one of the two',
    )
  }
  if (start !== undefined && temporary) {
    throw usageError(
      '--start contradicts --temporary',
      '--start continues a slot that exists, and a temporary one is made anew by each run',
      'leave out one of the two',
    )
  }
  if (start !== undefined && given.has('snapshot') && snapshot !== 'never') {
    throw usageError(
      `--start contradicts --snapshot ${snapshot}`,
      'a snapshot is taken where a new slot begins, and --start continues one that exists',
      'leave out one of the two',
    )
  }
  if (start !== undefined && slot === undefined) {
    throw usageError('--start needs --slot', 'it continues a slot that exists', 'give --slot NAME')
  }
  if (parsed.format === 'pretty') refuseWithPretty(parsed)
  if (parsed.binary && parsed.values === 'text') {
    throw usageError(
      '--binary contradicts --values text',
      "the server's text is not in its binary form",
      'leave out one of the two',
    )
  }
  if (stop !== undefined && snapshot === 'only') {
    throw usageError(
      '--stop contradicts --snapshot only',
      'a run that only takes a snapshot ends with the snapshot',
      'leave out one of the two',
    )
  }
  if (start !== undefined && start !== 'slot' && stop !== undefined && stop !== 'now') {
    if (parseLsn(stop) < parseLsn(start)) {
      throw usageError(`--stop ${stop} is before --start ${start}`, 'nothing lies between the two', 'swap or mend them')
    }
  }
  refuseRotate(parsed)
  if (checkpoint !== undefined && checkpoint === output) {
    throw usageError('--checkpoint and --output name the same file', 'each needs its own', 'give two paths')
  }
  if (checkpoint !== undefined && output !== undefined && besides(checkpoint).includes(output)) {
    throw usageError(
      `--output cannot be ${output}`,
      'the checkpoint has a file of that name beside itself while it is written or used',
      'give --output another name',
    )
  }
}

function refuseRotate({ rotate, output, checkpoint }: FollowArguments): void {
  if (rotate === undefined) return
  if (output === undefined) {
    throw usageError('--rotate needs --output', 'what goes to stdout has no parts', 'give --output FILE')
  }
  if (checkpoint === undefined) {
    throw usageError(
      '--rotate needs --checkpoint',
      'without it nobody knows which part a restart goes on in, and what of it came already',
      'give --checkpoint FILE',
    )
  }
  if (output !== checkpoint && !besides(checkpoint).includes(output) && isTaken(checkpoint, output, true)) {
    throw usageError(
      `--checkpoint cannot be ${checkpoint}`,
      `the checkpoint, or a file that it has beside itself, would have the name of a part of ${output}`,
      'give --checkpoint another name',
    )
  }
}

function refuseWithPretty({ checkpoint, values, binary }: FollowArguments): void {
  if (checkpoint !== undefined) {
    throw usageError(
      '--checkpoint contradicts --format pretty',
      'what is kept exactly once is for programs, and the pretty format is for people: it shortens values',
      'leave out one of the two',
    )
  }
  if (values === 'native' || binary) {
    throw usageError(
      `--${binary ? 'binary' : 'values native'} contradicts --format pretty`,
      "the pretty format shows the server's text",
      'leave out one of the two',
    )
  }
}

function readFormat(given: SortedArguments): FollowArguments['format'] {
  return oneOf('format', given.value('format') ?? 'jsonl', ['jsonl', 'pretty'])
}

function readLsnOr(option: string, word: string, given: string | undefined): string | undefined {
  if (given === undefined || given === word) return given
  try {
    return formatLsn(parseLsn(given))
  } catch {
    throw usageError(
      `--${option} cannot be ${quotedArgument(given)}`,
      `it is an LSN like 16/B374D848, or the word ${word}`,
      `give --${option} one of these`,
    )
  }
}
