// Follows a slot to an LSN and touches every column of every row.
// Usage: walwire-stream.mjs URI SLOT PUBLICATION START STOP
import { performance } from 'node:perf_hooks'
import { follow } from '../../dist/index.js'

const [connection, slot, publication, start, stop] = process.argv.slice(2)
const begun = performance.now()
const cpuBefore = process.cpuUsage()
let rows = 0
let touched = 0
let batches = 0
const feed = follow({ connection, slot, publication, start, stop })
for await (const batch of feed) {
  batches++
  for (const event of batch.events) {
    if (event.kind !== 'insert' && event.kind !== 'update' && event.kind !== 'delete') continue
    rows++
    for (const name in event.new ?? event.key) if ((event.new ?? event.key)[name] !== null) touched++
  }
  feed.ack(batch.position)
}
const cpu = process.cpuUsage(cpuBefore)
console.log(
  JSON.stringify({
    rows,
    touched,
    batches,
    seconds: (performance.now() - begun) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
  }),
)
