// Copies the tables of a publication and touches every column of every row.
// Usage: walwire-snapshot.mjs URI PUBLICATION
import { performance } from 'node:perf_hooks'
import { follow } from '../../dist/index.js'

const [connection, publication] = process.argv.slice(2)
const begun = performance.now()
const cpuBefore = process.cpuUsage()
let rows = 0
let touched = 0
const feed = follow({ connection, publication, snapshot: 'only' })
for await (const batch of feed) {
  for (const event of batch.events) {
    if (event.kind !== 'snapshot') continue
    rows++
    for (const name in event.new) if (event.new[name] !== null) touched++
  }
  feed.ack(batch.position)
}
const cpu = process.cpuUsage(cpuBefore)
console.log(
  JSON.stringify({
    rows,
    touched,
    seconds: (performance.now() - begun) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
  }),
)
