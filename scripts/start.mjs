// `npm start`: the demo, after all that it needs. Arguments go to it, as in `npm start -- --duration 10s`.
// package.json starts this with `exec`, and the demo runs in this process: so Ctrl-C finds one process that npm waits
// for, and the demo sees when npm has gone.
import { bootstrap } from './bootstrap.mjs'

await bootstrap()
const { walwire } = await import('../dist/cli/walwire.js')
process.exit(await walwire(['demo', ...process.argv.slice(2)]))
