// Appends every event to a file, as JSON lines, each exactly once. The position is a line of the same file, written when
// what it covers is on the disk: what stands behind the last such line was not finished, and is cut off.
import { open } from 'node:fs/promises'
import { env } from 'node:process'
import { follow, parsePosition, toJsonLine } from 'walwire'

const path = env.OUTPUT ?? 'events.jsonl'
const mark = Buffer.from('{"position":')

const file = await open(path, 'a+')
const feed = follow({
  connection: env.SOURCE,
  publication: env.PUBLICATION ?? 'shop',
  slot: env.SLOT ?? 'exactly_once_file',
  // read when no other run has the slot, and so none writes to the file
  start: recover,
  // as the server prints them: whoever reads the lines loses no digit to a number of JavaScript's
  values: 'text',
  // another run over the slot is waited for, and a server that is not there yet
  reconnect: { first: true },
})
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => feed.close())

for await (const { events, position } of feed) {
  await file.appendFile(events.map((event) => `${toJsonLine(event)}\n`).join(''))
  // written first, the position could be there after a power failure that the events did not survive
  await file.datasync()
  await file.appendFile(`${JSON.stringify({ position })}\n`)
  await file.datasync()
  feed.ack(position)
}
await feed.close()
await file.close()

/** Cuts the file off behind its last position. */
async function recover() {
  let read = 0
  let kept = 0
  let position
  let rest = Buffer.alloc(0)
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1024 * 1024 })) {
    const bytes = Buffer.concat([rest, chunk])
    let begin = 0
    // by bytes, since the file is cut by them
    for (let end = bytes.indexOf('\n'); end !== -1; end = bytes.indexOf('\n', begin)) {
      const line = bytes.subarray(begin, end)
      begin = end + 1
      if (!line.subarray(0, mark.length).equals(mark)) continue
      kept = read + begin
      position = parsePosition(JSON.parse(line.toString()).position)
    }
    read += begin
    rest = bytes.subarray(begin)
  }
  await file.truncate(kept)
  return position
}
