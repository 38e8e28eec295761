// Compiles src to dist, and takes out of dist what has no source any more: it would be published with the rest.
import { existsSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { files, repository, run } from './bootstrap.mjs'

// Nothing is emitted on an error: `npm test` would take what a failed build left for a good one.
const options = ['-p', 'tsconfig.build.json', '--noEmitOnError']
const code = await run(process.execPath, ['node_modules/typescript/bin/tsc', ...options])
const dist = join(repository, 'dist')
if (code === 0) {
  for (const output of files(dist)) {
    const source = join(repository, 'src', relative(dist, output))
    const known = [source, source.replace(/\.d\.ts$|\.js$/, '.ts')].some((path) => existsSync(path))
    if (!known) rmSync(output, { recursive: true, force: true })
  }
}
process.exit(code)
