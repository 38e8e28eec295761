import { parseArgs } from 'node:util'
import { readDuration, UsageError } from './usage.ts'

/** What `npm run fuzz` was asked for. */
export interface FuzzArguments {
  /** Names of targets; none are all of them. */
  readonly targets: readonly string[]
  /** For all targets together. */
  readonly durationMs: number
  /** Inputs of each target, at most. */
  readonly runs: number
  readonly seed: string
  /** A file with the one input to try. */
  readonly input: string | undefined
  readonly list: boolean
  readonly help: boolean
}

/** What `--help` prints. */
export const usage = `Usage: npm run fuzz -- [options]

  --target NAME      what to try: see --list; may be given several times. Default: everything
  --duration TIME    for all targets together, like 60s, 10m, 1h. Default: 60s
  --runs N           at most so many inputs of each target
  --seed S           tries the same inputs again, in the same order. Default: a new one, which is printed
  --input FILE       tries the one input in a file, as a finding was saved
  --list             names the targets

Exit code 1 when something was found. Findings are saved in fuzz/findings.
`

/** @throws {UsageError} */
export function readFuzzArguments(argv: readonly string[], known: readonly string[]): FuzzArguments {
  const { values } = parse(argv)
  const targets = values.target ?? []
  const unknown = targets.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`there is no target ${unknown}: there are ${known.join(', ')}`)
  if (values.input !== undefined && targets.length !== 1) throw new UsageError('--input needs one --target')
  const runs = values.runs === undefined ? Number.POSITIVE_INFINITY : Number(values.runs)
  if (!(runs >= 1)) throw new UsageError(`--runs is a number of inputs, not ${values.runs}`)
  return {
    targets,
    durationMs: readDuration(values.duration ?? (values.runs === undefined ? '60s' : '24h')),
    runs,
    seed: values.seed ?? String(Math.floor(Math.random() * 2 ** 32)),
    input: values.input,
    list: values.list ?? false,
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        target: { type: 'string', multiple: true },
        duration: { type: 'string' },
        runs: { type: 'string' },
        seed: { type: 'string' },
        input: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
