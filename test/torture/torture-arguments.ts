import { parseArgs } from 'node:util'
import { readDuration, UsageError } from '../../fuzz/usage.ts'

/** What `npm run torture` was asked for. */
export interface TortureArguments {
  /** For how long sessions write and faults strike; what comes after is waited for besides. */
  readonly durationMs: number
  readonly seed: number
  /** The major version of the server. */
  readonly server: number
  /** Only these kinds of faults; none are all of them. */
  readonly faults: readonly string[]
  /** Whether copies of the sources with a planted bug each are tortured, instead of the sources. */
  readonly planted: boolean
  /** The one planted bug to find; undefined: all of them. */
  readonly bug: string | undefined
  readonly verbose: boolean
  readonly help: boolean
}

/** What `--help` prints. */
export const usage = `Usage: npm run torture -- [options]

  --duration TIME    how long to write and to strike, like 60s, 10m, 1h. Default: 60s
  --seed N           makes the same decisions again. Default: a new one, which is printed
  --server VERSION   the server's major version, 14 to 18. Default: 17
  --fault KIND       only faults of this kind; may be given several times
  --planted          tortures copies of the sources in which a bug is planted: each must be found
  --bug NAME         with --planted: only this one
  --verbose          what the followers say, too

Exit code 1 when something was lost or repeated, or another check failed.
`

/** @throws {UsageError} */
export function readTortureArguments(argv: readonly string[], kinds: readonly string[]): TortureArguments {
  const { values } = parse(argv)
  const faults = values.fault ?? []
  const unknown = faults.find((kind) => !kinds.includes(kind))
  if (unknown !== undefined) throw new UsageError(`there is no fault ${unknown}: there are ${kinds.join(', ')}`)
  const server = Number(values.server ?? 17)
  if (!Number.isInteger(server)) throw new UsageError(`--server is a major version, not ${values.server}`)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new UsageError(`--seed is a whole number from 0 to ${2 ** 32 - 1}, not ${values.seed}`)
  }
  return {
    durationMs: readDuration(values.duration ?? '60s'),
    ...{ seed, server, faults },
    planted: values.planted ?? false,
    bug: values.bug,
    verbose: values.verbose ?? false,
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        duration: { type: 'string' },
        seed: { type: 'string' },
        server: { type: 'string' },
        fault: { type: 'string', multiple: true },
        planted: { type: 'boolean' },
        bug: { type: 'string' },
        verbose: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
