// A consumer in a process of its own, whose memory is nobody else's:
// node memory-follower.mjs '{"options": what follow takes, "rows": how many rows to read, "pauseAfter": rows}'
// At the pause it prints a line and goes on when one comes. At the end it prints what it saw and what it took.
import { once } from 'node:events'
import { follow } from '../../../dist/index.js'

const { options, rows: wanted, pauseAfter } = JSON.parse(process.argv[2])
const feed = follow(options)
let rows = 0
let characters = 0
let mostBuffered = 0
let paused = pauseAfter === undefined

for await (const { events, position } of feed) {
  for (const event of events) {
    if (event.kind !== 'insert' && event.kind !== 'snapshot') continue
    rows++
    for (const value of Object.values(event.new)) if (typeof value === 'string') characters += value.length
  }
  feed.ack(position)
  mostBuffered = Math.max(mostBuffered, feed.status().bufferedBytes)
  if (!paused && rows >= pauseAfter) {
    paused = true
    process.stdout.write('paused\n')
    await once(process.stdin, 'data')
    process.stdin.pause()
    mostBuffered = Math.max(mostBuffered, feed.status().bufferedBytes)
  }
  if (rows >= wanted) break
}

// in kB: the most that was ever resident, as the kernel counted it
const { maxRSS } = process.resourceUsage()
process.stdout.write(`${JSON.stringify({ rows, characters, mostBuffered, maxRSS })}\n`)
