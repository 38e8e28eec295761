// Feeds in a process of its own, each closed at some moment:
// node leaving-follower.mjs '{"options": what follow takes, "slots": a prefix, "moments": [ms], "acknowledges": boolean}'
// Of each it prints a line: its slot, the phase of the last position that it had, and what it left in this process. The
// last line is `over`: nothing should keep the process alive from then on.
import { setTimeout as delay } from 'node:timers/promises'
import { follow } from '../../../dist/index.js'

const { options, slots, moments, acknowledges } = JSON.parse(process.argv[2])
for (const ms of moments) {
  const slot = `${slots}_${ms}`
  const feed = follow({ ...options, slot })
  let phase
  const read = async () => {
    for await (const { position } of feed) {
      phase = position.phase
      if (acknowledges) feed.ack(position)
      await delay(1)
    }
  }
  const reading = read()
  await delay(ms)
  const begunMs = performance.now()
  await feed.close()
  const tookMs = performance.now() - begunMs
  await reading
  // a socket that was destroyed closes a moment later
  await delay(30)
  const left = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name.startsWith('TCP'))
  process.stdout.write(`${JSON.stringify({ slot, phase, tookMs, left })}\n`)
}
process.stdout.write('over\n')
