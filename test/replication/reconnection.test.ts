import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readErrorFields } from '../../src/protocol/messages/error-fields.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { Reader } from '../../src/protocol/messages/reader.ts'
import { serverError } from '../../src/protocol/messages/server-error.ts'
import { backoffMs } from '../../src/replication/backoff.ts'
import { defaultReconnectPolicy, Reconnection, type TryFailure } from '../../src/replication/reconnection.ts'
import { somePosition as position } from './some-position.ts'

const lost = new WalwireError('connection_lost', { what: 'a', why: 'b', hint: 'c' })
const gone = new WalwireError('slot_lost', { what: 'a', why: 'b', hint: 'c' })
const failure: TryFailure = {
  error: lost,
  standing: position,
  begun: true,
  servedMs: 1,
  renewable: false,
  streamed: true,
}
const policy = { ...defaultReconnectPolicy, maxAttempts: 3 }

function answered(code: string): WalwireError {
  const fields = [`SERROR`, `VERROR`, `C${code}`, 'Mno', ''].join('\0')
  const reader = new Reader(new TextEncoder().encode(`${fields}\0`), 0, fields.length + 1, 'ErrorResponse')
  return serverError('the stream failed', readErrorFields(reader), 'session')
}

test('a wait is between the shortest and the longest, which doubles up to its limit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 0, max: 1e10 }),
      fc.nat(1000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (minDelayMs, more, doublings, random) => {
        const range = { minDelayMs, maxDelayMs: minDelayMs + more }
        const wait = backoffMs(range, doublings, random)
        expect(wait).toBeGreaterThanOrEqual(minDelayMs)
        expect(wait).toBeLessThanOrEqual(Math.min(range.maxDelayMs, minDelayMs * 2 ** doublings, 2 ** 31))
        expect(backoffMs(range, doublings + 1, random)).toBeGreaterThanOrEqual(wait)
      },
    ),
  )
})

describe('a feed that was cut off', () => {
  test('tries as often as it may, and no more', () => {
    const reconnection = new Reconnection(policy)
    const waits = [0, 1, 2].map(() => reconnection.afterFailure(failure, 0.999))
    expect(waits.map((wait) => Math.round(wait ?? 0))).toEqual([500, 999, 1998])
    expect(reconnection.afterFailure(failure, 0)).toBeUndefined()
  })

  test.each<[string, Partial<TryFailure>]>([
    ['something was delivered', { standing: { ...position } }],
    ['the server had served it for long', { servedMs: 30_000 }],
  ])('begins to count anew where %s', (_what, progress) => {
    const reconnection = new Reconnection(policy)
    for (let tries = 0; tries < 3; tries++) reconnection.afterFailure(failure, 0)
    expect(reconnection.afterFailure({ ...failure, ...progress }, 0)).toBe(250)
    expect(reconnection.failures).toBe(1)
  })

  test('does not try what cannot pass, nor what never began unless it was asked to', () => {
    expect(new Reconnection(policy).afterFailure({ ...failure, error: gone }, 0)).toBeUndefined()
    expect(new Reconnection(policy).afterFailure({ ...failure, error: new TypeError() }, 0)).toBeUndefined()
    expect(new Reconnection(policy).afterFailure({ ...failure, begun: false }, 0)).toBeUndefined()
    expect(new Reconnection({ ...policy, first: true }).afterFailure({ ...failure, begun: false }, 0)).toBe(250)
    expect(new Reconnection(false).afterFailure(failure, 0)).toBeUndefined()
  })

  test.each(['08006', '57P01', '57P02', '57P03', '57P05', '53300', '53200', '55006', '58030', '40001'])(
    'by SQLSTATE %s tries without end',
    (code) => {
      const reconnection = new Reconnection(defaultReconnectPolicy)
      for (let tries = 0; tries < 100; tries++) {
        expect(reconnection.afterFailure({ ...failure, error: answered(code) }, 0)).toBe(250)
      }
    },
  )

  test.each(['XX000', '22023', '42883', '0A000', '58P01'])(
    'by SQLSTATE %s in the stream tries once, and again only where it has come further',
    (code) => {
      const reconnection = new Reconnection(defaultReconnectPolicy)
      const failed = { ...failure, error: answered(code) }
      expect(reconnection.afterFailure(failed, 0)).toBe(250)
      expect(reconnection.afterFailure({ ...failed, standing: { ...position } }, 0)).toBe(250)
      expect(reconnection.afterFailure(failed, 0)).toBe(250)
      expect(reconnection.afterFailure(failed, 0)).toBeUndefined()
    },
  )

  test('by such an error in the stream does not try again, whatever else failed in between', () => {
    const reconnection = new Reconnection(defaultReconnectPolicy)
    const failed = { ...failure, error: answered('XX000') }
    expect(reconnection.afterFailure(failed, 0)).toBe(250)
    expect(reconnection.afterFailure(failure, 0)).toBe(250)
    expect(reconnection.afterFailure({ ...failure, error: answered('55006'), streamed: false }, 0)).toBe(250)
    expect(reconnection.afterFailure(failed, 0)).toBeUndefined()
  })

  test('by such errors at two changes, neither of which came again, tries on', () => {
    const reconnection = new Reconnection(defaultReconnectPolicy)
    const at = (lsn: string) => {
      const cause = answered('XX000')
      return new WalwireError('server_error', { what: 'a', why: 'b', hint: 'c', sqlstate: 'XX000', lsn, cause })
    }
    expect(reconnection.afterFailure({ ...failure, error: at('0/10') }, 0)).toBe(250)
    expect(reconnection.afterFailure({ ...failure, error: at('0/20') }, 0)).toBe(250)
    expect(reconnection.afterFailure({ ...failure, error: at('0/20') }, 0)).toBeUndefined()
  })

  test('by such an error outside of a stream does not try at all', () => {
    const failed = { ...failure, error: answered('XX000'), streamed: false }
    expect(new Reconnection(policy).afterFailure(failed, 0)).toBeUndefined()
  })
})

test('a slot that is lost ends the row, unless the feed is to begin anew: then it is tried as what may pass', () => {
  expect(new Reconnection(policy).afterFailure({ ...failure, error: gone }, 0)).toBeUndefined()
  const renewing = { ...failure, error: gone, renewable: true }
  const reconnection = new Reconnection(policy)
  for (let tries = 0; tries < 3; tries++) expect(reconnection.afterFailure(renewing, 0)).toBe(policy.minDelayMs)
  expect(reconnection.afterFailure(renewing, 0)).toBeUndefined()
  expect(new Reconnection(false).afterFailure(renewing, 0)).toBeUndefined()
})
