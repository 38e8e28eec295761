import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ReadAhead } from '../../../src/protocol/connection/read-ahead.ts'
import { copyData } from '../messages/server-messages.ts'
import { duplexPair } from './fake-server.ts'

interface Told {
  chunks: number
  ends: (Error | undefined)[]
}

/** A stream that hands out every chunk that is written, alone. */
function setUp(maxBytes = 1000) {
  const stream = new PassThrough({ highWaterMark: 1, readableHighWaterMark: 1 })
  const told: Told = { chunks: 0, ends: [] }
  const readAhead = new ReadAhead(stream, maxBytes, {
    chunk: () => told.chunks++,
    end: (cause) => told.ends.push(cause),
  })
  return { stream, told, readAhead }
}

const row = (bytes: number): Uint8Array => copyData(new Uint8Array(bytes - 5))

/** Until everything that can happen by itself has happened. */
async function settled(): Promise<void> {
  for (let count = 0; count < 20; count++) await turn()
}

describe('the read side of a connection', () => {
  test('says that more came, once for what was there before', async () => {
    const { stream, readAhead, told } = setUp()
    stream.write(row(10))
    await settled()
    expect(told.chunks).toBe(1)
    expect(await readAhead.more()).toBe(true)
    const waiting = readAhead.more()
    let resolved = false
    void waiting.then(() => {
      resolved = true
    })
    await settled()
    expect(resolved).toBe(false)
    stream.write(row(10))
    expect(await waiting).toBe(true)
    // who waits is told, and nobody else
    expect(told.chunks).toBe(1)
  })

  test('gives everything that came before the end, and then says that it is over', async () => {
    const { stream, readAhead, told } = setUp()
    stream.write(row(10))
    stream.end(row(20))
    await settled()
    expect(told.ends).toEqual([undefined])
    expect(await readAhead.more()).toBe(true)
    expect(await readAhead.more()).toBe(false)
    expect(await readAhead.more()).toBe(false)
    expect(readAhead.framer.buffered).toBe(30)
  })

  test('ends a wait with the end, and tells the cause once', async () => {
    const { stream, readAhead, told } = setUp()
    const waiting = readAhead.more()
    const cause = new Error('reset')
    stream.destroy(cause)
    expect(await waiting).toBe(false)
    await settled()
    expect(told.ends).toEqual([cause])
  })

  test('stops reading when enough is there, and goes on when half is used up', async () => {
    const { stream, readAhead } = setUp(1000)
    for (let count = 0; count < 100; count++) stream.write(row(100))
    await settled()
    expect(stream.isPaused()).toBe(true)
    expect(readAhead.framer.buffered).toBeLessThanOrEqual(1000 + 100)
    const { buffered } = readAhead.framer
    // a little less is not yet a reason
    readAhead.framer.next()
    readAhead.keepReading()
    await settled()
    expect(readAhead.framer.buffered).toBe(buffered - 100)
    while (readAhead.framer.buffered > 500) readAhead.framer.next()
    readAhead.keepReading()
    await settled()
    expect(readAhead.framer.buffered).toBeGreaterThan(500)
  })

  test('goes on when a consumer has taken everything and waits', async () => {
    const { stream, readAhead } = setUp(1000)
    const rows = 200
    for (let count = 0; count < rows; count++) stream.write(row(100))
    stream.end()
    let taken = 0
    do while (readAhead.framer.next()) taken++
    while (await readAhead.more())
    expect(taken).toBe(rows)
  })

  test('lets a message in that is longer than what may be buffered', async () => {
    const { stream, readAhead } = setUp(1000)
    const long = row(50_000)
    for (let at = 0; at < long.length; at += 100) stream.write(long.subarray(at, at + 100))
    stream.write(row(10))
    let found = 0
    while (found < 2) {
      while (readAhead.framer.next()) found++
      if (found < 2) await readAhead.more()
    }
    expect(readAhead.framer.buffered).toBe(0)
  })

  test('never buffers much more than it may, whatever comes and however it is taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 5, max: 300 }), { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        async (sizes, cuts, pacing) => {
          const [stream, server] = duplexPair()
          const readAhead = new ReadAhead(stream, 600, { chunk() {}, end() {} })
          readAhead.pacing = pacing
          const bytes = Buffer.concat(sizes.map(row))
          for (let at = 0, index = 0; at < bytes.length; index++) {
            const next = at + (cuts[index % cuts.length] ?? 1)
            server.write(bytes.subarray(at, next))
            at = next
          }
          server.end()
          const taken: number[] = []
          do {
            while (readAhead.framer.next()) {
              taken.push(readAhead.framer.end - readAhead.framer.start + 5)
              if (taken.length % 3 === 0) await turn()
              readAhead.keepReading()
              // what the stream itself had gathered in a pause comes on top
              expect(readAhead.framer.buffered).toBeLessThanOrEqual(600 + 2 * 500)
            }
          } while (await readAhead.more())
          expect(taken).toEqual(sizes)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('pauses for a millisecond after little, while it is asked to', async () => {
    const { stream, readAhead } = setUp()
    stream.write(row(10))
    await settled()
    expect(stream.isPaused()).toBe(false)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    readAhead.pacing = true
    stream.write(row(10))
    await settled()
    expect(stream.isPaused()).toBe(true)
    stream.write(row(10))
    await settled()
    expect(readAhead.framer.buffered).toBe(20)
    // what came meanwhile is little again
    vi.advanceTimersByTime(1)
    expect(readAhead.framer.buffered).toBe(30)
    expect(stream.isPaused()).toBe(true)
    vi.advanceTimersByTime(1)
    expect(stream.isPaused()).toBe(false)
  })

  test('takes after a pause everything that was gathered, as one chunk', async () => {
    const stream = new PassThrough({ highWaterMark: 100_000 })
    const sizes: number[] = []
    stream.on('data', (chunk: Uint8Array) => sizes.push(chunk.length))
    const readAhead = new ReadAhead(stream, 1_000_000, { chunk() {}, end() {} })
    readAhead.pacing = true
    stream.write(row(10))
    await expect.poll(() => sizes).toEqual([10])
    // as over TLS, where each of the server's messages is a chunk
    for (let count = 0; count < 500; count++) stream.write(row(100))
    await expect.poll(() => readAhead.framer.buffered).toBe(50_010)
    expect(sizes.length).toBeLessThanOrEqual(4)
    stream.end()
    while (await readAhead.more()) while (readAhead.framer.next());
    expect(readAhead.framer.buffered).toBe(0)
  })

  test('does not pause after much', async () => {
    const { stream, readAhead } = setUp(10_000_000)
    readAhead.pacing = true
    stream.write(row(65_536))
    await turn()
    expect(readAhead.framer.buffered).toBe(65_536)
    expect(stream.isPaused()).toBe(false)
  })

  test('drops what comes once nobody wants it, and notices the end', async () => {
    const { stream, readAhead, told } = setUp(1000)
    for (let count = 0; count < 100; count++) stream.write(row(100))
    await settled()
    readAhead.discard()
    stream.end()
    await expect.poll(() => told.ends.length).toBe(1)
    expect(readAhead.framer.buffered).toBeLessThanOrEqual(1100)
  })

  test('refuses a stream of text', async () => {
    const stream = new PassThrough({ encoding: 'utf8' })
    const ends: (Error | undefined)[] = []
    new ReadAhead(stream, 1000, { chunk() {}, end: (cause) => ends.push(cause) })
    stream.write('x')
    await expect.poll(() => ends).toEqual([expect.any(TypeError)])
  })
})
