import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { Board } from './board.ts'
import { Coverage } from './coverage.ts'
import { Engine } from './engine.ts'
import type { Fault } from './verdict.ts'

/** What a worker is told. */
export interface Assignment {
  readonly target: string
  readonly seed: string
  readonly memory: SharedArrayBuffer
  readonly corpus: readonly Uint8Array[]
  /** Milliseconds since 1970. */
  readonly endAt: number
  readonly mostInputs: number
  /** Try the corpus alone. */
  readonly onlyCorpus: boolean
}

/** What a worker says. */
export type Report =
  | { readonly kind: 'kept'; readonly input: Uint8Array }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly input: Uint8Array }
  | { readonly kind: 'progress'; readonly inputs: number; readonly kept: number; readonly covered: number }
  /** `tired`: the precise counters keep every function that was ever made, and memory is nearly full of them. */
  | { readonly kind: 'ended'; readonly why: 'done' | 'tired' }

const tiredHeapBytes = 300 << 20
const progressMs = 500

/** In a module: what the worker thread does. */
async function work(assignment: Assignment, say: (report: Report) => void): Promise<void> {
  const { target: name, seed, memory, corpus, endAt, mostInputs, onlyCorpus } = assignment
  // most inputs fail, and the place of the failure is all that is ever looked at
  Error.stackTraceLimit = 4
  const sources = new URL('../src/', import.meta.url).href
  const coverage = new Coverage((url) => url.startsWith(sources))
  // after that: what was compiled before has counters for whole functions only
  const { allTargets } = await import('./all-targets.ts')
  const target = allTargets.find((candidate) => candidate.name === name)
  if (target === undefined) throw new Error(`there is no target ${name}`)
  const engine = new Engine({
    target: onlyCorpus ? { ...target, seeds: () => [] } : target,
    seed,
    board: new Board(memory),
    coverage,
    corpus,
    onKept: (input) => say({ kind: 'kept', input }),
    onFault: (fault, input) => say({ kind: 'fault', fault, input }),
  })
  let saidAt = 0
  let isTired = false
  const progress = () => say({ kind: 'progress', inputs: engine.inputs, kept: engine.kept, covered: coverage.size })
  await engine.run(() => {
    if (onlyCorpus) return true
    const now = Date.now()
    if (now - saidAt >= progressMs) {
      saidAt = now
      progress()
      isTired = getHeapStatistics().used_heap_size > tiredHeapBytes
    }
    return now >= endAt || engine.inputs >= mostInputs || isTired
  })
  progress()
  say({ kind: 'ended', why: isTired ? 'tired' : 'done' })
}

if (parentPort !== null) {
  const port = parentPort
  const assignment: Assignment = workerData
  await work(assignment, (report) => port.postMessage(report))
}
