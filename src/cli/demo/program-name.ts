import { basename, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * How this very program can be called again from here: by name where it was installed, by its path in a clone.
 *
 * @param script what node was told to run
 */
export function programName(script = process.argv[1] ?? '', cwd = process.cwd()): string {
  if (basename(script) === 'walwire')
    return /[\\/](node_modules[\\/]\.bin|_npx)[\\/]/.test(script) ? 'npx walwire' : 'walwire'
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  const near = relative(cwd, main)
  const path = near.startsWith('..') ? main : near
  return `node ${/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`}`
}
