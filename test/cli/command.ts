import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { waitUntil } from '../server/index.ts'

/** The built command, which `npm test` builds first; WALWIRE_TEST_COMMAND is another one, an installed package's for one. */
export const commandPath =
  process.env.WALWIRE_TEST_COMMAND ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** How a run ended, and what it said. */
export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A run of the command that goes on. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly stdout: string
  readonly stderr: string
  /** Resolves when stderr has this text. */
  says(text: string | RegExp): Promise<void>
  /** Resolves when stdout has a line of which this is true; a line that is still being written does not count. */
  prints(what: string, condition: (line: JsonLine) => boolean): Promise<void>
  signal(name: NodeJS.Signals): void
  readonly finished: Promise<Finished>
}

/** What the lines of `--format jsonl` may have; which of it depends on the kind. */
export interface JsonLine {
  readonly kind: string
  readonly lsn?: string
  readonly xid?: number
  readonly seq?: number
  readonly commitLsn?: string
  readonly endLsn?: string
  readonly commitTime?: string
  readonly schema?: string
  readonly table?: string
  readonly new?: Record<string, unknown>
  readonly old?: Record<string, unknown>
  readonly key?: Record<string, unknown>
  readonly unchanged?: readonly string[]
  readonly mode?: string
  readonly rows?: number
  readonly tables?: readonly { readonly schema: string; readonly table: string }[]
}

/** Reads JSON lines; half a line at the end is left out. */
export function jsonLines(text: string): JsonLine[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): JsonLine => JSON.parse(line))
}

/** The environment of a run: this one, without what would name a server. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
}

/** What a run is started with, laid over what is usual. */
export interface StartOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'stdio'> {
  /** What Node runs; the command, unless something stands in for it. */
  readonly script?: string
  /** Another Node than the one that runs the tests. */
  readonly node?: string
}

/** Starts the command. */
export function start(
  argv: readonly string[],
  { script = commandPath, node = process.execPath, ...options }: StartOptions = {},
): Running {
  const child = spawn(node, [script, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
    env: { ...cleanEnvironment(), ...options.env },
  })
  const written = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text
  })
  const finished = once(child, 'close').then(
    ([code, signal]: (number | NodeJS.Signals | null)[]): Finished => ({
      code: typeof code === 'number' ? code : null,
      signal: typeof signal === 'string' ? signal : null,
      ...written,
    }),
  )
  let over = false
  void finished.then(() => {
    over = true
  })
  const met = async (what: string, condition: () => boolean) => {
    await waitUntil(what, () => {
      if (condition()) return true
      if (over) throw new Error(`walwire ended before ${what}; it said:\n${written.stderr}`)
      return false
    })
  }
  return {
    child,
    finished,
    get stdout() {
      return written.stdout
    },
    get stderr() {
      return written.stderr
    },
    says: (text) =>
      met(`stderr has ${text}`, () =>
        typeof text === 'string' ? written.stderr.includes(text) : text.test(written.stderr),
      ),
    prints: (what, condition) => met(`stdout has ${what}`, () => jsonLines(written.stdout).some(condition)),
    signal: (name) => void child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await finished
    },
  }
}

/** Runs the command to its end. */
export async function run(argv: readonly string[], options?: StartOptions): Promise<Finished> {
  return await start(argv, options).finished
}
