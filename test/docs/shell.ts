import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { commandPath } from '../cli/command.ts'
import { waitUntil } from '../server/index.ts'
import { findPrinted, withoutPassing } from './printed.ts'

/** Commands of a document in a shell, which have ended or go on. */
export interface Commands {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
  /** What they have said so far, on both streams. */
  readonly said: string
  /** Whether they have ended. */
  readonly over: boolean
  /** Waits until this is said, behind what was found before. */
  print(shown: string): Promise<void>
  /** As a terminal does it: to all of them. */
  interrupt(): void
  kill(): void
}

/**
 * Makes the folder of programs that the shell finds first. `walwire` is the built command, by this name and by `npx`;
 * what `npm` and `npx` would do else is checked and not done.
 */
export function makePrograms(folder: string): string {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const checked = join(import.meta.dirname, 'checked-command.mjs')
  const node = `exec '${process.execPath}'`
  const walwire = `${node} '${commandPath}' "$@"`
  const scripts = {
    walwire,
    npm: `${node} '${checked}' npm '${commandPath}' "$@"`,
    npx: `if [ "$1" = walwire ]; then shift; ${walwire}; fi\n${node} '${checked}' npx '${commandPath}' "$@"`,
  }
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  return bin
}

/** Whether a shell could run these lines, without running them. */
export function isShell(lines: string): boolean {
  return spawnSync('/bin/sh', ['-n', '-c', lines]).status === 0
}

/** Runs lines in a shell that stops at the first that fails. */
export function runInShell(
  lines: string,
  { cwd, bin, env }: { cwd: string; bin: string; env: NodeJS.ProcessEnv },
): Commands {
  const { PATH = '', HOME = '' } = process.env
  // without the trap an interrupted shell dies of the signal, whatever its commands made of it
  const child = spawn('/bin/sh', ['-eu', '-c', `trap : INT\n${lines}`], {
    cwd,
    env: { PATH: `${bin}${delimiter}${PATH}`, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // a group of its own, which a signal reaches as a terminal's would
    detached: true,
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  let over = false
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    over = true
    return code ?? null
  })
  const found = { stdout: 0, stderr: 0 }
  const find = (shown: string): boolean =>
    (['stdout', 'stderr'] as const).some((name) => {
      const end = findPrinted(shown, withoutPassing(said[name]).slice(found[name]))
      if (end !== undefined) found[name] += end
      return end !== undefined
    })
  const signal = (name: NodeJS.Signals) => {
    if (!over && child.pid !== undefined) process.kill(-child.pid, name)
  }
  const all = () => `${said.stdout}${said.stderr}`
  return {
    ended,
    get over() {
      return over
    },
    get said() {
      return all()
    },
    async print(shown) {
      await waitUntil('the output that the document shows', () => {
        if (find(shown)) return true
        if (over) throw new Error(`the commands did not print what the document shows; they printed:\n${all()}`)
        return false
      }).catch((error: Error) => {
        throw new Error(`${error.message}\nprinted so far:\n${all()}`, { cause: error })
      })
    },
    interrupt: () => signal('SIGINT'),
    kill: () => signal('SIGKILL'),
  }
}
