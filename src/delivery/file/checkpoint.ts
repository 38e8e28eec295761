import { WalwireError } from '../../protocol/messages/errors.ts'
import { parseLsn } from '../../protocol/messages/lsn.ts'
import { type Position, parsePosition } from '../../replication/position.ts'
import { type Disk, writeWhole } from './disk.ts'
import { isPassing, systemReason } from './system-reason.ts'

/** The version of the format that this release writes. It reads 1, too, which knows no parts. */
export const checkpointVersion = 2

/** What a checkpoint file holds. */
export interface Checkpoint {
  readonly version: typeof checkpointVersion
  /** The `--start` of the run that began it: what a run continues from as long as there is no position. */
  readonly start: string | null
  /** Null until something was delivered, where the start was given and so no position was known. */
  readonly position: Position | null
  /** The output and how much of it the position covers; null when it went to stdout. */
  readonly output: CoveredOutput | null
}

/** How much of an output a checkpoint covers. */
export interface CoveredOutput {
  readonly path: string
  /** The part that it ends in, from 1; left out where that is the file of the path itself. Parts before it are complete. */
  readonly part?: number | undefined
  /** When that part's first line was written. */
  readonly begun?: string | undefined
  /** Bytes of that file. */
  readonly length: number
  /** Where in it the copy began that is not over: a run that begins it again cuts the output back to there. Absent: at its beginning. */
  readonly copiedFrom?: number | undefined
}

/**
 * Reads the checkpoint; undefined where there is none yet.
 *
 * @throws {WalwireError} `checkpoint_malformed`, `checkpoint_failed`
 */
export async function loadCheckpoint(disk: Disk, path: string): Promise<Checkpoint | undefined> {
  try {
    const text = await disk.read(path)
    if (text === undefined) return undefined
    const checkpoint = parseCheckpoint(text, path)
    // A run that was killed right after its rename leaves a name that a loss of power would still take back. What is
    // built on this checkpoint must not outlive it.
    await disk.syncFolderOf(path)
    return checkpoint
  } catch (cause) {
    if (cause instanceof WalwireError) throw cause
    throw new WalwireError('checkpoint_failed', {
      what: `the checkpoint ${path} could not be read`,
      why: systemReason(cause),
      hint: 'check the path and who may read it',
      retryable: isPassing(cause),
      cause,
    })
  }
}

/** Where a checkpoint is written before it takes its name. */
export function temporaryPath(checkpoint: string): string {
  return `${checkpoint}.tmp`
}

/**
 * Makes this checkpoint the one that a restart continues from. Whatever moment the machine stops at, the file is the
 * one before or this one, whole. The output must be durable before.
 *
 * @throws {WalwireError} `checkpoint_failed`
 */
export async function storeCheckpoint(disk: Disk, path: string, checkpoint: Checkpoint): Promise<void> {
  const temporary = temporaryPath(path)
  try {
    await writeWhole(disk, temporary, `${JSON.stringify(checkpoint, undefined, 2)}\n`)
    await disk.rename(temporary, path)
    await disk.syncFolderOf(path)
  } catch (cause) {
    throw new WalwireError('checkpoint_failed', {
      what: `the checkpoint ${path} could not be written`,
      why: systemReason(cause),
      hint: 'mend this and deliver again: it continues from the checkpoint before',
      retryable: isPassing(cause),
      cause,
    })
  }
}

/** Reads the text of a checkpoint file. @throws {WalwireError} `checkpoint_malformed` naming what is wrong. */
export function parseCheckpoint(text: string, path: string): Checkpoint {
  const fail = (why: string, cause?: unknown) =>
    new WalwireError('checkpoint_malformed', {
      what: `the checkpoint ${path} cannot be used`,
      why,
      hint: 'restore it from a copy; or begin anew: remove it, empty the output, and drop the slot',
      cause,
    })
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw fail(text.trim() === '' ? 'the file is empty' : `it is not JSON: ${systemReason(cause)}`, cause)
  }
  if (!isObject(content)) throw fail('it is not a JSON object')
  if (content.version !== checkpointVersion && content.version !== 1) {
    throw fail(
      typeof content.version === 'number'
        ? `it has format version ${content.version}, and this release knows ${checkpointVersion}`
        : 'it has no version, so walwire did not write it',
    )
  }
  const { start, position, output } = content
  if (!isStart(start)) throw fail(`its start is ${JSON.stringify(start) ?? 'missing'}`)
  if (!isOutput(output)) throw fail(`its output is ${JSON.stringify(output) ?? 'missing'}`)
  if (position === null && start === null) throw fail('it has neither a position nor a start')
  try {
    return { version: checkpointVersion, start, output, position: position === null ? null : parsePosition(position) }
  } catch (cause) {
    throw fail(cause instanceof WalwireError ? cause.why : String(cause), cause)
  }
}

function isStart(value: unknown): value is string | null {
  if (value === null || value === 'slot') return true
  try {
    return typeof value === 'string' && parseLsn(value) >= 0n
  } catch {
    return false
  }
}

function isOutput(value: unknown): value is CoveredOutput | null {
  if (value === null) return true
  if (!isObject(value)) return false
  const { path, part, begun, length, copiedFrom } = value
  return (
    typeof path === 'string' &&
    isCount(length) &&
    (part === undefined || (isCount(part) && part > 0)) &&
    (begun === undefined || (typeof begun === 'string' && !Number.isNaN(Date.parse(begun)))) &&
    (copiedFrom === undefined || (isCount(copiedFrom) && copiedFrom <= length))
  )
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
