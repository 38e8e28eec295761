import { Worker } from 'node:worker_threads'
import { Board } from './board.ts'
import { processorMs } from './processor-time.ts'
import type { Fault } from './verdict.ts'
import type { Assignment, Report } from './worker.ts'

/** An input that takes longer hangs: so much of the processor, which a busy machine does not make more. */
export const hangMs = 1000
/** One that does nothing and does not end hangs too. */
const idleHangMs = 20 * hangMs
const lookMs = 100
/** A worker that wants more is out of memory. */
const heapMb = 1024

/** How a target is to be tried. */
export interface Task {
  readonly target: string
  readonly seed: string
  readonly corpus: readonly Uint8Array[]
  /** Milliseconds since 1970. */
  readonly endAt: number
  readonly mostInputs: number
}

/** What came of it. */
export interface Tally {
  readonly inputs: number
  readonly kept: number
  /** Characters of code that were run. */
  readonly covered: number
  readonly faults: number
}

/** Told while it goes on. */
export interface Watcher {
  onProgress(tally: Tally): void
  onKept(input: Uint8Array): void
  onFault(fault: Fault, input: Uint8Array): void
}

/**
 * Tries a target in a worker, and watches it: an input on which it hangs, or dies, is known from the board. Then, and
 * when a worker is tired, another one goes on with all that was kept.
 */
export async function supervise(task: Task, watcher: Watcher): Promise<Tally> {
  const kept: Uint8Array[] = []
  const known = new Set<string>()
  let before: Tally = { inputs: 0, kept: 0, covered: 0, faults: 0 }
  for (let generation = 0; ; generation++) {
    let tally = before
    const fault = (found: Fault, input: Uint8Array) => {
      const key = `${found.kind} ${found.message}`
      if (known.has(key)) return
      known.add(key)
      tally = { ...tally, faults: tally.faults + 1 }
      watcher.onFault(found, input)
    }
    const assignment: Omit<Assignment, 'memory'> = {
      ...task,
      // another worker goes on elsewhere: the same seed would lead to the same end
      seed: generation === 0 ? task.seed : `${task.seed}.${generation}`,
      corpus: [...task.corpus, ...kept],
      mostInputs: task.mostInputs - before.inputs,
      onlyCorpus: false,
    }
    const end = await run(assignment, (report) => {
      switch (report.kind) {
        case 'kept':
          kept.push(report.input)
          watcher.onKept(report.input)
          break
        case 'fault':
          fault(report.fault, report.input)
          break
        case 'progress': {
          const { inputs, kept, covered } = report
          tally = { ...tally, inputs: before.inputs + inputs, kept, covered: Math.max(covered, before.covered) }
          watcher.onProgress(tally)
          break
        }
        case 'ended':
          break
        default:
          report satisfies never
      }
    })
    if (end.why === 'hung' || end.why === 'died') {
      // memory may have been full of what came before: it has to happen again, to this input alone
      const again = await run({ ...assignment, corpus: [end.input], onlyCorpus: true }, () => {})
      if (again.why === end.why) fault({ kind: end.why, message: end.message }, end.input)
      before = { ...tally, inputs: tally.inputs + 1 }
    } else {
      before = tally
    }
    if (end.why === 'done' || Date.now() >= task.endAt || before.inputs >= task.mostInputs) return before
  }
}

type End =
  | { readonly why: 'done' | 'tired' }
  | { readonly why: 'hung' | 'died'; readonly input: Uint8Array; readonly message: string }

async function run(assignment: Omit<Assignment, 'memory'>, hear: (report: Report) => void): Promise<End> {
  const board = new Board()
  // the name as it is once compiled: a worker is started by a path, which no compiler changes
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { ...assignment, memory: board.memory } satisfies Assignment,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
  let end: End | undefined
  let running: number | undefined
  let sinceMs = performance.now()
  let sinceProcessorMs = processorMs()
  const look = setInterval(() => {
    const now = board.running
    if (now === undefined || now !== running) {
      running = now
      sinceMs = performance.now()
      sinceProcessorMs = processorMs()
      return
    }
    if (end !== undefined) return
    if (processorMs() - sinceProcessorMs > hangMs || performance.now() - sinceMs > idleHangMs) {
      end = { why: 'hung', input: board.input, message: `it takes longer than ${hangMs} ms` }
      void worker.terminate()
    }
  }, lookMs)
  return await new Promise((resolve) => {
    worker.on('message', (report: Report) => {
      if (report.kind === 'ended') end ??= { why: report.why }
      else hear(report)
    })
    worker.on('error', (error) => {
      end ??= { why: 'died', input: board.input, message: `the worker ended with ${error}` }
    })
    worker.on('exit', (code) => {
      clearInterval(look)
      resolve(end ?? { why: 'died', input: board.input, message: `the worker ended with code ${code}` })
    })
  })
}
