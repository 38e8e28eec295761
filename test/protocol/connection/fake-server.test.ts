import { describe, expect, test } from 'vitest'
import { duplexPair } from './fake-server.ts'

describe('an in-memory pair of streams', () => {
  test('gives at one end what was written at the other, and its end', async () => {
    const [a, b] = duplexPair()
    a.write('one')
    a.end('two')
    const chunks: string[] = []
    for await (const chunk of b) chunks.push(String(chunk))
    expect(chunks.join('')).toBe('onetwo')
  })

  test('holds the writer up while nobody reads', async () => {
    const [a, b] = duplexPair()
    const size = 100_000
    let taken = 0
    for (let index = 0; index < 10; index++) a.write(Buffer.alloc(size), () => taken++)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(taken).toBeLessThan(3)
    b.resume()
    await new Promise<void>((resolve) => a.end(resolve))
    expect(taken).toBe(10)
  })

  test('ends when the other end is destroyed', async () => {
    const [a, b] = duplexPair()
    b.resume()
    const ended = new Promise<void>((resolve) => b.once('end', resolve))
    a.destroy()
    await ended
  })
})
