import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Follower } from './follower.ts'
import { publication, slot } from './shop.ts'

/** What a deployment is made of. */
export interface DeploymentParts {
  /** For the files of its processes, and what they write. */
  readonly folder: string
  readonly command: string
  /** The address that it is given. */
  readonly url: string
  readonly database: string
  readonly onSaid: (text: string) => void
}

/** Where the stored position is. */
export interface Stored {
  readonly phase: string
  readonly lsn: string
}

const stopMs = 15_000
const refusalMs = 20_000
/**
 * Begun anew by whoever runs it: a copy that was truncated or altered under it too often, as it says itself, and one that
 * found the one before it still there.
 */
const mayBeginAgain = ['[snapshot_unstable]', '[checkpoint_locked]']

/** One follower after the other over the same slot, checkpoint and output, as whoever runs it would have it. */
export class Deployment {
  readonly checkpoint: string
  readonly output: string
  readonly database: string
  /** What no follower should have done. */
  readonly problems: string[] = []
  readonly #parts: DeploymentParts
  readonly #followers = new Set<Follower>()
  #current: Follower | undefined
  #count = 0
  #isOver = false
  #hopeless = false

  constructor(parts: DeploymentParts) {
    this.#parts = parts
    this.database = parts.database
    this.checkpoint = join(parts.folder, 'checkpoint')
    this.output = join(parts.folder, 'output')
  }

  /** Whether a follower said that it cannot go on without loss. */
  get isHopeless(): boolean {
    return this.#hopeless
  }

  /** What the last followers said. */
  get said(): string {
    return [...this.#followers].map(({ pid, said }) => `follower ${pid}:\n${said}`).join('\n')
  }

  /** What is stored; undefined where nothing is. */
  async stored(): Promise<Stored | undefined> {
    const text = await readFile(this.checkpoint, 'utf8').catch(() => undefined)
    return text === undefined ? undefined : JSON.parse(text).position
  }

  async start(): Promise<void> {
    this.#current = await this.#start(['--wait'])
  }

  /** Kills the current one. */
  async killed(): Promise<void> {
    await this.#current?.kill()
  }

  /** Sends the current one a signal. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#current?.signal(name)
  }

  /** Another one takes the place of the current one, and is started before that ends. */
  async roll(how: 'SIGTERM' | 'SIGKILL', overlapMs: number): Promise<void> {
    const former = this.#current
    await this.start()
    await delay(overlapMs)
    if (former === undefined) return
    if (how === 'SIGKILL') await former.kill()
    else await this.#stopped(former)
  }

  /** A second one with the same files, which does not wait, is refused. */
  async refuseSecond(): Promise<void> {
    await this.#refused([], '[checkpoint_locked]')
  }

  /** One that knows nothing of the checkpoint is refused, and leaves the slot as it is. */
  async refuseStranger(): Promise<void> {
    const output = `${this.output}.stranger`
    await this.#refused(['--output', output], '[slot_exists]', this.#common)
    await rm(output, { force: true })
  }

  /** Ends the current one in order. */
  async stop(): Promise<void> {
    this.#isOver = true
    if (this.#current !== undefined) await this.#stopped(this.#current)
  }

  /** Ends whatever runs, at once. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all([...this.#followers].map((follower) => follower.kill()))
  }

  get #common(): string[] {
    return [this.#parts.url, '--publication', publication, '--slot', slot, '--values', 'text']
  }

  get #argv(): string[] {
    const patience = ['--reconnect-min', '50ms', '--reconnect-max', '1s']
    return [...this.#common, ...patience, '--checkpoint', this.checkpoint, '--output', this.output]
  }

  async #start(more: readonly string[], argv = this.#argv): Promise<Follower> {
    const { folder, command, onSaid } = this.#parts
    const place = { folder: join(folder, `follower-${++this.#count}`), command, onSaid }
    const follower = await Follower.start([...argv, ...more], place)
    this.#followers.add(follower)
    void follower.ended.then(({ code, signal }) => this.#onEnd(follower, code ?? `by ${signal}`))
    return follower
  }

  async #onEnd(follower: Follower, how: number | string): Promise<void> {
    if (!follower.wanted) {
      const again = mayBeginAgain.some((text) => follower.said.includes(text))
      if (!again) this.problems.push(`a follower ended by itself, ${how}: ${follower.said.slice(-1500)}`)
      if (how === 3) this.#hopeless = true
      if (follower === this.#current && !this.#isOver && !this.#hopeless) await this.start()
    }
    this.#followers.delete(follower)
  }

  async #stopped(follower: Follower): Promise<void> {
    follower.wanted = true
    follower.signal('SIGTERM')
    const ended = await follower.endedWithin(stopMs)
    // one that has only just been started does not know of signals yet, and has done nothing
    if (ended?.code === 0 || (ended?.signal === 'SIGTERM' && follower.said === '')) return
    const how = ended === undefined ? `did not end within ${stopMs} ms` : `ended with ${ended.code ?? ended.signal}`
    this.problems.push(`a follower that was told to stop ${how}: ${follower.said.slice(-1500)}`)
    await follower.kill()
  }

  async #refused(more: readonly string[], code: string, argv?: string[]): Promise<void> {
    const follower = await this.#start(more, argv)
    follower.wanted = true
    const ended = await follower.endedWithin(refusalMs)
    if (ended === undefined) {
      this.problems.push(`a follower that should be refused with ${code} goes on: ${follower.said.slice(-1500)}`)
      await follower.kill()
    } else if (ended.code === 0 || !follower.said.includes(code)) {
      this.problems.push(`a follower was not refused with ${code}: exit ${ended.code}, ${follower.said.slice(-1500)}`)
    }
  }
}
