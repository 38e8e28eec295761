import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Where a process number means something: one running kernel and one process namespace. Two containers may both have a
 * process 7, and a machine that was started again has other processes under the old numbers.
 */
export function processPlace(): string {
  if (process.platform !== 'linux') return hostname()
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

/**
 * When a process began, in whatever unit the system tells it; undefined when there is no such process. Together with
 * its number it is one process for ever, as a number alone is not: numbers are used again.
 */
export function processStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // a process of another user is there all the same
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return undefined
  }
  try {
    if (process.platform === 'linux') return linuxStart(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (process.platform === 'win32') return 'unknown'
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return 'unknown'
  }
}

/** Field 22 of /proc/PID/stat. A zombie has ended, only its parent has not yet looked. */
export function linuxStart(stat: string): string | undefined {
  // the second field is the program's name in parentheses, with anything in it
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : (fields[18] ?? 'unknown')
}
