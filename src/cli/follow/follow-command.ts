import { boundedCommitPolicy, defaultCommitPolicy } from '../../delivery/commit-policy.ts'
import { loadCheckpoint } from '../../delivery/file/checkpoint.ts'
import { lockCheckpoint } from '../../delivery/file/checkpoint-lock.ts'
import { Delivery, type KeptCheckpoint } from '../../delivery/file/delivery.ts'
import { nodeDisk } from '../../delivery/file/disk.ts'
import { FileOutput } from '../../delivery/file/file-output.ts'
import type { Output } from '../../delivery/file/output.ts'
import { type Resumption, resume } from '../../delivery/file/resume.ts'
import { pump } from '../../delivery/pump.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Feed } from '../../replication/feed.ts'
import { follow } from '../../replication/follow.ts'
import type { Logger } from '../../replication/logger.ts'
import { type Diagnostics, jsonDiagnostics, plainDiagnostics, writeToStderr } from '../diagnostics.ts'
import { exitCodeOf, exitCodes } from '../exit-code.ts'
import { print } from '../print.ts'
import { ReaderGone, StreamOutput } from '../stream-output.ts'
import { inCommandWords } from './command-words.ts'
import { createPublication } from './create-publication.ts'
import {
  type FollowArguments,
  readDiagnosticsArguments,
  readFollowArguments,
  sortFollowArguments,
} from './follow-arguments.ts'
import { followHelp } from './follow-help.ts'
import { type Presentation, presentation } from './presentation.ts'
import { ProgressReport } from './progress-report.ts'
import { publicationAdvice } from './publication-advice.ts'
import { withServer } from './server-connection.ts'
import { watchSignals } from './signals.ts'
import { stopNow } from './stop-now.ts'

/** How long a signal waits for what is in hand: a pipe that nobody reads never takes it, a disk may be slow. */
const drainMs = { stdout: 1000, file: 10_000 }

/** Runs `walwire follow`, and gives the exit code. */
export async function followCommand(argv: readonly string[]): Promise<number> {
  const given = sortFollowArguments(argv)
  if (given.has('help')) {
    await print(followHelp)
    return exitCodes.done
  }
  const { level, json } = readDiagnosticsArguments(given)
  const screen: Screen = { makeRoom: () => {} }
  const write = (text: string) => {
    screen.makeRoom()
    writeToStderr(text)
  }
  const diagnostics = json ? await jsonDiagnostics(level) : plainDiagnostics(level, write)
  return await run(() => readFollowArguments(given), diagnostics, screen)
}

/** What may stand on the terminal when something is said on stderr. */
type Screen = { makeRoom: Presentation['makeRoom'] }

async function run(read: () => FollowArguments, diagnostics: Diagnostics, screen: Screen): Promise<number> {
  const signals = watchSignals()
  try {
    const parsed = read()
    const prepared = await unlessStopped(signals.stop, prepare(parsed, diagnostics.logger, signals.stop))
    if (prepared?.finished) {
      await prepared.presentation.output.sync()
      diagnostics.logger.info({}, 'the snapshot was finished by an earlier run')
    } else if (prepared !== undefined) {
      screen.makeRoom = prepared.presentation.makeRoom
      await deliver(parsed, prepared, diagnostics.logger, signals.stop)
    }
    return exitCodes.done
  } catch (error) {
    diagnostics.fail(inCommandWords(error))
    return exitCodeOf(error)
  } finally {
    signals.dispose()
  }
}

/** What is settled before the feed begins. */
interface Prepared {
  readonly start: Resumption['start']
  readonly stop: string | undefined
  readonly presentation: Presentation
  readonly checkpoint: KeptCheckpoint | undefined
  /** Nothing is left to do. */
  readonly finished: boolean
}

/** Files first, as they are asked without leaving a trace; then whatever must be asked or made on the server. */
async function prepare(parsed: FollowArguments, logger: Logger, signal: AbortSignal): Promise<Prepared> {
  const { checkpoint, start, outputLength, finished = false } = await prepareFiles(parsed, logger)
  const output =
    parsed.output === undefined
      ? new StreamOutput(process.stdout)
      : new FileOutput(nodeDisk, parsed.output, outputLength, logger)
  const stop = finished ? undefined : await prepareServer(parsed, logger, signal)
  return { start, stop, presentation: presentation(parsed, output), checkpoint, finished }
}

async function prepareFiles(
  parsed: FollowArguments,
  logger: Logger,
): Promise<Pick<Resumption, 'start'> & Partial<Resumption> & { checkpoint?: KeptCheckpoint }> {
  const { checkpoint: path, output } = parsed
  if (path === undefined) return { start: parsed.start }
  const lock = await lockCheckpoint(path, logger)
  const stored = await loadCheckpoint(nodeDisk, path)
  const outputSize = output === undefined ? undefined : await nodeDisk.size(output)
  return {
    ...resume(parsed, stored, outputSize),
    checkpoint: {
      disk: nodeDisk,
      path,
      lock,
      start: (stored ? stored.start : parsed.start) ?? null,
      exists: stored !== undefined,
    },
  }
}

/** @returns where to stop */
async function prepareServer(
  parsed: FollowArguments,
  logger: Logger,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { createPublication: tables, publications, stop } = parsed
  if (tables === undefined && stop !== 'now') return stop
  return await withServer(parsed.url, signal, async (connection) => {
    const [publication] = publications
    if (tables !== undefined && publication !== undefined) {
      const made = await createPublication(connection, publication, tables)
      logger.info({ publication }, made ? 'publication made' : 'the publication exists, and is used as it is')
      const advice = made ? await publicationAdvice(connection, publication, connection.serverVersion) : []
      for (const message of advice) logger.warn({ publication }, message)
    }
    return stop === 'now' ? await stopNow(connection, signal) : stop
  })
}

async function deliver(parsed: FollowArguments, prepared: Prepared, logger: Logger, stop: AbortSignal): Promise<void> {
  const { checkpoint } = prepared
  const { output, toLines, tellsProgress } = prepared.presentation
  const { publications, slot, snapshot, temporary, slotTimeoutMs, values, binary } = parsed
  const feed = follow({
    connection: parsed.url,
    publication: publications,
    slot,
    start: prepared.start,
    stop: prepared.stop,
    snapshot,
    temporary: temporary || undefined,
    slotTimeoutMs,
    values,
    binary,
    logger,
  })
  const delivery = new Delivery({
    output,
    toLines,
    ack: (position) => feed.ack(position),
    checkpoint,
  })
  const report = new ProgressReport(logger, { snapshot: !tellsProgress })
  const endsByItself = prepared.stop !== undefined || snapshot === 'only'
  const policy = endsByItself ? boundedCommitPolicy : defaultCommitPolicy
  try {
    const pumping = pump(feed, delivery, { policy, stop, onBatch: (batch) => report.onBatch(batch) })
    const end = await Promise.race([pumping, drainDeadline(stop, output, feed)])
    // a file that was to be cut back and got nothing new
    if (end === 'feed-ended') await output.sync()
    await feed.close()
    report.ended(end === 'stopped' ? `stopped by ${stop.reason}` : 'done')
  } catch (error) {
    await feed.close()
    if (!(error instanceof ReaderGone)) throw error
    report.ended('the reader of stdout has gone')
  } finally {
    await output.close()
    checkpoint?.lock.release()
  }
}

/** Fails when what is in hand was not written some time after the signal. */
function drainDeadline(stop: AbortSignal, output: Output, feed: Feed): Promise<never> {
  const ms = output.path === undefined ? drainMs.stdout : drainMs.file
  return new Promise((_, fail) => {
    const onTimeout = () => {
      const error = new WalwireError('drain_timeout', {
        what: `walwire was stopped by ${stop.reason} before everything in hand was written`,
        why: `${output.path ?? 'the reader of stdout'} did not take it within ${ms / 1000} s`,
        hint: 'run the same command again: what was not written comes again',
      })
      // before the failure is told: the feed's sockets must not wait for the pipe
      void feed.close().then(() => fail(error))
    }
    stop.addEventListener('abort', () => setTimeout(onTimeout, ms).unref(), { once: true })
  })
}

/** The result, or undefined when the signal comes first. */
async function unlessStopped<Result>(stop: AbortSignal, work: Promise<Result>): Promise<Result | undefined> {
  const stopped = new Promise<undefined>((done) => {
    if (stop.aborted) done(undefined)
    else stop.addEventListener('abort', () => done(undefined), { once: true })
  })
  work.catch(() => {})
  return await Promise.race([work, stopped])
}
