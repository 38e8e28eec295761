// `npm run torture`: arguments go to test/torture/main.ts, which runs as it stands, by way of what runs the tests: it boots
// their servers, whose files are found from where the sources lie. What is tortured is the built command.
import { join } from 'node:path'
import { bootstrap, repository } from './bootstrap.mjs'

await bootstrap()
// not before there is something installed
const { createViteServer } = await import('vitest/node')
const modules = await createViteServer({
  root: repository,
  configFile: false,
  appType: 'custom',
  logLevel: 'error',
  // what this Node does not know of the language is written in what it knows, as the tests have it
  oxc: { target: 'node20' },
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
})
const { main } = await modules.ssrLoadModule(join(repository, 'test/torture/main.ts'))
// a run that was broken off may still wait for something
process.exit(await main(process.argv.slice(2)))
