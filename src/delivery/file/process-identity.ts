import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Where a process number means something. */
export interface ProcessPlace {
  readonly name: string
  /** Whether no other place has this name. A host's name may be another's, or this one's before it was started again. */
  readonly exact: boolean
}

/**
 * One running kernel and one process namespace. Two containers may both have a process 7, and a machine that was started
 * again has other processes under the old numbers.
 */
export function processPlace(): ProcessPlace {
  try {
    if (process.platform === 'linux') {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      return { name: [boot, readlinkSync('/proc/self/ns/pid'), timeNamespace()].join(' ').trim(), exact: boot !== '' }
    }
    if (process.platform === 'darwin') {
      const boot = execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
      return { name: boot, exact: boot !== '' }
    }
  } catch {
    // a system that does not tell
  }
  return { name: hostname(), exact: false }
}

/** The start of a process is counted from a boot that each time namespace may have at another time (Linux 5.6). */
function timeNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/time')
  } catch {
    return ''
  }
}

/** What {@link processStart} gives where the system does not tell when a process began. */
export const unknownStart = 'unknown'

/**
 * When a process began, in whatever unit the system tells it; undefined when there is no such process. Together with
 * its number it is one process for ever, as a number alone is not: numbers are used again. {@link unknownStart} says that
 * there is one, and not which.
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
    if (process.platform === 'win32') return unknownStart
    // the same text for everybody, whatever language and time zone they live in
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env }).trim() || undefined
  } catch {
    return unknownStart
  }
}

/** Field 22 of /proc/PID/stat. A zombie has ended, only its parent has not yet looked. */
export function linuxStart(stat: string): string | undefined {
  // the second field is the program's name in parentheses, with anything in it
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : (fields[18] ?? unknownStart)
}
