import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import { message } from './server-messages.ts'

interface Message {
  readonly tag: number
  readonly body: Uint8Array
}

const messages = fc.array(
  fc.record({ tag: fc.integer({ min: 1, max: 255 }), body: fc.uint8Array({ maxLength: 40 }) }),
  { maxLength: 30 },
)

function encode(list: readonly Message[]): Buffer {
  return Buffer.concat(list.map(({ tag, body }) => message(String.fromCharCode(tag), body)))
}

/** Cuts at every position that is named; more than once at one position makes an empty chunk. */
function cut(bytes: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const sorted = positions.map((position) => position % (bytes.length + 1)).sort((a, b) => a - b)
  const chunks: Uint8Array[] = []
  let from = 0
  for (const position of [...sorted, bytes.length]) {
    chunks.push(bytes.slice(from, position))
    from = position
  }
  return chunks
}

function shown(framer: Framer): Message {
  return { tag: framer.tag, body: new Uint8Array(framer.bytes.subarray(framer.start, framer.end)) }
}

function takeAll(framer: Framer): Message[] {
  const taken: Message[] = []
  while (framer.next()) taken.push(shown(framer))
  return taken
}

describe('a framer', () => {
  test('shows the same messages however the bytes are cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 60 }), fc.boolean(), (list, positions, eagerly) => {
        const framer = new Framer()
        const taken: Message[] = []
        for (const chunk of cut(encode(list), positions)) {
          framer.push(chunk)
          if (eagerly) taken.push(...takeAll(framer))
        }
        taken.push(...takeAll(framer))
        expect(taken).toEqual(list.map(({ tag, body }) => ({ tag, body: Uint8Array.from(body) })))
        expect(framer.buffered).toBe(0)
      }),
    )
  })

  test('shows a recorded stream the same when it is cut at every single byte', () => {
    const stream = encode([
      { tag: 0x64, body: Buffer.from('a row') },
      { tag: 0x63, body: Buffer.alloc(0) },
      { tag: 0x64, body: Buffer.alloc(300, 7) },
    ])
    const whole = new Framer()
    whole.push(stream)
    const expected = takeAll(whole)
    for (let position = 0; position <= stream.length; position++) {
      const framer = new Framer()
      const taken: Message[] = []
      for (const chunk of cut(stream, [position])) {
        framer.push(chunk)
        taken.push(...takeAll(framer))
      }
      expect(taken).toEqual(expected)
    }
  })

  test('leaves what was copied of a message alone', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 60 }), (list, positions) => {
        const framer = new Framer()
        const kept: { readonly view: Uint8Array; readonly copy: Message }[] = []
        for (const chunk of cut(encode(list), positions)) {
          framer.push(chunk)
          while (framer.next()) {
            kept.push({ view: framer.bytes.subarray(framer.start, framer.end), copy: shown(framer) })
          }
        }
        // views too: the framer never writes into a chunk, nor twice into an array of its own
        for (const { view, copy } of kept) expect(Uint8Array.from(view)).toEqual(copy.body)
      }),
    )
  })

  test('knows how much it has, and whether the next message needs more', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 60 }), (list, positions) => {
        const bytes = encode(list)
        const framer = new Framer()
        let given = 0
        let taken = 0
        for (const chunk of cut(bytes, positions)) {
          framer.push(chunk)
          given += chunk.length
          while (framer.next()) taken += framer.end - framer.start + 5
          expect(framer.buffered).toBe(given - taken)
          // after a no, it is starved: reading has to go on or nothing will ever come
          expect(framer.starved).toBe(true)
        }
        expect(taken).toBe(bytes.length)
      }),
    )
  })

  test('is not starved while a whole message lies in it', () => {
    const framer = new Framer()
    framer.push(message('d', Buffer.alloc(100)).subarray(0, 50))
    expect(framer.next()).toBe(false)
    expect(framer.starved).toBe(true)
    framer.push(Buffer.concat([message('d', Buffer.alloc(100)).subarray(50), message('c')]))
    expect(framer.starved).toBe(false)
    expect(framer.next()).toBe(true)
    expect(framer.starved).toBe(false)
    expect(framer.next()).toBe(true)
  })

  test('looks ahead without moving', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 60 }), fc.nat(), (list, positions, steps) => {
        const framer = new Framer()
        for (const chunk of cut(encode(list), positions)) framer.push(chunk)
        for (let step = 0; step < steps % (list.length + 1); step++) framer.next()
        const ahead = takeAll(framer.fork())
        expect(takeAll(framer)).toEqual(ahead)
      }),
    )
  })

  test.each([
    ['a length below its own four bytes', 3],
    ['a negative length', -1],
    ['a length of more than a gigabyte', 0x4000_0001],
  ])('refuses %s', (_, length) => {
    const header = Buffer.from([0x64, 0, 0, 0, 0, 0])
    header.writeInt32BE(length, 1)
    for (const position of [0, 2]) {
      const framer = new Framer()
      for (const chunk of cut(header, [position])) framer.push(chunk)
      expect(() => framer.next()).toThrow(expect.objectContaining({ code: 'protocol_violation' }))
    }
  })

  test('refuses a message above its limit before the message is there', () => {
    const framer = new Framer()
    framer.maxMessageBytes = 1000
    framer.push(message('d', Buffer.alloc(996)).subarray(0, 5))
    expect(() => framer.next()).toThrow(expect.objectContaining({ code: 'protocol_violation' }))
  })

  // 64 times as much takes 64 times as long, and 4096 times if it were quadratic. CPU time, and the least of several
  // measurements, since a busy machine only ever adds.
  const growth = (work: (count: number) => void): number => {
    const cpuMicros = (count: number): number => {
      const begun = process.cpuUsage()
      work(count)
      const { user, system } = process.cpuUsage(begun)
      return user + system
    }
    const least = (count: number): number => Math.min(...Array.from({ length: 3 }, () => cpuMicros(count)))
    work(5_000)
    const few = Math.max(least(5_000), 100)
    return least(320_000) / few
  }

  test('takes linear time for a message that comes in many chunks', () => {
    const ratio = growth((chunks) => {
      const stream = message('d', Buffer.alloc(chunks * 16))
      const framer = new Framer()
      for (let at = 0; at < stream.length; at += 16) {
        framer.push(stream.subarray(at, at + 16))
        framer.next()
      }
      expect(framer.end - framer.start).toBe(chunks * 16)
    })
    expect(ratio).toBeLessThan(600)
  })

  test('takes linear time for many small chunks that wait', () => {
    const ratio = growth((chunks) => {
      const one = message('d', Buffer.alloc(3))
      const framer = new Framer()
      for (let index = 0; index < chunks; index += 2) {
        framer.push(one.subarray(0, 4))
        framer.push(one.subarray(4))
      }
      let messages = 0
      while (framer.next()) messages++
      expect(messages).toBe(chunks / 2)
    })
    expect(ratio).toBeLessThan(600)
  })
})
