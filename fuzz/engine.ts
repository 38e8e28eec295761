import { performance } from 'node:perf_hooks'
import { allocatedBytes, collectGarbage } from './allocation.ts'
import type { Board } from './board.ts'
import type { Coverage } from './coverage.ts'
import { repeatPiece, superlinear } from './growth.ts'
import { mutateBytes } from './mutate.ts'
import { Random } from './random.ts'
import { shrink } from './shrink.ts'
import { allocationFloor, type Target } from './target.ts'
import { type Fault, judge, signature, type Verdict } from './verdict.ts'

const defaultBatchInputs = 64
/** A look at how time grows takes as long as hundreds of inputs. */
const batchesToGrowth = 8
/** New outcomes are worth keeping an input for, until there are so many that they say nothing. */
const mostOutcomes = 1000
const shrinkMs = 2000
const defaultLongestInput = 4096
const encoder = new TextEncoder()

/** What an {@link Engine} works with. */
export interface EngineParts {
  readonly target: Target
  readonly seed: string
  readonly board: Board
  /** Undefined where the counters are not to be touched: inputs are then kept for their outcome alone. */
  readonly coverage: Coverage | undefined
  /** What was kept by runs before, and what lies in fuzz/corpus. */
  readonly corpus: readonly Uint8Array[]
  /** An input reached something new. */
  readonly onKept: (input: Uint8Array) => void
  /** A bug, with the smallest input that was found for it; each once. */
  readonly onFault: (fault: Fault, input: Uint8Array) => void
}

/**
 * Tries a target on one input after the other: those of the corpus, and then mutations of those and of whatever reached
 * code or an outcome that none before it had.
 */
export class Engine {
  /** Inputs tried. */
  inputs = 0
  readonly #parts: EngineParts
  readonly #random: Random
  readonly #corpus: Uint8Array[] = []
  readonly #outcomes = new Set<string>()
  readonly #faults = new Set<string>()
  readonly #words: readonly Uint8Array[]

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#random = new Random(parts.seed)
    this.#words = (parts.target.words ?? []).map((word) => (typeof word === 'string' ? encoder.encode(word) : word))
  }

  /** Inputs that are mutated. */
  get kept(): number {
    return this.#corpus.length
  }

  /** Runs until told that it is enough, which is asked after each batch. The seeds are all tried before. */
  async run(isEnough: () => boolean): Promise<void> {
    const { target, corpus } = this.#parts
    this.#parts.coverage?.look()
    for (const seed of [...target.seeds(), ...corpus]) {
      await this.#tryReporting(seed)
      if (seed.length <= this.#longestInput) this.#corpus.push(seed)
    }
    if (this.#corpus.length === 0) this.#corpus.push(new Uint8Array(0))
    if (this.#parts.coverage?.look()) this.#parts.coverage.keep()
    for (let batches = 1; !isEnough(); batches++) {
      await this.#batch()
      if (batches % batchesToGrowth === 0) await this.#checkGrowth(this.#random.pick(this.#corpus))
    }
  }

  /** Tries one input, with everything that is looked at but growth. */
  async try(input: Uint8Array): Promise<Verdict> {
    const before = allocatedBytes()
    const verdict = await this.#once(input)
    const allowed = this.#mayAllocate(input)
    if ('fault' in verdict || allocatedBytes() - before <= allowed) return verdict
    // That may be garbage of the inputs before, which a look at the heap cannot tell from this one's.
    let least = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 3; attempt++) {
      collectGarbage()
      const clean = allocatedBytes()
      await this.#once(input)
      least = Math.min(least, allocatedBytes() - clean)
    }
    if (least <= allowed) return verdict
    const message = `it allocates ${least} bytes for ${input.length}, and may ${allowed}`
    return { fault: { kind: 'allocated', message } }
  }

  get #longestInput(): number {
    return this.#parts.target.longestInput ?? defaultLongestInput
  }

  #mayAllocate(input: Uint8Array): number {
    const { mayAllocate = (bytes: number) => 64 * bytes } = this.#parts.target
    return allocationFloor + mayAllocate(input.length)
  }

  async #batch(): Promise<void> {
    const batch: Uint8Array[] = []
    const { batchInputs = defaultBatchInputs } = this.#parts.target
    for (let index = 0; index < batchInputs; index++) {
      const input = this.#next()
      const verdict = await this.#tryReporting(input)
      batch.push(input)
      if ('fault' in verdict || this.#outcomes.has(verdict.outcome) || this.#outcomes.size >= mostOutcomes) continue
      this.#outcomes.add(verdict.outcome)
      this.#keep(input)
    }
    if (this.#parts.coverage?.look()) await this.#attribute(batch)
  }

  #next(): Uint8Array {
    const random = this.#random
    const { target } = this.#parts
    const longest = this.#longestInput
    // of two, the one that was kept later: what is new has been tried the least
    const count = this.#corpus.length
    const input = this.#corpus[Math.max(random.below(count), random.below(count))]!
    const other = random.pick(this.#corpus)
    if (target.mutate === undefined || random.once(4)) {
      return mutateBytes(input, { random, other, words: this.#words, longest })
    }
    let mutated = input
    for (let left = random.upTo(4); left > 0; left--) mutated = target.mutate(mutated, random, other)
    return mutated.length > longest ? mutated.slice(0, longest) : mutated
  }

  async #tryReporting(input: Uint8Array): Promise<Verdict> {
    this.inputs++
    const verdict = await this.try(input)
    if ('fault' in verdict) await this.#report(verdict.fault, input)
    return verdict
  }

  async #report(fault: Fault, input: Uint8Array): Promise<void> {
    const wanted = signature(fault)
    if (this.#faults.has(wanted)) return
    this.#faults.add(wanted)
    const shows = async (smaller: Uint8Array) => {
      const verdict = await this.try(smaller)
      return 'fault' in verdict && signature(verdict.fault) === wanted
    }
    const smallest = await shrink(input, shows, performance.now() + shrinkMs)
    const verdict = await this.try(smallest)
    this.#parts.onFault('fault' in verdict ? verdict.fault : fault, smallest)
  }

  /** Finds those of a batch that reached something new, by trying its halves again. */
  async #attribute(batch: readonly Uint8Array[]): Promise<void> {
    const { coverage } = this.#parts
    if (coverage === undefined) return
    for (const input of batch) await this.#once(input)
    if (!coverage.look()) return
    const [only] = batch
    if (batch.length === 1 && only !== undefined) {
      coverage.keep()
      this.#keep(only)
      await this.#checkGrowth(only)
      return
    }
    const half = Math.ceil(batch.length / 2)
    await this.#attribute(batch.slice(0, half))
    await this.#attribute(batch.slice(half))
  }

  #keep(input: Uint8Array): void {
    this.#corpus.push(input)
    this.#parts.onKept(input)
  }

  /** Whether time grows as inputs like this one do. */
  async #checkGrowth(input: Uint8Array): Promise<void> {
    const { target } = this.#parts
    const grow = (target.grow ?? repeatPiece)(input, this.#random)
    const found = await superlinear(grow, (grown) => this.#once(grown))
    if (found === undefined) return
    const { ratio, shorterMs, longerMs } = found
    const message = `eight times the input take ${ratio.toFixed(0)} times the time (${shorterMs.toFixed(1)} ms, ${longerMs.toFixed(0)} ms)`
    if (this.#faults.has('quadratic')) return
    this.#faults.add('quadratic')
    this.#parts.onFault({ kind: 'quadratic', message }, found.input)
  }

  /** Tries an input and nothing else; whoever watches the board sees it. */
  async #once(input: Uint8Array): Promise<Verdict> {
    const { board, target } = this.#parts
    board.begin(input)
    try {
      const pending = target.run(input)
      // nearly all targets answer at once, and each await would cost more than they do
      if (pending !== undefined) await pending
      return { outcome: 'a value' }
    } catch (error) {
      return judge(error, input.length, target.hasOffsets !== false)
    } finally {
      board.end()
    }
  }
}
