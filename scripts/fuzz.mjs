// `npm run fuzz`: arguments go to fuzz/main.ts. Compiled first, with the sources that it tries, into a folder of its own:
// it needs every file of them, and dist has only what a package is made of.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap, files, repository, run } from './bootstrap.mjs'

await bootstrap()
if (!isCompiled()) {
  const options = ['-p', 'fuzz/tsconfig.json', '--noEmitOnError']
  const code = await run(process.execPath, ['node_modules/typescript/bin/tsc', ...options])
  if (code !== 0) process.exit(code)
}
process.exit(await run(process.execPath, ['fuzz/.built/fuzz/main.js', ...process.argv.slice(2)]))

function isCompiled() {
  const built = join(repository, 'fuzz/.built')
  if (!existsSync(built)) return false
  const outputs = files(built).filter((file) => file.endsWith('.js'))
  const inputs = [...files(join(repository, 'src')), ...files(join(repository, 'fuzz'))].filter(
    (file) => file.endsWith('.ts') && !file.startsWith(built),
  )
  return outputs.length > 0 && Math.min(...outputs.map(changedMs)) >= Math.max(...inputs.map(changedMs))
}

function changedMs(path) {
  return statSync(path).mtimeMs
}
