// A process to be killed: boots a server as tests do, tells of it, and stays. Node 20 runs no TypeScript by itself.
import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'

const vite = await createViteServer({
  root: fileURLToPath(new URL('../../', import.meta.url)),
  configFile: false,
  logLevel: 'silent',
  server: { middlewareMode: true, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
})
const { bootServer } = await vite.ssrLoadModule('/test/server/boot.ts')
process.on('SIGINT', () => process.stdout.write('interrupted\n'))
const server = await bootServer({ version: Number(process.argv[2]) })
process.stdout.write(`${server.uri()}\n`)
setInterval(() => {}, 60_000)
