// Compiles src to dist, and takes out of dist what has no source any more, and the declarations that nothing of the
// package's exports leads to: both would be published with the rest.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { files, repository, run } from './bootstrap.mjs'

const dist = join(repository, 'dist')
// Comments belong to the declarations, where editors show them. One run of the compiler keeps them in both or in none.
await compile('--declaration', 'false', '--removeComments')
await compile('--emitDeclarationOnly', '--noCheck')

const reachable = declarations()
for (const output of files(dist)) {
  const source = join(repository, 'src', relative(dist, output))
  const known = [source, source.replace(/\.d\.ts$|\.js$/, '.ts')].some((path) => existsSync(path))
  const unreachable = output.endsWith('.d.ts') && !reachable.has(output)
  if (!known || unreachable) rmSync(output, { recursive: true, force: true })
}

async function compile(...options) {
  // Nothing is emitted on an error: `npm test` would take what a failed build left for a good one.
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noEmitOnError', ...options]
  const code = await run(process.execPath, args)
  if (code !== 0) process.exit(code)
}

/** The declarations that package.json's exports name, and all that these import, however far. */
function declarations() {
  const { exports } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const entries = Object.values(exports).flatMap(({ types }) => (types ? [join(repository, types)] : []))
  const found = new Set(entries)
  for (const file of found) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/\b(?:from |import\()['"](\.[^'"]+)['"]/g)) {
      found.add(join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts')))
    }
  }
  return found
}
