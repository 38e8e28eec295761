import { type ExecFileOptions, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)

/**
 * Ends what runs in a folder, and removes the folder, when the process that holds the other end of its stdin is gone,
 * however it went: also by SIGKILL. A text, so that it is part of the built package as it is.
 */
const script = `
folder=$1
cat >/dev/null

# A process that has ended stays a zombie where no init reaps it.
runs() {
  kill -0 "$1" 2>/dev/null || return 1
  case $(cat "/proc/$1/stat" 2>/dev/null) in *') Z '*) return 1 ;; esac
}

# Renamed first: a server that is just being started writes its pid into the old folder, fails there, and does not run.
mv "$folder" "$folder.gone" || exit 0
pid=$(cat "$folder.gone/pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  turns=0
  while runs "$pid"; do
    turns=$((turns + 1))
    [ "$turns" -eq 200 ] && kill -KILL "$pid"
    [ "$turns" -eq 240 ] && break
    sleep 0.05
  done
fi
# What was being written when the process was killed may still be on its way.
for turn in 1 2 3 4 5; do
  rm -rf "$folder.gone" && break
  sleep 0.5
done
`

/** A watchdog over one folder. */
export interface Watchdog {
  /** Makes it do its work now, and resolves when that is done. */
  end(): Promise<void>
}

/**
 * Starts a watchdog over a folder, which is to be made only then: killed between the two, a process would leave it. The
 * watchdog does not keep this process alive.
 */
export function startWatchdog(folder: string): Watchdog {
  // Detached: Ctrl-C reaches the whole process group, and is no reason for it to go before us.
  const watchdog = spawn('/bin/sh', ['-c', script, 'walwire-watchdog', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.unref()
  return {
    async end() {
      if (watchdog.exitCode !== null || watchdog.signalCode !== null) return
      watchdog.ref()
      watchdog.stdin.end()
      await once(watchdog, 'exit')
    },
  }
}

/**
 * The command, run by a shell that leaves its pid, which becomes the command's, for the watchdog of this folder. Where
 * the watchdog was faster and renamed the folder, it fails and the command does not run.
 */
export function recordingPid(folder: string, command: readonly string[]): [shell: string, args: string[]] {
  return ['/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', pidFile(folder), ...command]]
}

/** Says that what {@link recordingPid} ran has ended: another process may get its pid, which the watchdog would then end. */
export function forgetPid(folder: string): void {
  rmSync(pidFile(folder), { force: true })
}

/** Runs a command to its end, which the watchdog brings about where this process does not live to see it. */
export async function runWatched(
  folder: string,
  command: readonly string[],
  options: Pick<ExecFileOptions, 'cwd' | 'env' | 'uid' | 'gid' | 'signal'> = {},
): Promise<void> {
  const [shell, args] = recordingPid(folder, command)
  await execFileAsync(shell, args, options)
  forgetPid(folder)
}

function pidFile(folder: string): string {
  return join(folder, 'pid')
}
