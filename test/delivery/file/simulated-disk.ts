import { basename, dirname } from 'node:path'
import type { Disk } from '../../../src/delivery/file/disk.ts'
import type { WritableFile } from '../../../src/delivery/file/writable-file.ts'

/** The process is gone: nothing that it still does reaches the disk. */
export class Crash extends Error {
  override readonly name = 'Crash'
}

type Change = { readonly truncate: number } | { readonly append: Uint8Array }

/** A file's content as programs see it, and what of that would survive a loss of power. */
class SimulatedFile {
  content: Uint8Array = new Uint8Array()
  durable: Uint8Array = new Uint8Array()
  unsynced: Change[] = []

  change(change: Change): void {
    this.content = apply(this.content, change)
    this.unsynced.push(change)
  }
}

function apply(content: Uint8Array, change: Change): Uint8Array {
  if ('truncate' in change) return content.slice(0, change.truncate)
  return Buffer.concat([content, change.append])
}

/**
 * A disk on which the process can be killed before each step or in the middle of a write, and the power can fail: then
 * of what was not synced only some prefix survives, of each file's content and of the names in the folder.
 */
export class SimulatedDisk implements Disk {
  #names = new Map<string, SimulatedFile>()
  #durableNames = new Map<string, SimulatedFile>()
  #unsyncedNames: { readonly folder: string; readonly change: (names: Map<string, SimulatedFile>) => void }[] = []
  #stepsLeft = Number.POSITIVE_INFINITY
  #crashed = false
  #full = { from: Number.POSITIVE_INFINITY, to: 0 }
  /** How many steps were taken since the start. */
  steps = 0

  /** The process will be gone before its step of this number, counted from 0. */
  crashAt(step: number): void {
    this.#stepsLeft = step
  }

  /** From its step of this number on, counted from 0, the disk is full for so many of them. */
  fullAt(step: number, steps: number): void {
    this.#full = { from: step, to: step + steps }
  }

  /** The process is started again. After a loss of power, `survives` says how much of the unsynced is there: of n, 0 to n. */
  restart(power: 'kept' | 'lost', survives: (n: number) => number = () => 0): void {
    this.#crashed = false
    this.#stepsLeft = Number.POSITIVE_INFINITY
    if (power === 'kept') return
    for (const { change } of this.#unsyncedNames.slice(0, survives(this.#unsyncedNames.length))) {
      change(this.#durableNames)
    }
    this.#unsyncedNames = []
    for (const file of new Set([...this.#names.values(), ...this.#durableNames.values()])) {
      for (const change of file.unsynced.slice(0, survives(file.unsynced.length))) {
        const part = 'append' in change ? { append: change.append.subarray(0, survives(change.append.length)) } : change
        file.durable = apply(file.durable, part)
      }
      file.content = file.durable
      file.unsynced = []
    }
    this.#names = new Map(this.#durableNames)
  }

  /** The paths of all files, in alphabetical order. */
  get paths(): string[] {
    return [...this.#names.keys()].sort()
  }

  text(path: string): string | undefined {
    const file = this.#names.get(path)
    return file && Buffer.from(file.content).toString()
  }

  async read(path: string): Promise<string | undefined> {
    this.#step()
    return this.text(path)
  }

  async size(path: string): Promise<number | undefined> {
    this.#step()
    return this.#names.get(path)?.content.length
  }

  async list(folder: string): Promise<readonly string[]> {
    this.#step()
    return [...this.#names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path))
  }

  async lastByte(path: string): Promise<number | undefined> {
    this.#step()
    return this.#names.get(path)?.content.at(-1)
  }

  async append(path: string): Promise<WritableFile> {
    this.#step()
    return this.#open(path)
  }

  async replace(path: string): Promise<WritableFile> {
    this.#step()
    this.#named(path).change({ truncate: 0 })
    return this.#open(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step()
    this.#rename(from, (names) => {
      const file = names.get(from)
      if (file) names.set(to, file)
      names.delete(from)
    })
  }

  async remove(path: string): Promise<void> {
    this.#step()
    this.#rename(path, (names) => names.delete(path))
  }

  async syncFolderOf(path: string): Promise<void> {
    this.#step()
    const synced = this.#unsyncedNames.filter(({ folder }) => folder === dirname(path))
    for (const { change } of synced) change(this.#durableNames)
    this.#unsyncedNames = this.#unsyncedNames.filter((one) => !synced.includes(one))
  }

  #open(path: string): WritableFile {
    const file = this.#named(path)
    return {
      regular: true,
      write: async (bytes) => {
        // killed inside the write, or no room for more: half of it is there
        if ((this.#stepsLeft === 0 && !this.#crashed) || this.#isFull)
          file.change({ append: bytes.slice(0, bytes.length >> 1) })
        this.#step()
        file.change({ append: bytes.slice() })
      },
      sync: async () => {
        this.#step()
        file.durable = file.content
        file.unsynced = []
      },
      size: async () => {
        this.#step()
        return file.content.length
      },
      isAt: async (path) => {
        this.#step()
        return this.#names.get(path) === file
      },
      truncate: async (length) => {
        this.#step()
        file.change({ truncate: length })
      },
      close: async () => {},
    }
  }

  #named(path: string): SimulatedFile {
    const found = this.#names.get(path)
    if (found) return found
    const made = new SimulatedFile()
    this.#rename(path, (names) => names.set(path, made))
    return made
  }

  #rename(path: string, change: (names: Map<string, SimulatedFile>) => void): void {
    change(this.#names)
    this.#unsyncedNames.push({ folder: dirname(path), change })
  }

  get #isFull(): boolean {
    return this.steps >= this.#full.from && this.steps < this.#full.to
  }

  #step(): void {
    if (this.#stepsLeft === 0) this.#crashed = true
    if (this.#crashed) throw new Crash()
    const isFull = this.#isFull
    this.#stepsLeft--
    this.steps++
    if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
}
