import { randomUUID } from 'node:crypto'
import { readFileSync, unlinkSync } from 'node:fs'
import { open, readFile, rename, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Logger } from '../../replication/logger.ts'
import { type ProcessPlace, processPlace, processStart, unknownStart } from './process-identity.ts'
import { isPassing, systemReason } from './system-reason.ts'

/** What a lock file says of the process that holds it. */
export interface LockHolder {
  readonly pid: number
  /** When that process began: its number alone may be another's by now. */
  readonly started: string
  /** Where its number means something. */
  readonly place: string
  /** For people. */
  readonly host: string
  /** Tells this lock from every other. */
  readonly token: string
}

/** What the lock asks the system; replaced in tests. */
export interface LockSurroundings {
  readonly place: ProcessPlace
  readonly processStart: (pid: number) => string | undefined
  /** How often a holder shows that it lives. */
  readonly heartbeatMs: number
}

/** How a lock is taken. */
export interface LockOptions {
  /** Whether another run's end is waited for. Default: it is an error. */
  readonly wait?: boolean | undefined
  /** Ends the watching and waiting, with its reason. */
  readonly signal?: AbortSignal | undefined
  readonly surroundings?: LockSurroundings | undefined
}

/** A checkpoint that no other run may use until it is released. */
export interface CheckpointLock {
  /** Makes sure that the lock was not taken away. @throws {WalwireError} `checkpoint_lock_lost`, `checkpoint_failed` */
  verify(): Promise<void>
  /** Gives the checkpoint free; at once, so that it works while the process ends. */
  release(): void
}

/** The file that keeps other runs from a checkpoint. */
export function lockPath(checkpoint: string): string {
  return `${checkpoint}.lock`
}

/** How often whoever waits looks whether the lock is free. */
const waitRetryMs = 200

type SayOnce = (level: 'info' | 'warn', data: object, message: string) => void

const defaultSurroundings = (): LockSurroundings => ({ place: processPlace(), processStart, heartbeatMs: 2000 })

/**
 * Locks a checkpoint by a file beside it, made only where there is none. Node has no file locks that the system frees by
 * itself, so the file says which process holds it, and one that a killed run left is recognised:
 *
 * - exactly, where both are on one machine and in one process namespace, and either can tell when the holder began: that
 *   process is gone, or its number is another's now;
 * - else (another machine, a container that was made anew, the machine before it was started again, a system that does
 *   not tell) by watching: a holder touches its lock every two seconds, and one that does not for a while is gone.
 *
 * Whoever waits looks whether it is free several times a second, and says once whom for.
 *
 * @throws {WalwireError} `checkpoint_locked`, `checkpoint_failed`
 */
export async function lockCheckpoint(
  checkpoint: string,
  logger: Logger,
  { wait = false, signal, surroundings = defaultSurroundings() }: LockOptions = {},
): Promise<CheckpointLock> {
  const path = lockPath(checkpoint)
  const mine: LockHolder = {
    pid: process.pid,
    started: surroundings.processStart(process.pid) ?? unknownStart,
    place: surroundings.place.name,
    host: hostname(),
    token: randomUUID(),
  }
  const said = new Set<string>()
  const sayOnce: SayOnce = (level, data, message) => {
    if (!said.has(message)) logger[level](data, message)
    said.add(message)
  }
  try {
    while (!(await create(path, mine))) {
      const found = await readFile(path, 'utf8').catch(undefinedIfMissing)
      // released in this moment
      if (found === undefined) continue
      const holder = parseHolder(found)
      if (await isHeld(path, found, holder, surroundings, sayOnce, signal)) {
        const inUse = locked(checkpoint, path, holder)
        if (!wait) throw inUse
        sayOnce('info', { lock: path, pid: holder?.pid, host: holder?.host }, `${inUse.message}: waiting for its end`)
        await delay(waitRetryMs, undefined, { signal })
      } else if (await takeAway(path, found, mine)) {
        logger.info({ lock: path, pid: holder?.pid }, 'a lock was left by a run that is gone, and is taken over')
      }
    }
  } catch (cause) {
    if (cause instanceof WalwireError || signal?.aborted) throw cause
    throw lockFailed(`the checkpoint ${checkpoint} could not be locked`, cause)
  }
  return held(checkpoint, path, mine, surroundings.heartbeatMs)
}

async function create(path: string, mine: LockHolder): Promise<boolean> {
  try {
    await writeFile(path, `${JSON.stringify(mine)}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    // made, and no room for what it says: whoever comes next would have to watch it
    if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) await unlink(path).catch(() => {})
    throw error
  }
}

function held(checkpoint: string, path: string, mine: LockHolder, heartbeatMs: number): CheckpointLock {
  const beat = setInterval(() => {
    const now = new Date()
    // a lock that is gone is found when it is verified
    utimes(path, now, now).catch(() => {})
  }, heartbeatMs)
  beat.unref()
  const release = () => {
    clearInterval(beat)
    process.off('exit', release)
    try {
      if (parseHolder(readFileSync(path, 'utf8'))?.token === mine.token) unlinkSync(path)
    } catch {
      // gone already: that is what was wanted
    }
  }
  process.on('exit', release)
  return {
    release,
    async verify() {
      const found = await readFile(path, 'utf8')
        .catch(undefinedIfMissing)
        .catch((cause: unknown) => {
          throw lockFailed(`nobody knows whether the checkpoint ${checkpoint} is still this run's`, cause)
        })
      const holder = parseHolder(found ?? '')
      if (holder?.token === mine.token) return
      throw new WalwireError('checkpoint_lock_lost', {
        what: `the checkpoint ${checkpoint} is not this run's any more`,
        why: holder === undefined ? `its lock ${path} was removed` : `${describe(holder)} has taken its lock`,
        hint: 'make sure that one run uses a checkpoint at a time, and start this one again',
      })
    },
  }
}

async function isHeld(
  path: string,
  found: string,
  holder: LockHolder | undefined,
  { place, processStart, heartbeatMs }: LockSurroundings,
  sayOnce: SayOnce,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (place.exact && holder?.place === place.name) {
    const started = processStart(holder.pid)
    if (started === undefined) return false
    if (started !== unknownStart && holder.started !== unknownStart) return started === holder.started
  }
  sayOnce(
    'warn',
    { lock: path, host: holder?.host, pid: holder?.pid },
    'the checkpoint is locked by a process that cannot be told from here: watching whether it still lives',
  )
  const before = await touched(path)
  for (let waited = 0; waited < 3.5 * heartbeatMs; waited += heartbeatMs / 4) {
    await delay(heartbeatMs / 4, undefined, { signal })
    if ((await touched(path)) !== before) break
  }
  return (await touched(path)) !== before || (await readFile(path, 'utf8').catch(undefinedIfMissing)) !== found
}

/** Opened before it is asked, since a network file system asks its server only then. */
async function touched(path: string): Promise<number | undefined> {
  const handle = await open(path, 'r').catch(undefinedIfMissing)
  if (handle === undefined) return undefined
  try {
    return (await handle.stat()).mtimeMs
  } finally {
    await handle.close()
  }
}

/**
 * Removes a lock that was found to be dead. Two runs may find that at once, and the slower one must not remove what the
 * faster one has made since: the file is moved aside, and looked at again before it goes.
 */
async function takeAway(path: string, found: string, mine: LockHolder): Promise<boolean> {
  const aside = `${path}.${mine.token}`
  if ((await rename(path, aside).then(() => true, undefinedIfMissing)) === undefined) return false
  if ((await readFile(aside, 'utf8')) === found) {
    await unlink(aside)
    return true
  }
  await rename(aside, path)
  return false
}

function locked(checkpoint: string, path: string, holder: LockHolder | undefined): WalwireError {
  return new WalwireError('checkpoint_locked', {
    what: `the checkpoint ${checkpoint} is in use`,
    why: holder === undefined ? `its lock ${path} is held` : `${describe(holder)} holds its lock ${path}`,
    hint: 'end that run first, or give this one a checkpoint and an output of its own',
  })
}

function lockFailed(what: string, cause: unknown): WalwireError {
  return new WalwireError('checkpoint_failed', {
    what,
    why: systemReason(cause),
    hint: 'the folder must exist, and allow files to be made and read in it',
    retryable: isPassing(cause),
    cause,
  })
}

function describe({ pid, host }: LockHolder): string {
  return `process ${pid} on ${host}`
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    const content: unknown = JSON.parse(text)
    return isHolder(content) ? content : undefined
  } catch {
    return undefined
  }
}

function isHolder(value: unknown): value is LockHolder {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    Number.isSafeInteger(value.pid) &&
    ['started', 'place', 'host', 'token'].every((key) => typeof Reflect.get(value, key) === 'string')
  )
}

function undefinedIfMissing(error: unknown): undefined {
  if (hasCode(error, 'ENOENT')) return undefined
  throw error
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
