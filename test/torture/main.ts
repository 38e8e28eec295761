import { fileURLToPath } from 'node:url'
import { faults } from './faults.ts'
import { type TortureResult, torture } from './torture.ts'
import { readTortureArguments, type TortureArguments, UsageError, usage } from './torture-arguments.ts'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** `npm run torture`. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  let parsed: TortureArguments
  try {
    parsed = readTortureArguments(argv, Object.keys(faults))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 2
  }
  if (parsed.help) {
    process.stdout.write(usage)
    return 0
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort())
  const begun = performance.now()
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1).padStart(6)
  const say = (text: string) => process.stdout.write(`${seconds()} ${text}\n`)
  say(`seed ${parsed.seed}, PostgreSQL ${parsed.server}`)
  const result = await torture({
    seed: parsed.seed,
    durationMs: parsed.durationMs,
    version: parsed.server,
    kinds: parsed.faults,
    signal: stop.signal,
    ...{ command, say },
    onSaid: (text) => {
      if (parsed.verbose) process.stdout.write(text)
    },
  })
  report(parsed.seed, result)
  return isGood(result) ? 0 : 1
}

function isGood({ lost, repeated, problems }: TortureResult): boolean {
  return lost === 0 && repeated === 0 && problems.length === 0
}

function report(seed: number, { events, commits, faults, lost, repeated, problems }: TortureResult): void {
  for (const problem of problems) process.stdout.write(`PROBLEM ${problem}\n`)
  for (const [kind, count] of Object.entries(faults).sort())
    process.stdout.write(`${String(count).padStart(5)} ${kind}\n`)
  process.stdout.write(`${String(commits).padStart(5)} transactions\n`)
  const struck = Object.values(faults).reduce((sum, count) => sum + count, 0)
  process.stdout.write(`seed ${seed}: ${events} events, ${struck} faults, ${lost} lost, ${repeated} repeated\n`)
}
