import { fileURLToPath } from 'node:url'
import { type Running, start } from '../cli/command.ts'

/** Starts an example as its readme says. */
export function startExample(name: string, env: Record<string, string>, node = process.execPath): Running {
  return start([], { script: fileURLToPath(new URL(`../../examples/${name}/main.mjs`, import.meta.url)), env, node })
}

/** Ends it as a terminal or a service manager would. */
export async function endExample(running: Running): Promise<void> {
  const began = performance.now()
  running.signal('SIGTERM')
  const { code, stdout, stderr } = await running.finished
  if (code !== 0) throw new Error(`the example ended with ${code}: ${stdout}${stderr}`)
  const tookMs = performance.now() - began
  if (tookMs > 3000) throw new Error(`the example took ${tookMs} ms to end`)
}
