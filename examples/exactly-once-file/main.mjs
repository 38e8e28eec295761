// Appends every event to a file, as JSON lines, each exactly once. The position is a line of the same file, written when
// what it covers is on the disk: what stands behind the last such line was not finished, and is cut off.
import { open } from 'node:fs/promises'
import { env } from 'node:process'
import { follow, parsePosition, toJsonLine } from 'walwire'
import { keepFollowing } from '../keep-following.mjs'

const path = env.OUTPUT ?? 'events.jsonl'

await keepFollowing(async (signal) => {
  const file = await open(path, 'a+')
  const feed = follow({
    connection: env.SOURCE,
    publication: env.PUBLICATION ?? 'shop',
    slot: env.SLOT ?? 'exactly_once_file',
    start: await recover(file),
    // as the server prints them: whoever reads the lines loses no digit to a number of JavaScript's
    values: 'text',
    signal,
  })
  try {
    for await (const { events, position } of feed) {
      await file.appendFile(events.map((event) => `${toJsonLine(event)}\n`).join(''))
      // written first, the position could be there after a power failure that the events did not survive
      await file.datasync()
      await file.appendFile(`${JSON.stringify({ position })}\n`)
      await file.datasync()
      feed.ack(position)
    }
  } finally {
    await feed.close()
    await file.close()
  }
})

/**
 * Cuts the file off behind its last position.
 *
 * @param {import('node:fs/promises').FileHandle} file
 */
async function recover(file) {
  const { size } = await file.stat()
  let end = 0
  let kept = 0
  let position
  for await (const line of file.readLines({ start: 0, autoClose: false })) {
    end += Buffer.byteLength(line) + 1
    // the last line may lack its end
    if (end > size || !line.startsWith('{"position":')) continue
    kept = end
    position = parsePosition(JSON.parse(line).position)
  }
  await file.truncate(kept)
  return position
}
