import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What one measured process took. */
export interface Measured {
  readonly seconds: number
  readonly cpuSeconds?: number
  readonly peakMegabytes?: number
  readonly rows?: number
}

/**
 * Runs a process to its end.
 *
 * @param output `report`: it prints JSON of {@link Measured}, taken from within; `ignore`: it writes to /dev/null
 */
export async function measure(
  command: string,
  args: readonly string[],
  output: 'report' | 'ignore',
): Promise<Measured> {
  const begun = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', output === 'report' ? 'pipe' : 'ignore', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk) => {
    out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    err += chunk
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const seconds = (performance.now() - begun) / 1000
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${err}`)
  return output === 'report' ? JSON.parse(out) : { seconds }
}

/** The path of a program, or undefined where it is not installed. */
export function installed(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
