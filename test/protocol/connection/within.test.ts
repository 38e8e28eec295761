import { describe, expect, test } from 'vitest'
import { within } from '../../../src/protocol/connection/within.ts'

const never = new Promise<never>(() => {})

describe('a wait with a limit', () => {
  test('gives how the promise ended', async () => {
    expect(await within(Promise.resolve(1), 1_000)).toEqual({ ok: true, value: 1 })
    const error = new Error('whatever')
    expect(await within(Promise.reject(error), 1_000)).toEqual({ ok: false, error })
    expect(await within(Promise.resolve(1), Number.POSITIVE_INFINITY)).toEqual({ ok: true, value: 1 })
  })

  test('gives nothing when the time is over first, which it is at once for a time that lies back', async () => {
    expect(await within(never, 5)).toBeUndefined()
    expect(await within(never, -1)).toBeUndefined()
    expect(await within(Promise.resolve(1), -1)).toEqual({ ok: true, value: 1 })
  })

  test('is over when its signal aborts', async () => {
    const abort = new AbortController()
    const waiting = within(never, 60_000, abort.signal)
    abort.abort()
    expect(await waiting).toBeUndefined()
    expect(await within(never, 60_000, abort.signal)).toBeUndefined()
  })
})
