// `npm test`: arguments go to vitest, as in `npm test -- test/decoder -t name`. What test/slow-suites.txt lists is left out,
// unless a file or folder is named; `npm run test:slow` runs that, and `npm run test:all` everything.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { become, bootstrap, repository } from './bootstrap.mjs'

const [which, ...rest] = process.argv.slice(2)
const given = which === '--slow' || which === '--all' ? rest : process.argv.slice(2)
const slow = readFileSync(join(repository, 'test/slow-suites.txt'), 'utf8')
  .split('\n')
  .flatMap((line) => (line === '' || line.startsWith('#') ? [] : line.split(' ', 1)))

await bootstrap()
await become('vitest/vitest.mjs', ['run', ...chosen(), ...given])

function chosen() {
  if (which === '--slow') return slow
  const isNamed = given.some((argument) => !argument.startsWith('-') && existsSync(join(repository, argument)))
  // vitest.config.ts leaves them out: what `--exclude` says does not reach its projects
  if (which !== '--all' && !isNamed) process.env.WALWIRE_TEST_EXCLUDE = slow.join(' ')
  return []
}
