// `npm run bench`: what is measured is the built package. Arguments go to vitest.
import { become, bootstrap } from './bootstrap.mjs'

await bootstrap()
await become('vitest/vitest.mjs', ['run', '--config', 'bench/vitest.config.ts', ...process.argv.slice(2)])
