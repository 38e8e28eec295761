import { describe, expect, test } from 'vitest'
import { type ActivityFacts, activity } from '../../src/replication/feed-status.ts'

const connecting: ActivityFacts = {
  begun: true,
  ended: false,
  inHandMs: 0,
  copying: false,
  stream: undefined,
  bufferedBytes: 0,
  waitingFor: undefined,
}
const stream = { askingCatalogMs: 0, isBehind: false }

describe('what a feed is at', () => {
  test.each<[string, Partial<ActivityFacts>, ReturnType<typeof activity>]>([
    ['before its first pull', { begun: false }, { state: 'waiting', waitingFor: 'somebody who takes its first batch' }],
    ['while it connects', {}, { state: 'connecting', waitingFor: undefined }],
    ['while something is in its way', { waitingFor: 'x' }, { state: 'waiting', waitingFor: 'x' }],
    [
      'while its consumer has the batch that comes before the slot is made',
      { inHandMs: 4_000 },
      { state: 'waiting', waitingFor: 'its consumer, which has had the latest batch for 4 s' },
    ],
    ['in the copy', { copying: true }, { state: 'snapshot', waitingFor: undefined }],
    ['in the copy, behind a lock', { copying: true, waitingFor: 'x' }, { state: 'snapshot', waitingFor: 'x' }],
    ['up to date', { stream }, { state: 'streaming', waitingFor: undefined }],
    ['in a backlog', { stream: { ...stream, isBehind: true } }, { state: 'catching-up', waitingFor: undefined }],
    [
      'with a batch in hand and nothing behind it',
      { stream, inHandMs: 9_000 },
      { state: 'streaming', waitingFor: undefined },
    ],
    [
      'with a batch in hand for a moment, and more behind it',
      { stream, inHandMs: 2_000, bufferedBytes: 1 },
      { state: 'streaming', waitingFor: undefined },
    ],
    [
      'with a batch in hand for long, and more behind it',
      { stream, inHandMs: 9_000, bufferedBytes: 1 },
      { state: 'held', waitingFor: 'its consumer, which has had the latest batch for 9 s' },
    ],
    [
      'while the catalog does not answer',
      { stream: { ...stream, askingCatalogMs: 4_000 }, waitingFor: 'x' },
      { state: 'held', waitingFor: 'x' },
    ],
    [
      'while the catalog has no word for why it does not answer',
      { stream: { ...stream, askingCatalogMs: 4_000 } },
      { state: 'held', waitingFor: 'an answer of the catalog that must come before the next change' },
    ],
    [
      'once it is over, whatever else',
      { ended: true, stream, waitingFor: 'x' },
      { state: 'closed', waitingFor: undefined },
    ],
  ])('%s', (_when, facts, expected) => {
    expect(activity({ ...connecting, ...facts })).toEqual(expected)
  })
})
