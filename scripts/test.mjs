// `npm test`: arguments go to vitest, as in `npm test -- test/decoder -t name`.
import { become, bootstrap } from './bootstrap.mjs'

await bootstrap()
await become('vitest/vitest.mjs', ['run', ...process.argv.slice(2)])
