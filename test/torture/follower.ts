import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { recordingPid, startWatchdog, type Watchdog } from '../../src/cli/embedded/watchdog.ts'
import { within } from '../../src/protocol/connection/within.ts'

/** Where processes are made, and told of. */
export interface FollowerPlace {
  /** A folder that does not exist yet; it goes with the process. */
  readonly folder: string
  /** The built command. */
  readonly command: string
  readonly onSaid: (text: string) => void
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** So much of what it says is kept. */
const keptCharacters = 20_000

/** `walwire follow` in a process of its own, which ends with this one, however that ends. */
export class Follower {
  /** Resolves when it has ended. */
  readonly ended: Promise<Ended>
  /** Whether somebody wanted it to end. */
  wanted = false
  readonly #child: ChildProcess
  readonly #watchdog: Watchdog
  #end: Ended | undefined
  #said = ''

  private constructor(child: ChildProcess, watchdog: Watchdog, onSaid: (text: string) => void) {
    this.#child = child
    this.#watchdog = watchdog
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-keptCharacters)
      onSaid(text)
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#end = { code, signal }
        void this.#watchdog.end().then(() => resolve({ code, signal }))
      })
    })
  }

  static async start(argv: readonly string[], { folder, command, onSaid }: FollowerPlace): Promise<Follower> {
    const watchdog = startWatchdog(folder)
    await mkdir(folder)
    const [shell, args] = recordingPid(folder, [process.execPath, command, 'follow', ...argv])
    const child = spawn(shell, args, { stdio: ['ignore', 'ignore', 'pipe'], env: cleanEnvironment() })
    return new Follower(child, watchdog, onSaid)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  /** The end of what it said. */
  get said(): string {
    return this.#said
  }

  signal(name: NodeJS.Signals): void {
    if (!this.hasEnded) this.#child.kill(name)
  }

  /** Resolves when it has ended; undefined where it takes longer. */
  async endedWithin(ms: number): Promise<Ended | undefined> {
    const outcome = await within(this.ended, ms)
    return outcome?.ok ? outcome.value : undefined
  }

  /** Ends it at once, also where it was stopped. */
  async kill(): Promise<void> {
    this.wanted = true
    this.signal('SIGKILL')
    await this.ended
  }
}

/** This one, without what would name a server. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
}
