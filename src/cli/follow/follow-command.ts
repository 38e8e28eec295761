import { deliver, deliveredFeed } from '../../delivery/deliver.ts'
import type { Destination } from '../../delivery/destination.ts'
import { nodeDisk } from '../../delivery/file/disk.ts'
import { FileOutput } from '../../delivery/file/file-output.ts'
import { LineDestination } from '../../delivery/file/line-destination.ts'
import type { FollowOptions } from '../../replication/feed.ts'
import { checkFollowOptions } from '../../replication/follow-options.ts'
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
    await followInto(read(), diagnostics.logger, screen, signals.stop)
    return exitCodes.done
  } catch (error) {
    diagnostics.fail(inCommandWords(error))
    return exitCodeOf(error)
  } finally {
    signals.dispose()
  }
}

async function followInto(parsed: FollowArguments, logger: Logger, screen: Screen, stop: AbortSignal): Promise<void> {
  const shown = presentation(parsed, parsed.output)
  const destination = new LineDestination({
    disk: nodeDisk,
    path: parsed.output,
    open: (path, beginAt) =>
      shown.onto(
        path === undefined ? new StreamOutput(process.stdout) : new FileOutput(nodeDisk, path, beginAt, logger),
      ),
    rotate: parsed.rotate,
    checkpoint: parsed.checkpoint,
    toLines: shown.toLines,
    wait: parsed.reconnect !== false && parsed.reconnect.first,
    logger,
  })
  const options = followOptions(parsed, logger)
  const prepared = await unlessStopped(stop, prepare(destination, options, parsed, logger, stop))
  if (prepared === undefined) return
  screen.makeRoom = shown.makeRoom
  const report = new ProgressReport(logger, { snapshot: !shown.tellsProgress })
  try {
    const { reason } = await deliver({
      ...options,
      stop: prepared.stop,
      signal: stop,
      destination: reported(destination, report),
      // whoever runs the command decides whether to run it again
      retry: false,
      drainTimeoutMs: parsed.output === undefined ? drainMs.stdout : drainMs.file,
    })
    if (prepared.finished) logger.info({}, 'the snapshot was finished by an earlier run')
    else report.ended(reason === 'stopped' ? `stopped by ${stop.reason}` : 'done')
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error
    report.ended('the reader of stdout has gone')
  }
}

function followOptions(parsed: FollowArguments, logger: Logger): FollowOptions {
  const { url, publications, slot, start, snapshot, temporary, slotTimeoutMs, values, binary, reconnect, onLostSlot } =
    parsed
  return {
    connection: url,
    publication: publications,
    ...{
      slot,
      start,
      snapshot,
      temporary: temporary || undefined,
      slotTimeoutMs,
      values,
      binary,
      reconnect,
      onLostSlot,
      logger,
    },
  }
}

/** The same destination, with somebody who looks on. */
function reported(destination: Destination, report: ProgressReport): Destination {
  return {
    description: destination.description,
    open: (feed) => destination.open(feed),
    write(batch) {
      report.onBatch(batch)
      return destination.write(batch)
    },
    async commit(position) {
      await destination.commit(position)
      report.onCommit(position)
    },
    close: () => destination.close(),
  }
}

/** What is settled before the feed begins. */
interface Prepared {
  readonly stop: string | undefined
  /** Nothing is left to do. */
  readonly finished: boolean
}

/** Files first, as they are asked without leaving a trace; then whatever must be asked or made on the server. */
async function prepare(
  destination: Destination,
  options: FollowOptions,
  parsed: FollowArguments,
  logger: Logger,
  signal: AbortSignal,
): Promise<Prepared> {
  try {
    const standing = await destination.open(deliveredFeed(options, signal))
    const isCopied = typeof standing?.start === 'object' && standing.start.phase === 'stream'
    const finished = parsed.snapshot === 'only' && isCopied
    return { stop: finished ? undefined : await prepareServer(parsed, options, logger, signal), finished }
  } catch (error) {
    await destination.close()
    throw error
  }
}

/** @returns where to stop */
async function prepareServer(
  parsed: FollowArguments,
  options: FollowOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { createPublication: tables, publications, stop } = parsed
  if (tables === undefined && stop !== 'now') return stop
  const { reconnect } = checkFollowOptions(options)
  return await withServer(parsed.url, reconnect, logger, signal, async (connection) => {
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

/** The result, or undefined when the signal comes first. */
async function unlessStopped<Result>(stop: AbortSignal, work: Promise<Result>): Promise<Result | undefined> {
  const stopped = new Promise<undefined>((done) => {
    if (stop.aborted) done(undefined)
    else stop.addEventListener('abort', () => done(undefined), { once: true })
  })
  work.catch(() => {})
  return await Promise.race([work, stopped])
}
