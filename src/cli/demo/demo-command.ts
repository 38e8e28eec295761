import { defaultCommitPolicy } from '../../delivery/commit-policy.ts'
import type { Output } from '../../delivery/file/output.ts'
import { pump } from '../../delivery/pump.ts'
import type { Batch } from '../../replication/batch.ts'
import { follow } from '../../replication/follow.ts'
import type { Position } from '../../replication/position.ts'
import { CommandError } from '../command-error.ts'
import { plainDiagnostics, writeToStderr } from '../diagnostics.ts'
import { inServerWords } from '../embedded/boot-embedded.ts'
import { commandBinaries } from '../embedded/command-binaries.ts'
import { isFree } from '../embedded/free-port.ts'
import type { InstalledBinaries } from '../embedded/installed-binaries.ts'
import { exitCodes } from '../exit-code.ts'
import { type Presentation, presentation } from '../follow/presentation.ts'
import { watchSignals } from '../follow/signals.ts'
import { durationText, plural } from '../pretty/quantities.ts'
import { print } from '../print.ts'
import { ReaderGone, StreamOutput } from '../stream-output.ts'
import { type DemoArguments, readDemoArguments, sortDemoArguments } from './demo-arguments.ts'
import { demoHelp } from './demo-options.ts'
import { DemoTally } from './demo-tally.ts'
import { watchParent } from './parent-watch.ts'
import { programName } from './program-name.ts'
import { connectTo, openShop, type ShopServer } from './shop-server.ts'
import { ShopWriter } from './shop-writer.ts'

/** Runs `walwire demo`, and gives the exit code. */
export async function demoCommand(argv: readonly string[]): Promise<number> {
  const given = sortDemoArguments(argv)
  if (given.has('help')) {
    await print(demoHelp)
    return exitCodes.done
  }
  const parsed = readDemoArguments(given)
  const binaries = commandBinaries({ command: 'demo', instead: 'follow a server that is there: walwire follow --help' })
  if (parsed.port !== undefined && !(await isFree(parsed.port))) throw portTaken(parsed.port)
  // the demo's server is the only one that anything here may mean
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]

  const signals = watchSignals()
  const parent = watchParent()
  const stop = AbortSignal.any([signals.stop, parent.gone])
  try {
    await demo(parsed, binaries, stop)
  } catch (error) {
    if (!stop.aborted && !(error instanceof ReaderGone)) throw inServerWords(error, 'demo')
  } finally {
    signals.dispose()
    parent.dispose()
  }
  return exitCodes.done
}

async function demo(parsed: DemoArguments, binaries: InstalledBinaries, stop: AbortSignal): Promise<void> {
  const output = new StreamOutput(process.stdout)
  const began = performance.now()
  await output.write([`walwire demo: PostgreSQL ${binaries.packageVersion.split('-')[0]} boots in a temporary folder`])
  const { seed, port } = parsed
  const onBooted = () => output.write([`a shop is made on it (after ${durationText(performance.now() - began)})`])
  await using shop = await openShop(binaries, { seed, port, signal: stop, onBooted }).catch(async (error: unknown) => {
    if (stop.aborted) await output.write([`Ended by ${stop.reason} before the shop was open.`])
    throw error
  })
  await output.write(welcomeLines(shop, parsed, performance.now() - began))
  await runShop(shop, parsed, stop, output)
}

async function runShop(shop: ShopServer, parsed: DemoArguments, stop: AbortSignal, output: Output): Promise<void> {
  const shown = presentation({ format: 'pretty' }, output.path)
  const { logger } = plainDiagnostics('warn', (text) => {
    shown.makeRoom()
    writeToStderr(text)
  })
  const { durationMs, rate, seed } = parsed
  const over = durationMs === undefined ? [] : [AbortSignal.timeout(durationMs)]
  const closing = AbortSignal.any([stop, ...over])
  const writer =
    rate === 0
      ? undefined
      : new ShopWriter(await connectTo(shop.connection, stop), {
          rate,
          seed,
          onRefusal: (error) => logger.warn({ error }, 'a transaction of the shop was refused'),
        })
  try {
    const summary = await followShop(shop, shown, output, closing, {
      logger,
      onCopied: () => writer && (writer.kind = 'upheaval'),
    })
    await writer?.close()
    const how = stop.aborted ? `Ended by ${stop.reason}` : `Ended after ${durationText(durationMs ?? 0)}`
    await output.write(['', `${how}.`, ...summary.map((line) => `  ${line}`), ...farewellLines()])
  } finally {
    await writer?.close()
  }
}

/** @returns what there is to say about it at the end */
async function followShop(
  shop: ShopServer,
  { toLines, onto }: Presentation,
  lines: Output,
  stop: AbortSignal,
  { logger, onCopied }: { logger: ReturnType<typeof plainDiagnostics>['logger']; onCopied: () => void },
): Promise<string[]> {
  const tally = new DemoTally()
  const feed = follow({
    connection: shop.connection,
    publication: 'shop',
    slot: 'walwire_demo',
    values: 'text',
    logger,
  })
  const output = onto(lines)
  try {
    const sink = {
      async write(batch: Batch) {
        tally.add(batch)
        if (batch.position.phase === 'stream') onCopied()
        await output.write(toLines(batch))
      },
      async commit(position: Position) {
        // which may have moved on without a batch
        tally.add({ events: [], position, atCommit: true })
        await output.sync()
      },
    }
    await pump(feed, sink, { policy: defaultCommitPolicy, eachBatch: false, stop, settleMs: 0 })
    return tally.lines(feed.status())
  } finally {
    await output.close()
  }
}

function welcomeLines({ uri, server }: ShopServer, { durationMs, rate }: DemoArguments, tookMs: number): string[] {
  const walwire = programName()
  const writes =
    rate === 0 ? 'nobody writes to it but you' : `${plural(rate, 'transaction')} a second are written to it`
  // tables that nothing alters while somebody copies them
  const quiet = 'orders,order_items'
  const ends = durationMs === undefined ? 'until Ctrl-C' : `for ${durationText(durationMs)}`
  return [
    `the shop is open (after ${durationText(tookMs)}): ${writes}, ${ends}; then all of ${server.socketDir} goes`,
    '',
    'From a second terminal, look at it and change it:',
    `  psql ${uri}`,
    `  psql ${uri} -c "UPDATE products SET price = 0 WHERE sku = 'SKU-0007'"`,
    'or follow it as well, for people or as JSON lines:',
    `  ${walwire} follow ${uri} --publication mine --create-publication ${quiet} --temporary --format pretty`,
    `  ${walwire} follow ${uri} --publication shop --slot mine`,
    '',
  ]
}

function farewellLines(): string[] {
  return [
    '',
    'The server and its data are gone. With a server of yours:',
    `  ${programName()} follow URL --publication NAME --create-publication TABLE,… --slot NAME --format pretty`,
  ]
}

function portTaken(port: number): CommandError {
  return new CommandError('server_failed', {
    what: 'the server of the demo was not started',
    why: `something else listens on port ${port} of 127.0.0.1, or it may not be used`,
    hint: 'give another --port, or leave it out',
  })
}
