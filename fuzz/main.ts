import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { allTargets } from './all-targets.ts'
import { Board } from './board.ts'
import { regressionsOf, saveFinding } from './corpus.ts'
import { Engine } from './engine.ts'
import { type FuzzArguments, readFuzzArguments, usage } from './fuzz-arguments.ts'
import { supervise, type Tally } from './supervisor.ts'
import type { Target } from './target.ts'
import { UsageError } from './usage.ts'
import type { Fault } from './verdict.ts'

async function main(argv: readonly string[]): Promise<number> {
  let given: FuzzArguments
  try {
    given = readFuzzArguments(
      argv,
      allTargets.map(({ name }) => name),
    )
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 2
  }
  if (given.help) {
    process.stdout.write(usage)
    return 0
  }
  if (given.list) {
    for (const { name, about } of allTargets) process.stdout.write(`${name.padEnd(15)} ${about}\n`)
    return 0
  }
  const chosen = allTargets.filter(({ name }) => given.targets.length === 0 || given.targets.includes(name))
  return given.input === undefined ? await tryAll(chosen, given) : await tryOne(chosen, given.input)
}

async function tryAll(targets: readonly Target[], { seed, durationMs, runs }: FuzzArguments): Promise<number> {
  let inputs = 0
  let found = 0
  const begunAt = Date.now()
  for (const [index, target] of targets.entries()) {
    const begunMs = performance.now()
    // what one target leaves of its time is the next one's
    const left = Math.max(0, begunAt + durationMs - Date.now())
    const tally = await supervise(
      {
        target: target.name,
        seed: `${seed} ${target.name}`,
        corpus: regressionsOf(target.name).map(([, input]) => input),
        endAt: Date.now() + left / (targets.length - index),
        mostInputs: runs,
      },
      {
        onProgress: (tally) => showProgress(target.name, tally),
        onKept: () => {},
        onFault: (fault, input) => report(target.name, fault, input),
      },
    )
    clearProgress()
    inputs += tally.inputs
    found += tally.faults
    const perSecond = Math.round((tally.inputs / (performance.now() - begunMs)) * 1000)
    process.stdout.write(`${target.name.padEnd(15)} ${describe(tally)}, ${perSecond} a second\n`)
  }
  process.stdout.write(`${targets.length} targets, ${inputs} inputs, ${found} findings, seed ${seed}\n`)
  return found === 0 ? 0 : 1
}

async function tryOne(targets: readonly Target[], path: string): Promise<number> {
  const [target] = targets
  if (target === undefined) return 2
  const engine = new Engine({
    target,
    seed: '',
    board: new Board(),
    coverage: undefined,
    corpus: [],
    onKept: () => {},
    onFault: () => {},
  })
  const input = new Uint8Array(readFileSync(path))
  const verdict = await engine.try(input)
  if ('fault' in verdict) {
    const { kind, message, stack } = verdict.fault
    process.stdout.write(`${kind}: ${message}\n${stack ?? ''}\n`)
    return 1
  }
  process.stdout.write(`${verdict.outcome}\n`)
  return 0
}

function report(target: string, fault: Fault, input: Uint8Array): void {
  clearProgress()
  const path = relative(process.cwd(), saveFinding(target, input))
  process.stdout.write(`\n${target}: ${fault.kind}, with ${input.length} bytes: ${fault.message}\n`)
  if (fault.stack !== undefined) process.stdout.write(`${fault.stack}\n`)
  process.stdout.write(`again: npm run fuzz -- --target ${target} --input ${path}\n\n`)
}

function describe({ inputs, kept, covered, faults }: Tally): string {
  return `${inputs} inputs, ${kept} kept, ${covered} characters of code run, ${faults} findings`
}

function showProgress(target: string, tally: Tally): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${target}: ${describe(tally)}`)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

process.exitCode = await main(process.argv.slice(2))
