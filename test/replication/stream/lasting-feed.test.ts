import fc from 'fast-check'
import { expect } from 'vitest'
import { law } from '../../property.ts'
import { LastingFeed, type LastingStep, losses } from './lasting-feed.ts'
import { anyChoices, anyLimits, anyWal, Choices } from './stream-model.ts'

const step: fc.Arbitrary<LastingStep> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('send'), messages: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pull') }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('ack'), back: fc.nat(3), readBack: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('settle'), turns: fc.integer({ min: 1, max: 40 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('lose'), how: fc.constantFrom(...losses), refusals: fc.nat(2) }),
  },
)

law(
  'one feed over many connections tells what one connection would have: each event once, in order, of the same objects; and the server nothing but what was acknowledged',
  fc.asyncProperty(
    anyWal,
    anyChoices,
    anyLimits,
    fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }),
    async (wal, choices, limits, steps) => {
      const feed = new LastingFeed(wal, new Choices(choices), limits)
      try {
        for (const taken of steps) {
          await feed.take(taken)
          expect(feed.complaints).toEqual([])
        }
        await feed.finish()
        expect(feed.complaints).toEqual([])
        expect(feed.told).toEqual(feed.story)
      } finally {
        await feed.end()
      }
      expect(feed.complaints).toEqual([])
    },
  ),
  100,
)
