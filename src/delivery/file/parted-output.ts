import { dirname, join } from 'node:path'
import type { Disk } from './disk.ts'
import { type Output, outputFailed } from './output.ts'
import { partNumber, partPath } from './parts.ts'
import { completeInMs, type RotatePolicy } from './rotate-policy.ts'

/** How far an output goes: into which part, and how many bytes of that. */
export interface Extent {
  /** 0 is the output's own file: see {@link partPath}. */
  readonly part: number
  /** When the part's first line was written, where that matters. */
  readonly begun: string | undefined
  readonly length: number
}

/** What a {@link PartedOutput} is made of. */
export interface PartedOutputOptions {
  readonly disk: Disk
  /** Undefined for an output without one, such as stdout. */
  readonly path: string | undefined
  /** Opens a file. @param beginAt the length to cut it back to; undefined where no checkpoint says one */
  readonly open: (path: string | undefined, beginAt: number | undefined) => Output
  /** Undefined: one file, which is never complete. */
  readonly rotate: RotatePolicy | undefined
  readonly now: () => number
}

/** An output in parts, of which the last is written; without a policy it is one file for ever. */
export class PartedOutput {
  readonly #options: PartedOutputOptions
  #file: Output
  #part: number
  #begunMs: number | undefined
  #isCutBack: boolean
  #isClosed = false

  /** @param begin what is kept of it: the rest is cut off, and later parts removed, with the first use */
  constructor(options: PartedOutputOptions, begin: Extent | undefined) {
    const { path, open, rotate, now } = options
    this.#options = options
    this.#part = begin?.part ?? 0
    if (rotate !== undefined && begin !== undefined && begin.length > 0) {
      this.#begunMs = begin.begun === undefined ? now() : Date.parse(begin.begun)
    }
    this.#isCutBack = rotate === undefined
    this.#file = open(path && partPath(path, this.#part), begin?.length)
  }

  /** Up to the end of the last write that resolved. */
  get extent(): Extent {
    const begun = this.#begunMs === undefined ? undefined : new Date(this.#begunMs).toISOString()
    return { part: this.#part, begun, length: this.#file.length }
  }

  /** Where the next part begins. */
  get next(): Extent {
    return { part: this.#part + 1, begun: undefined, length: 0 }
  }

  /** How long until the part is complete, if nothing more comes. */
  get completeInMs(): number {
    const { rotate, now } = this.#options
    if (rotate === undefined) return Number.POSITIVE_INFINITY
    return completeInMs(rotate, { length: this.#file.length, begunMs: this.#begunMs }, now())
  }

  async write(lines: Iterable<string>): Promise<void> {
    await this.#cutBack()
    const { rotate, now } = this.#options
    const atMs = now()
    await this.#file.write(lines)
    if (rotate !== undefined && this.#file.length > 0) this.#begunMs ??= atMs
  }

  async sync(): Promise<void> {
    await this.#cutBack()
    await this.#file.sync()
  }

  /** Begins the next part. The one before must be durable, and a checkpoint name the next: from here on it is never touched. */
  async beginNext(): Promise<void> {
    const { path, open } = this.#options
    await this.#file.close()
    this.#part++
    this.#begunMs = undefined
    this.#file = open(path && partPath(path, this.#part), 0)
    if (this.#isClosed) await this.#file.close()
    // that it is there says that the one before is complete
    await this.#file.sync()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#file.close()
  }

  /** Parts that the checkpoint knows nothing of: an older one was put back. */
  async #cutBack(): Promise<void> {
    const { disk, path } = this.#options
    if (this.#isCutBack || path === undefined) return
    try {
      const later = (await partsOf(disk, path)).filter((part) => part > this.#part)
      for (const part of later.toReversed()) await disk.remove(partPath(path, part))
      if (later.length > 0) await disk.syncFolderOf(path)
    } catch (cause) {
      throw outputFailed(path, cause)
    }
    this.#isCutBack = true
  }
}

/** The numbers of the parts that are there, in ascending order. */
export async function partsOf(disk: Disk, path: string): Promise<number[]> {
  const folder = dirname(path)
  const parts = (await disk.list(folder)).map((name) => partNumber(path, join(folder, name)))
  return parts.filter((part) => part !== undefined).sort((a, b) => a - b)
}
