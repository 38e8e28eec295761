import { randomInt } from 'node:crypto'
import type { ConnectionInput } from '../../protocol/connection/connection-options.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'
import { watchParent } from '../demo/parent-watch.ts'
import { bootEmbedded, inServerWords, passingSettings } from '../embedded/boot-embedded.ts'
import { commandBinaries } from '../embedded/command-binaries.ts'
import { exitCodes } from '../exit-code.ts'
import { watchSignals } from '../follow/signals.ts'
import { print } from '../print.ts'
import { StreamOutput } from '../stream-output.ts'
import { fuzz } from './fuzz.ts'
import { type FuzzArguments, readFuzzArguments, sortFuzzArguments } from './fuzz-arguments.ts'
import { fuzzHelp } from './fuzz-options.ts'
import { loadPackages } from './fuzz-packages.ts'
import { ProgressLine } from './progress-line.ts'
import { tryShareInThread } from './share-threads.ts'

/** The server has its share of two cores too, which is small. */
const threads = 2

/** Runs `walwire fuzz`, and gives the exit code. */
export async function fuzzCommand(argv: readonly string[]): Promise<number> {
  const given = sortFuzzArguments(argv)
  if (given.has('help')) {
    await print(fuzzHelp)
    return exitCodes.done
  }
  const parsed = readFuzzArguments(given)
  // said here rather than by each thread
  await loadPackages()
  const signals = watchSignals()
  const parent = watchParent()
  const stop = AbortSignal.any([signals.stop, parent.gone])
  try {
    await using server = await openServer(parsed, stop)
    const seed = parsed.seed ?? randomInt(2 ** 32)
    return await fuzz(
      { ...parsed, seed },
      {
        description: (await resolveConnection(server.connection)).description,
        stop,
        output: new StreamOutput(process.stdout),
        progress: new ProgressLine(process.stderr),
        shares: threads,
        tryShare: (request, watch) => tryShareInThread(server.connection, request, watch, stop),
      },
    )
  } catch (error) {
    if (stop.aborted) return exitCodes.done
    throw inServerWords(error, 'fuzzer')
  } finally {
    signals.dispose()
    parent.dispose()
  }
}

/** The server that was named, or one that ends with this. */
async function openServer(
  { url }: FuzzArguments,
  signal: AbortSignal,
): Promise<AsyncDisposable & { connection: ConnectionInput }> {
  if (url !== undefined) {
    return { connection: url, async [Symbol.asyncDispose]() {} }
  }
  const binaries = commandBinaries({ command: 'fuzz', instead: 'name a server that is there: walwire fuzz URL' })
  // the server that is booted is the only one that anything here may mean
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
  await print(`walwire fuzz: PostgreSQL ${binaries.packageVersion.split('-')[0]} boots in a temporary folder\n`)
  const { server, superuser } = await bootEmbedded({
    binaries,
    prefix: 'walwire-fuzz-',
    settings: passingSettings,
    signal,
  })
  const connection: ConnectionInput = {
    host: server.host,
    port: server.port,
    user: superuser.name,
    password: superuser.password,
    dbname: 'postgres',
    sslmode: 'disable',
  }
  return { connection, [Symbol.asyncDispose]: () => server.remove() }
}
