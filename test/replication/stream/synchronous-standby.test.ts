import { describe, expect, test } from 'vitest'
import { isNamed } from '../../../src/replication/stream/synchronous-standby.ts'

describe('synchronous_standby_names', () => {
  test.each([
    ['', false],
    ['walwire', true],
    ['*', true],
    ['"*"', true],
    ['WalWire', true],
    ['walwire_2', false],
    ['other, walwire', true],
    ['2 (other, walwire)', true],
    ['FIRST 1 (other, "walwire")', true],
    ['any 1 ("other, walwire")', false],
    ['ANY 2 (*)', true],
    ['"a ""walwire"""', false],
  ])('%s names a walsender that is called walwire: %s', (names, named) => {
    expect(isNamed(names, 'walwire')).toBe(named)
  })
})
