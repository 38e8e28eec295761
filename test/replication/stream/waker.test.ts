import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Waker } from '../../../src/replication/stream/waker.ts'

describe('a waker', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Whether a promise is kept by now, without waiting for it. */
  async function isKept(promise: Promise<void>): Promise<boolean> {
    let kept = false
    void promise.then(() => {
      kept = true
    })
    await vi.advanceTimersByTimeAsync(0)
    return kept
  }

  test('lets its waiter sleep until there is news', async () => {
    const waker = new Waker()
    const waiting = waker.wait(undefined)
    expect(await isKept(waiting)).toBe(false)
    waker.wake()
    expect(await isKept(waiting)).toBe(true)
  })

  test('lets its waiter sleep for so long at most', async () => {
    const waker = new Waker()
    const waiting = waker.wait(100)
    await vi.advanceTimersByTimeAsync(99)
    expect(await isKept(waiting)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await isKept(waiting)).toBe(true)
  })

  test('keeps news that come while nobody waits, once', async () => {
    const waker = new Waker()
    waker.wake()
    waker.wake()
    expect(await isKept(waker.wait(undefined))).toBe(true)
    expect(await isKept(waker.wait(undefined))).toBe(false)
  })

  test('has no news left for the next waiter after the one that it woke', async () => {
    const waker = new Waker()
    const first = waker.wait(undefined)
    waker.wake()
    expect(await isKept(first)).toBe(true)
    expect(await isKept(waker.wait(undefined))).toBe(false)
  })

  test('leaves no timer behind when news come first', async () => {
    const waker = new Waker()
    const waiting = waker.wait(60_000)
    waker.wake()
    expect(await isKept(waiting)).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('does not cut the next wait short when the time of an earlier one is over', async () => {
    const waker = new Waker()
    const first = waker.wait(100)
    waker.wake()
    expect(await isKept(first)).toBe(true)
    const second = waker.wait(200)
    await vi.advanceTimersByTimeAsync(150)
    expect(await isKept(second)).toBe(false)
  })
})
