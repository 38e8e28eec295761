import { fileURLToPath } from 'node:url'
import { UsageError } from '../../fuzz/usage.ts'
import { faults } from './faults.ts'
import { plant, plantedBugs } from './planted.ts'
import { type TortureResult, torture } from './torture.ts'
import { readTortureArguments, type TortureArguments, usage } from './torture-arguments.ts'

const sources = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** A planted bug is looked for in runs of this length, */
const plantedRunMs = 20_000
/** and so many of them. */
const plantedRuns = 3

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
  return parsed.planted ? await findPlanted(parsed, stop.signal) : await tortureSources(parsed, stop.signal)
}

async function tortureSources(parsed: TortureArguments, signal: AbortSignal): Promise<number> {
  const { seed, durationMs, server: version, faults: kinds, verbose } = parsed
  const begun = performance.now()
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1).padStart(6)
  const say = (text: string) => process.stdout.write(`${seconds()} ${text}\n`)
  say(`seed ${seed}, PostgreSQL ${version}`)
  const onSaid = (text: string) => {
    if (verbose) process.stdout.write(text)
  }
  const result = await torture({
    seed,
    durationMs,
    version,
    kinds,
    signal,
    command: sources,
    say,
    onSaid,
    hasty: false,
  })
  report(seed, result)
  return isGood(result) ? 0 : 1
}

/** Tortures copies of the sources with a bug in each. @returns 0 when each was found */
async function findPlanted(parsed: TortureArguments, signal: AbortSignal): Promise<number> {
  const bugs = (await plantedBugs()).filter((patch) => patch.startsWith(parsed.bug ?? ''))
  let found = 0
  for (const patch of bugs) {
    const problem = await find(patch, parsed, signal)
    if (problem !== undefined) found++
    process.stdout.write(`${patch}: ${problem ?? 'NOT FOUND'}\n`)
  }
  process.stdout.write(`${bugs.length} planted, ${found} found\n`)
  return bugs.length > 0 && found === bugs.length ? 0 : 1
}

/** @returns the first that was seen of the bug, or undefined */
async function find(patch: string, parsed: TortureArguments, signal: AbortSignal): Promise<string | undefined> {
  const { seed, server: version, faults: kinds } = parsed
  await using planted = await plant(patch)
  const command = await planted.build()
  for (let run = 0; run < plantedRuns && !signal.aborted; run++) {
    const quiet = { say: () => {}, onSaid: () => {}, hasty: true }
    const result = await torture({
      ...quiet,
      seed: seed + run,
      durationMs: plantedRunMs,
      version,
      kinds,
      signal,
      command,
    })
    const { lost, repeated, problems } = result
    if (isGood(result) || signal.aborted) continue
    const [first = ''] = problems
    return `found in run ${run + 1}, ${lost} lost, ${repeated} repeated: ${first.slice(0, 200).replaceAll('\n', ' ')}`
  }
  return undefined
}

function isGood({ lost, repeated, problems }: TortureResult): boolean {
  return lost === 0 && repeated === 0 && problems.length === 0
}

function report(seed: number, { events, commits, faults, lost, repeated, problems }: TortureResult): void {
  for (const problem of problems) process.stdout.write(`PROBLEM ${problem}\n`)
  for (const [kind, count] of Object.entries(faults).sort()) {
    process.stdout.write(`${String(count).padStart(5)} ${kind}\n`)
  }
  process.stdout.write(`${String(commits).padStart(5)} transactions\n`)
  const struck = Object.values(faults).reduce((sum, count) => sum + count, 0)
  process.stdout.write(`seed ${seed}: ${events} events, ${struck} faults, ${lost} lost, ${repeated} repeated\n`)
}
